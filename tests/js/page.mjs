// As much of a page as the modules under test ask for.

globalThis.ResizeObserver = class {
  constructor(resized) {
    this.resized = resized;
  }

  observe(element) {
    element.resized = this.resized;
  }
};

// An element of a size that lies at (left, top) of the window.
export class Element extends EventTarget {
  constructor({ width = 0, height = 0, left = 0, top = 0, name = "" } = {}) {
    super();
    Object.assign(this, { clientWidth: width, clientHeight: height, left, top, name, attributes: {}, children: [] });
    this.looks = new Set();
    this.classList = {
      add: (look) => this.looks.add(look),
      remove: (look) => this.looks.delete(look),
      toggle: (look, on) => (on ? this.looks.add(look) : this.looks.delete(look)),
    };
  }

  getBoundingClientRect() {
    return { left: this.left, top: this.top };
  }

  setPointerCapture(id) {
    this.captured = id;
  }

  setAttribute(name, value) {
    this.attributes[name] = String(value);
  }

  append(...children) {
    this.children.push(...children);
  }

  replaceChildren(...children) {
    this.children = children;
  }

  // All that lie in it and fit, itself first.
  *all(fits) {
    if (fits(this)) yield this;
    for (const child of this.children) if (child instanceof Element) yield* child.all(fits);
  }

  // Sends an event; whether its usual consequence was prevented.
  fire(type, facts = {}) {
    const event = Object.assign(new Event(type, { cancelable: true }), { ctrlKey: false, metaKey: false, altKey: false, ...facts });
    return !this.dispatchEvent(event);
  }
}

globalThis.document = { createElementNS: (_, name) => new Element({ name }) };
