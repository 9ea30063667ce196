// Helpers of all scripts: make elements and buttons, wait, and tell whether a key is meant for a field.

// element("p", { className: "hint" }, "text", child, …)
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "role" || key.includes("-")) made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

export function button(words, onclick, properties = {}) {
  return element("button", { type: "button", textContent: words, onclick, ...properties });
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Whether key presses at `target` belong to a text field or a dialog, so that shortcuts must ignore them.
export const takesKeys = (target) => target.closest("input:not([type=checkbox], [type=radio], [type=range]), select, textarea, dialog") !== null;
