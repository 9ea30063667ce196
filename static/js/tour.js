// A tour of three notes on the result of the example image. After it was closed it is not shown again in this browser.

const SEEN = "deepsegm-tour-seen";
const tour = document.querySelector("#tour");
const bubbles = [...tour.querySelectorAll("[data-at]")];
const next = tour.querySelector("[data-next]");
let target, step = 0;

// Stores that the tour was closed, if a value is given. Returns the stored value, or null.
function closedBefore(value) {
  try {
    if (value) localStorage.setItem(SEEN, value);
    return localStorage.getItem(SEEN);
  } catch {
    return null; // storage is switched off
  }
}

function show() {
  target?.classList.remove("toured");
  target = document.querySelector(bubbles[step].dataset.at);
  target.classList.add("toured");
  bubbles.forEach((bubble, i) => { bubble.hidden = i !== step; });
  tour.querySelector("[data-step]").textContent = `${step + 1} of ${bubbles.length}`;
  next.textContent = step === bubbles.length - 1 ? "Done" : "Next";
  tour.hidden = false;
}

function close() {
  closedBefore("yes");
  tour.hidden = true;
  target.classList.remove("toured");
  target.querySelector("a, canvas, summary")?.focus({ preventScroll: true });
}

next.addEventListener("click", () => {
  step += 1;
  if (step === bubbles.length) return close();
  show();
  target.scrollIntoView({ block: "nearest" });
});
tour.querySelector("[data-close]").addEventListener("click", close);
tour.addEventListener("keydown", (event) => event.key === "Escape" && close());

if (!closedBefore()) show();
