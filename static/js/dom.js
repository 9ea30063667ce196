// How scripts make parts of a page, and wait.

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

export function button(words, heard, properties = {}) {
  return element("button", { type: "button", textContent: words, onclick: heard, ...properties });
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Whether keys are letters of a field there, or belong to a window over the page.
export const takesKeys = (target) => target.closest("input:not([type=checkbox], [type=radio], [type=range]), select, textarea, dialog") !== null;
