// Which particles picture and table show: by state (counted, or the reason for leaving out), and by a choice such as a
// bar of the histogram.

// The filter of particles. hidden: a set of states, "" for counted, else the reason; isChosen(particle): whether it
// belongs to the choice, or null without a choice.
export const particleFilter = ({ hidden, isChosen }) => (particle) => !hidden.has(particle.reason) && (isChosen === null || isChosen(particle));

// One button for each state, which shows or hides its particles. hide(states) is called with the set of hidden states.
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

  // Writes how many particles each state has. states: state -> count; a new state gets a button.
  count(states) {
    const { chips } = this;
    const uncounted = new Map(Object.entries(states));
    for (const chip of chips) {
      chip.querySelector("b").textContent = uncounted.get(chip.dataset.state) ?? "0";
      uncounted.delete(chip.dataset.state);
    }
    for (const [reason, count] of chips.length ? uncounted : []) {
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
