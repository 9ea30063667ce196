// Loaded by every page: local times, closed sections that links open, Escape, typed lengths. It also loads scripts for
// files, copying, lists and tokens.

import "./await-files.js";
import "./copying.js";
import "./settle.js";
import "./token.js";
import { digits, lengthOf } from "./width.js";

// Moments are stored in UTC and shown in the reader's own time.
const format = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    time.title = `${time.textContent} UTC`;
    time.textContent = format.format(new Date(time.dateTime));
  }
}

// On touch screens hints say "tap" instead of "click".
if (matchMedia("(hover: none)").matches) {
  for (const hint of document.querySelectorAll("[data-tap]")) hint.textContent = hint.dataset.tap;
}

localise(document);
for (const name of ["htmx:afterSettle", "settled"]) document.addEventListener(name, () => localise(document));

// A link to a fold opens it.
function openFold() {
  const fold = document.querySelector("details:target");
  if (fold) fold.open = true;
}

openFold();
addEventListener("hashchange", openFold);

// A definition is shown while its term is pointed at or focused; Escape closes it.
document.addEventListener("keydown", (event) => event.key === "Escape" && document.activeElement?.closest(".term")?.blur());

// Folds that open over the page are closed by Escape and by a click elsewhere.
const OVER = ":is(details[name=word], details[name=why], details[name=tool-menu], details[data-display])[open]";
const closeOver = (clicked) => {
  for (const fold of document.querySelectorAll(OVER)) if (!fold.contains(clicked)) fold.open = false;
};
document.addEventListener("click", ({ target }) => target.closest("dialog") || closeOver(target));
document.addEventListener("keydown", ({ key, target }) => {
  if (key !== "Escape" || target.closest("dialog, .term")) return; // a definition closes by itself
  target.closest(OVER)?.querySelector("summary").focus();
  closeOver(null);
});

// The answer to a refused width is the page of the result at the address .../width/, which cannot be loaded again: the
// address becomes that of the result.
if (location.pathname.endsWith("/width/")) history.replaceState(null, "", "../#width");

// Back may lead to an address that a script set (work.js does): then that page is loaded.
const { pathname } = location;
addEventListener("popstate", () => location.pathname === pathname || location.reload());

// If a length is typed with a unit, the length in nm is shown in place of the unit beside the field.
document.addEventListener("input", ({ target }) => {
  const unit = target.closest(".with-unit")?.querySelector(".unit");
  if (!unit || (unit.dataset.unit ?? unit.textContent.trim()) !== "nm") return;
  unit.dataset.unit = "nm";
  const length = lengthOf(target.value);
  const isNumber = !/[a-zµμÅ]/i.test(target.value);
  const isWrong = target.value.trim() !== "" && !length;
  unit.classList.toggle("wrong-text", isWrong);
  unit.textContent = isWrong ? "is not a width" : isNumber ? "nm" : `= ${digits(length)} nm`;
});
