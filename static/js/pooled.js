// The page of a sample: the histogram of the particles of all its images, the form for another scale, the images that a
// note means, and arrow keys from image to image.

import { Histogram } from "./chart.js";
import { button, element } from "./dom.js";

const section = document.getElementById("histogram");
if (section) new Histogram(section);

// Typing a number means choosing its rule.
for (const input of document.querySelectorAll("#scale [name^=rule_]")) {
  input.addEventListener("input", () => (input.closest(".rule").querySelector("[name=rule]").checked = true));
}

// A note shows its images alone, each with its reason, until all are asked for again.
const only = document.querySelector("[data-only]");
function listOnly(places) {
  const rows = [...document.querySelectorAll(".images > li")];
  for (const row of rows) row.hidden = !(places?.includes(row.dataset.place) ?? true);
  const images = rows.filter((row) => row.dataset.place); // the last row adds one
  const visible = images.filter((row) => !row.hidden);
  only.hidden = visible.length === images.length;
  only.querySelector("span").textContent = `Only ${visible.length} of ${images.length} images.`;
  only.scrollIntoView({ block: "nearest" });
  if (places) visible[0]?.querySelector("a.name").focus();
}
for (const note of document.querySelectorAll("[data-ids]")) note.addEventListener("click", () => listOnly(note.dataset.ids.split(",")));
only.querySelector("button").addEventListener("click", () => listOnly(null));

// Many images are left out or taken in with one press.
const list = () => document.getElementById("images");
function counting() {
  const press = list().querySelector("#counting button");
  if (!press) return;
  const boxes = [...list().querySelectorAll("[name=counted]")];
  press.hidden = boxes.every((box) => box.checked === box.defaultChecked);
  press.textContent = `Count ${boxes.filter((box) => box.checked).length} of ${boxes.length} images`;
}
document.addEventListener("change", (event) => event.target.name === "counted" && counting());
document.addEventListener("settled", counting);
counting();

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
