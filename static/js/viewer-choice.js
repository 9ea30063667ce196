// Which particles are shown in picture and table: by state, and by the bar of the histogram that was chosen.

// hidden: states, "" is kept, else the reason; stands(particle): whether it is in what was chosen, null where nothing was.
export const shownBy = ({ hidden, stands }) => (particle) => !hidden.has(particle.reason) && (stands === null || stands(particle));

// The states as buttons: each shows or hides its particles.

export class Chips {
  constructor(section, hide) {
    this.section = section;
    this.all = section.querySelector("[data-all-states]");
    this.hide = hide;
    section.addEventListener("click", ({ target }) => {
      const chip = target.closest("[data-state]");
      if (chip) this.toggle(chip);
    });
    this.all?.addEventListener("click", () => this.everything());
  }

  get chips() {
    return [...this.section.querySelectorAll("[data-state]")];
  }

  // How many there are of each state now; a state that had none before gets a button of its own.
  count(states) {
    const { chips } = this;
    const left = new Map(Object.entries(states));
    for (const chip of chips) {
      chip.querySelector("b").textContent = left.get(chip.dataset.state) ?? "0";
      left.delete(chip.dataset.state);
    }
    for (const [reason, count] of chips.length ? left : []) {
      const chip = chips.at(-1).cloneNode(true);
      Object.assign(chip, { title: "Left out by hand." });
      chip.dataset.state = reason;
      chip.classList.add("aside");
      chip.firstChild.textContent = `${reason[0].toUpperCase()}${reason.slice(1)} `;
      chip.querySelector("b").textContent = count;
      this.chips.at(-1).after(chip);
    }
  }

  toggle(chip) {
    chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
    this.tell();
  }

  everything() {
    for (const chip of this.chips) chip.setAttribute("aria-pressed", "true");
    this.tell();
    this.chips[0].focus();
  }

  tell() {
    const hidden = this.chips.filter((chip) => chip.getAttribute("aria-pressed") !== "true");
    if (this.all) this.all.hidden = hidden.length === 0;
    this.hide(new Set(hidden.map((chip) => chip.dataset.state)));
  }
}
