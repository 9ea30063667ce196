// The page of a sample: the histogram of the particles of all its images, and the form for another scale.

import { Histogram } from "./chart.js";
import { chooseByTyping } from "./sample-fields.js";

const section = document.getElementById("histogram");
if (section) new Histogram(section);

const scale = document.getElementById("scale");
if (scale) chooseByTyping(scale);

// When all has ended the server asks for the page anew; not while somebody is filling in one of its forms.
const changed = (field) => {
  if (field.type === "file") return field.files.length > 0;
  if (["checkbox", "radio"].includes(field.type)) return field.checked !== field.defaultChecked;
  if (field.options) return [...field.options].some((option) => option.selected !== option.defaultSelected);
  return field.type !== "hidden" && field.value !== field.defaultValue;
};
const filled = () => [...document.querySelectorAll("main form :is(input, select, textarea)")].some(changed);

document.body.addEventListener("htmx:beforeOnLoad", (event) => {
  if (!event.detail.xhr.getResponseHeader("HX-Refresh") || !filled()) return;
  event.preventDefault();
  const again = Object.assign(document.createElement("button"), { type: "button", textContent: "Show them" });
  again.addEventListener("click", () => location.reload());
  const said = Object.assign(document.createElement("p"), { textContent: "The new numbers are ready. " });
  said.append(again);
  const status = Object.assign(document.createElement("div"), { id: "status", className: "panel stack-small" });
  status.setAttribute("role", "status");
  status.append(said);
  document.getElementById("status").replaceWith(status);
});
