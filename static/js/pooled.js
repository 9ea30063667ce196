// The page of a sample: the histogram of the particles of all its images, and the form for another scale.

import { Histogram } from "./chart.js";
import { chooseByTyping } from "./sample-fields.js";

const section = document.getElementById("histogram");
if (section) new Histogram(section);

const scale = document.getElementById("scale");
if (scale) chooseByTyping(scale);

// When all has ended the server asks for the page anew; not while somebody is filling in one of its forms. The controls
// of the histogram are no such form: its script sets them, too.
const stateOf = (field) => (field.type === "file" ? field.files.length : ["checkbox", "radio"].includes(field.type) ? field.checked : field.value);
const fields = document.querySelectorAll("main form:not([data-chart]) :is(input:not([type=hidden]), select, textarea)");
const first = new Map([...fields].map((field) => [field, stateOf(field)]));
const filled = () => [...first].some(([field, state]) => field.isConnected && stateOf(field) !== state);

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
