// The list of results: shows a bar with actions once results are selected.

import { pause } from "./dom.js";

const list = () => document.getElementById("results");
const ticks = () => [...list().querySelectorAll(".tick input")];
const tickOfAll = () => list().querySelector("[name=all]");

function updateBar() {
  const bar = list().querySelector("[data-bar]");
  if (!bar) return;
  const label = bar.querySelector("[data-every]");
  const [box, words] = label.children;
  const [all, ticked] = [ticks(), ticks().filter((tick) => tick.checked).length];
  label.hidden = false;
  box.checked = ticked === all.length;
  box.indeterminate = ticked > 0 && ticked < all.length;
  const several = new Set(all.filter((tick) => tick.checked).map((tick) => tick.dataset.alike)).size > 1;
  bar.querySelector("[value=compare]").disabled = several;
  words.textContent = `${ticked} selected${several ? "; different kinds or scales cannot be compared" : ""}`;
  bar.hidden = !ticked && !tickOfAll()?.checked;
}

// Scrolls so that the whole entry of `target` is seen above the bar.
function scrollAboveBar(target) {
  target.closest(".entry")?.scrollIntoView({ block: "nearest" });
}

document.addEventListener("focusin", ({ target }) => target.matches(":focus-visible") && scrollAboveBar(target)); // only for keys: under a pointer nothing scrolls
document.addEventListener("change", (event) => {
  if (event.target.matches(".search select")) event.target.form.requestSubmit();
  if (event.target.closest("[data-every]")) for (const tick of ticks()) tick.checked = event.target.checked;
  if (event.target.closest("#results")) updateBar();
  if (event.target.checked) scrollAboveBar(event.target);
});

document.addEventListener("settled", updateBar);

// Files of many results are written before the download: the button shows how many are written.
document.addEventListener("submit", async (event) => {
  const button = event.submitter;
  if (button?.id !== "do-download" || button.dataset.ready) return;
  event.preventDefault();
  const form = event.target;
  const title = button.textContent;
  button.disabled = true;
  try {
    for (;;) {
      const answer = await fetch(form.action, { method: "POST", body: new FormData(form, button), headers: { "X-Prepare": "1" } });
      if (answer.status !== 202) break;
      const { written, of } = await answer.json();
      button.textContent = `Writing files, ${written} of ${of}`;
      await pause(1000);
    }
  } finally {
    button.disabled = false;
    button.textContent = title;
  }
  button.dataset.ready = "true";
  form.requestSubmit(button);
  delete button.dataset.ready;
});

updateBar();
