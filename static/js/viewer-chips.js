// The states of the particles as buttons: each shows or hides its particles in picture and table.

export class Chips {
  constructor(section, hide) {
    this.chips = [...section.querySelectorAll("[data-state]")];
    this.all = section.querySelector("[data-all-states]");
    this.hide = hide;
    for (const chip of this.chips) chip.addEventListener("click", () => this.toggle(chip));
    this.all?.addEventListener("click", () => this.everything());
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
