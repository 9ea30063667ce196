// The page of a sample: the histogram of the particles of all its images, the form for another scale, the images that a
// note means, arrow keys from image to image, and a new count, which leaves the page where it is.

import { Histogram } from "./chart.js";
import { button, element, pause } from "./dom.js";
import { settle } from "./settle.js";

const ASK_AGAIN = 700; // ms
const histogram = () => document.getElementById("histogram");
let chart = histogram() && new Histogram(histogram());

// Typing a number means choosing its rule.
document.addEventListener("input", ({ target }) => {
  if (target.matches("#scale [name^=rule_]")) target.closest(".rule").querySelector("[name=rule]").checked = true;
});

// A note shows its images alone, each with its reason, until all are asked for again.
function listOnly(places) {
  const rows = [...document.querySelectorAll(".images > li")];
  for (const row of rows) row.hidden = !(places?.includes(row.dataset.place) ?? true);
  const images = rows.filter((row) => row.dataset.place); // the last row adds one
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

// Many images are left out or taken in with one press.
const form = () => document.getElementById("counting");
const boxes = () => [...document.querySelectorAll("#images [name=counted]")];
const chosen = () => `${boxes().filter((box) => box.checked).length} of ${boxes().length} images`;
function counting() {
  const press = form()?.querySelector("button");
  if (!press) return;
  press.hidden = boxes().every((box) => box.checked === box.defaultChecked);
  press.textContent = `Count ${chosen()}`;
}
document.addEventListener("change", (event) => event.target.name === "counted" && counting());
document.addEventListener("settled", counting);
counting();

// The page stays where it is: the numbers of before stand there, grey, until the new ones take their places.
const PLACES = [".head", "#downloads", "#status", ".answer", "#pooled", "#images"];
const MORE = "#more > [data-tab]";
let turn = 0; // the last press counts
let isUnderWay = false; // then nothing else asks, which would load the page anew

document.body.addEventListener("htmx:beforeRequest", (event) => isUnderWay && event.preventDefault());

async function pageOf(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(answer.statusText);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// Puts what is new into its place; false where the page has other parts now.
function renew(fresh) {
  const names = (page) => [...PLACES.map((place) => !page.querySelector(place)), ...[...page.querySelectorAll(MORE)].map(({ id }) => id)];
  if (names(document).join() !== names(fresh).join()) return false;
  const drawn = histogram();
  if (drawn) fresh.getElementById("histogram")?.replaceWith(fresh.importNode(drawn, true)); // it asks for its bars itself
  for (const place of PLACES) if (fresh.querySelector(place)) settle(document.querySelector(place), fresh.querySelector(place));
  const parts = [...fresh.querySelectorAll(MORE)];
  [...document.querySelectorAll(MORE)].forEach((part, at) => part.replaceChildren(...parts[at].childNodes));
  const [late, later] = [document, fresh].map((page) => page.getElementById("late"));
  late?.replaceWith(later ?? element("p", { id: "late", className: "quiet small" }, "The bars in the images have been read."));
  if (late && later) window.htmx?.process(later);
  document.title = fresh.title;
  if (histogram() === drawn) askAnew();
  else chart = histogram() && new Histogram(histogram());
  document.dispatchEvent(new Event("settled"));
  return true;
}

function askAnew() {
  if (!chart) return;
  chart.asked = "";
  chart.changed();
}

async function count(now) {
  const { action, dataset } = form();
  const answer = await fetch(action, { method: "POST", body: new FormData(form()), redirect: "manual" });
  if (answer.type !== "opaqueredirect") throw new Error(answer.statusText);
  while (now === turn && (await pageOf(dataset.status)).querySelector("[hx-get]")) await pause(ASK_AGAIN);
  if (now !== turn) return;
  if (!renew(await pageOf(location.pathname))) location.reload();
  isUnderWay = false;
}

document.addEventListener("submit", (event) => {
  if (event.target !== form()) return;
  event.preventDefault();
  turn += 1;
  isUnderWay = true;
  count(turn).catch(() => location.reload()); // which says what is the matter
  for (const box of boxes()) box.defaultChecked = box.checked;
  counting();
  for (const part of document.querySelectorAll(".answer, #pooled")) part.setAttribute("aria-busy", "true");
  form().querySelector("[data-ask]").textContent = `Counting ${chosen()} …`;
});

document.addEventListener("keydown", (event) => {
  const { activeElement: here } = document;
  const names = [...document.querySelectorAll(".images li:not([hidden]) a.name")];
  const now = names.indexOf(here.closest(".entry")?.querySelector("a.name"));
  if (!names.length || (now < 0 && here !== document.body) || event.altKey || event.ctrlKey || event.metaKey) return;
  const top = (name) => name.closest(".entry").offsetTop;
  const columns = names.findIndex((name) => top(name) > top(names[0]));
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  const next = now < 0 ? { ArrowRight: 0, ArrowLeft: names.length - 1 }[event.key] : step && now + step;
  if (next === undefined || !names[next]) return;
  event.preventDefault();
  names[next].focus();
});

// When all has ended the server asks for the page anew; not while somebody is filling in one of its forms. The controls
// of the histogram are no such form: its script sets them, too.
const isChanged = (field) => {
  if (field.options) return field.selectedIndex !== Math.max(0, [...field.options].findIndex((option) => option.defaultSelected));
  return field.type === "file" ? field.files.length > 0 : field.checked !== field.defaultChecked || field.value !== field.defaultValue;
};
const filled = () => [...document.querySelectorAll("main form:not([data-chart]) :is(input:not([type=hidden]), select, textarea)")].some(isChanged);

document.body.addEventListener("htmx:beforeOnLoad", (event) => {
  if (!event.detail.xhr.getResponseHeader("HX-Refresh") || !filled()) return;
  event.preventDefault();
  const note = element("p", {}, "The new numbers are ready. ", button("Show them", () => location.reload()));
  document.getElementById("status").replaceWith(element("div", { id: "status", className: "panel stack-small", role: "status" }, note));
});
