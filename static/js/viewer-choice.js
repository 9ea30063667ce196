// Which particles are shown in picture and table: by state, and by the bar of the histogram that was chosen.

export class Choice {
  constructor() {
    this.hidden = new Set(); // states: "" is kept, else the reason
    this.stands = null; // whether a particle is in what was chosen, or null where nothing was
    this.words = "";
    this.listener = () => {};
  }

  hide(hidden) {
    this.hidden = hidden;
    this.listener();
  }

  choose(stands, words) {
    this.stands = stands;
    this.words = words;
    this.listener();
  }

  holds(particle) {
    return !this.hidden.has(particle.reason) && (this.stands === null || this.stands(particle));
  }
}

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
