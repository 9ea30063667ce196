// The part of the upload page that makes one sample of several images; shown once there are several.

// Typing a number means choosing its rule.
export function chooseByTyping(box, changed = () => {}) {
  for (const input of box.querySelectorAll("[name^=rule_]")) {
    input.addEventListener("input", () => {
      const radio = input.closest(".rule").querySelector("[name=rule]");
      if (radio.checked) return;
      radio.checked = true;
      changed();
    });
  }
}

export class SampleFields {
  constructor(box, changed) {
    this.box = box;
    this.tick = box.querySelector("[name=one_sample]");
    this.name = box.querySelector("[name=sample_name]");
    this.more = box.querySelector("#sample-more");
    box.hidden = !this.tick.checked;
    this.tick.addEventListener("change", () => this.show(changed));
    for (const radio of box.querySelectorAll("[name=rule]")) radio.addEventListener("change", changed);
    chooseByTyping(box, changed);
    this.more.hidden = !this.tick.checked;
  }

  get chosen() {
    return this.tick.checked;
  }

  get rule() {
    return this.box.querySelector("[name=rule]:checked")?.value ?? "own";
  }

  // A folder or an archive is a sample unless the user says otherwise.
  offer(name) {
    if (!name) return;
    this.tick.checked = true;
    this.more.hidden = false;
    if (!this.name.value) this.name.value = name;
  }

  count(images) {
    this.box.hidden = images < 2 && !this.chosen;
  }

  show(changed) {
    this.more.hidden = !this.chosen;
    changed();
    if (this.chosen) this.name.focus();
  }
}
