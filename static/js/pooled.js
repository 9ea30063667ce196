// The page of a sample: the histogram over all its images, the form for another scale, a list of the images that a
// warning means, arrow keys from image to image, and counting chosen images without a reload.

import { Histogram } from "./chart.js";
import { button, element, pause } from "./dom.js";
import { settle } from "./settle.js";

const RETRY_MS = 700; // ms between two requests for the state
const histogram = () => document.getElementById("histogram");
let chart = histogram() && new Histogram(histogram());

// Typing a number into a field of the scale chooses the rule of that field.
document.addEventListener("input", ({ target }) => {
  if (target.matches("#scale [name^=rule_]")) target.closest(".rule").querySelector("[name=rule]").checked = true;
});

// A warning shows only the images that it means. places: their numbers, or null to show all images.
function listOnly(places) {
  const rows = [...document.querySelectorAll(".images > li")];
  for (const row of rows) row.hidden = !(places?.includes(row.dataset.place) ?? true);
  const images = rows.filter((row) => row.dataset.place); // the last row is the form that adds an image
  const visible = images.filter((row) => !row.hidden);
  const only = document.querySelector("[data-only]");
  only.hidden = visible.length === images.length;
  only.querySelector("span").textContent = `Only ${visible.length} of ${images.length} images.`;
  only.scrollIntoView({ block: "nearest" });
  if (places) visible[0]?.querySelector("a.name").focus();
}
document.addEventListener("click", ({ target }) => {
  const note = target.closest("[data-ids]");
  if (note) listOnly(note.dataset.ids.split(","));
  else if (target.matches("[data-only] button")) listOnly(null);
});

// The form in which images are ticked; the ticked ones are counted together.
const form = () => document.getElementById("counting");
const boxes = () => [...document.querySelectorAll("#images [name=counted]")];
const chosen = () => `${boxes().filter((box) => box.checked).length} of ${boxes().length} images`;
function updateCountButton() {
  const count = form()?.querySelector("button");
  if (!count) return;
  count.hidden = boxes().every((box) => box.checked === box.defaultChecked);
  count.textContent = `Count ${chosen()}`;
}
document.addEventListener("change", (event) => event.target.name === "counted" && updateCountButton());
document.addEventListener("settled", updateCountButton);
updateCountButton();

// After a new count the page is not reloaded: the old numbers stay, grey, until the new ones replace them.
const REPLACED_PARTS = [".head", "#status", ".answer", "#pooled", "#images", "#growth"];
const MORE = "#more > [data-tab]";
let turn = 0; // number of the last count: answers to earlier ones are ignored
let isUnderWay = false; // while a count runs, htmx requests are stopped: they would reload the page

document.body.addEventListener("htmx:beforeRequest", (event) => isUnderWay && event.preventDefault());

async function pageOf(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(answer.statusText);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// Puts the new parts into their places. Returns false if the new page has other parts: then it has to be reloaded.
function renew(fresh) {
  const names = (page) => [...REPLACED_PARTS.map((place) => !page.querySelector(place)), ...[...page.querySelectorAll(MORE)].map(({ id }) => id)];
  if (names(document).join() !== names(fresh).join()) return false;
  const drawn = histogram();
  if (drawn) fresh.getElementById("histogram")?.replaceWith(fresh.importNode(drawn, true)); // it fetches its bars itself
  for (const place of REPLACED_PARTS) if (fresh.querySelector(place)) settle(document.querySelector(place), fresh.querySelector(place));
  const parts = [...fresh.querySelectorAll(MORE)];
  [...document.querySelectorAll(MORE)].forEach((part, at) => part.replaceChildren(...parts[at].childNodes));
  const [late, later] = [document, fresh].map((page) => page.getElementById("late"));
  late?.replaceWith(later ?? element("p", { id: "late", className: "quiet small" }, "The bars in the images have been read."));
  if (late && later) window.htmx?.process(later);
  document.title = fresh.title;
  if (histogram() === drawn) renewBars();
  else chart = histogram() && new Histogram(histogram());
  document.dispatchEvent(new Event("settled"));
  return true;
}

// Fetches the bars of the histogram again.
function renewBars() {
  if (!chart) return;
  chart.lastQuery = "";
  chart.changed();
}

// Sends the ticked images, waits until they are counted, and shows the new numbers. round: the value of `turn` for
// this.
async function count(round) {
  const { action, dataset } = form();
  const answer = await fetch(action, { method: "POST", body: new FormData(form()), redirect: "manual" });
  if (answer.type !== "opaqueredirect") throw new Error(answer.statusText);
  while (round === turn && (await pageOf(dataset.status)).querySelector("[hx-get]")) await pause(RETRY_MS);
  if (round !== turn) return;
  if (!renew(await pageOf(location.pathname))) location.reload();
  isUnderWay = false;
}

// Ticks that are not sent yet go with the images that are added.
document.addEventListener("submit", ({ target }) => {
  if (!target.matches("#add form") || !form()) return;
  for (const { name, value, type, checked } of form().elements) {
    if (["shown", "counted"].includes(name) && (type !== "checkbox" || checked)) target.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  }
});

document.addEventListener("submit", (event) => {
  if (event.target !== form()) return;
  event.preventDefault();
  turn += 1;
  isUnderWay = true;
  count(turn).catch(() => location.reload()); // the page says what is wrong
  for (const box of boxes()) box.defaultChecked = box.checked;
  updateCountButton();
  for (const part of document.querySelectorAll(".answer, #pooled")) part.setAttribute("aria-busy", "true");
  form().querySelector("[data-ask]").textContent = `Counting ${chosen()} …`;
});

// Arrow keys move the focus from image to image; the images stand in rows and columns.
document.addEventListener("keydown", (event) => {
  const { activeElement: focused } = document;
  const names = [...document.querySelectorAll(".images li:not([hidden]) a.name")];
  const current = names.indexOf(focused.closest(".entry")?.querySelector("a.name"));
  if (!names.length || (current < 0 && focused !== document.body) || event.altKey || event.ctrlKey || event.metaKey) return;
  const top = (name) => name.closest(".entry").offsetTop;
  const columns = names.findIndex((name) => top(name) > top(names[0]));
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  const next = current < 0 ? { ArrowRight: 0, ArrowLeft: names.length - 1 }[event.key] : step && current + step;
  if (next === undefined || !names[next]) return;
  event.preventDefault();
  names[next].focus();
});

// When all images are measured, the server tells htmx to reload the page. If somebody has filled in a form, a note with
// a button is shown instead. The controls of the histogram are ignored: a script sets them, too.
const isChanged = (field) => {
  if (field.options) return field.selectedIndex !== Math.max(0, [...field.options].findIndex((option) => option.defaultSelected));
  return field.type === "file" ? field.files.length > 0 : field.checked !== field.defaultChecked || field.value !== field.defaultValue;
};
const hasChangedFields = () => [...document.querySelectorAll("main form:not([data-chart]) :is(input:not([type=hidden]), select, textarea)")].some(isChanged);

document.body.addEventListener("htmx:beforeOnLoad", (event) => {
  if (!event.detail.xhr.getResponseHeader("HX-Refresh") || !hasChangedFields()) return;
  event.preventDefault();
  const note = element("p", {}, "The new numbers are ready. ", button("Show them", () => location.reload()));
  document.getElementById("status").replaceWith(element("div", { id: "status", className: "panel stack-small", role: "status" }, note));
});
