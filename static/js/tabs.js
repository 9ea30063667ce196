// Puts parts of a page behind tabs (by the ARIA pattern). Without this script, and in print, all parts are shown.

import { button, element } from "./dom.js";

const box = document.querySelector("[data-tabs]");
const panels = [...box.querySelectorAll(":scope > [data-tab]")];
const list = element("div", { className: "tab-list", role: "tablist", "aria-label": box.dataset.tabs });

const tabs = panels.map((panel) => {
  const id = `tab-${panel.id}`;
  panel.setAttribute("role", "tabpanel");
  panel.setAttribute("aria-labelledby", id);
  const onChoose = () => {
    open(panel);
    history.replaceState(history.state, "", `#${panel.id}`);
  };
  return button(panel.dataset.tab, onChoose, { id, role: "tab", "aria-controls": panel.id });
});

function open(panel) {
  panels.forEach((each, i) => {
    each.hidden = each !== panel;
    tabs[i].setAttribute("aria-selected", String(each === panel));
    tabs[i].tabIndex = each === panel ? 0 : -1;
  });
}

// Shows an element that may lie behind a tab or in closed folds, and scrolls to it.
export function reveal(target) {
  if (!target) return;
  const panel = panels.find((each) => each.contains(target));
  if (panel) open(panel);
  for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  (panel === target ? box : target).scrollIntoView({ block: panel === target ? "nearest" : "start" });
}

const elementOf = (hash) => hash.length > 1 && document.getElementById(decodeURIComponent(hash.slice(1)));

list.addEventListener("keydown", (event) => {
  const here = tabs.indexOf(document.activeElement);
  const next = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: -1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  const tab = tabs.at(next % tabs.length);
  tab.focus();
  tab.click();
});
document.addEventListener("click", (event) => {
  const link = event.target.closest?.('a[href^="#"]');
  if (link) reveal(elementOf(link.hash));
});
addEventListener("hashchange", () => reveal(elementOf(location.hash)));

const drawer = box.closest("details"); // open without this script
if (drawer) drawer.open = false;
list.append(...tabs);
box.prepend(list);
open(panels[0]);
box.classList.add("ready");
reveal(elementOf(location.hash) || box.querySelector('[aria-invalid="true"], [role="alert"]:not([hidden])'));
