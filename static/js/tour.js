// Three bubbles on the result of the sample image. A bubble is part of the page, so it covers nothing; once closed, it
// does not come again in this browser.

const SEEN = "deepsegm-tour-seen";
const tour = document.querySelector("#tour");
const bubbles = [...tour.querySelectorAll("[data-at]")];
const next = tour.querySelector("[data-next]");
const column = tour.parentElement;
const narrow = matchMedia("(max-width: 68rem)");
let target, step = 0;

function seen(value) {
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
  tour.dataset.at = bubbles[step].dataset.at;
  tour.querySelector("[data-step]").textContent = `${step + 1} of ${bubbles.length}`;
  next.textContent = step === bubbles.length - 1 ? "Done" : "Next";
  // On a narrow page the files are far below the answer.
  const home = narrow.matches && target.id === "downloads" ? target : column;
  if (tour.parentElement !== home) home.prepend(tour);
  tour.hidden = false;
}

function close() {
  seen("yes");
  tour.hidden = true;
  target.classList.remove("toured");
  target.querySelector("a, canvas, summary")?.focus({ preventScroll: true });
}

next.addEventListener("click", () => {
  step += 1;
  if (step === bubbles.length) return close();
  show();
  next.focus({ preventScroll: true });
  (target.contains(tour) ? target : tour).scrollIntoView({ block: "nearest" });
});
tour.querySelector("[data-close]").addEventListener("click", close);
tour.addEventListener("keydown", (event) => event.key === "Escape" && close());
narrow.addEventListener("change", () => tour.hidden || show());

if (!seen()) show();
