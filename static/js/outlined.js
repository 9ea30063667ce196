// The outlines in the middle of the first image, before its analysis. The circle on it, of the typical size, can be
// dragged: it fills in the setting of the working scale, and the outlines are made again.

const form = document.getElementById("analyse");
const cards = document.getElementById("cards");
const box = document.getElementById("outlined");
const AGAIN_MS = 250; // between two questions while a worker outlines
const SETTLED_MS = 500; // after the last change of the settings
const LEAST = 18; // px, of the typical size: the form takes no less
let current = ""; // id of the image whose outlines are shown
let timer = 0;
let asking = null;

const first = () => cards.querySelector("[data-upload], [data-pending]:not([data-archive])"); // an archive has none
const idOf = (card) => card?.dataset.upload ?? card?.dataset.pending ?? "";

function later(ms) {
  clearTimeout(timer);
  timer = setTimeout(ask, ms);
}

async function ask() {
  asking?.abort();
  if (!current || document.hidden) return current ? later(SETTLED_MS) : undefined;
  asking = new AbortController();
  const { signal } = asking;
  const sent = [...new FormData(form)].filter(([, value]) => typeof value === "string");
  const address = `${box.dataset.address}${current}/outlines/`;
  const response = await fetch(address, { method: "POST", body: new URLSearchParams(sent), signal }).catch(() => null);
  if (signal.aborted || !response || response.status === 204) return;
  const html = response.ok || response.status === 429 ? await response.text().catch(() => "") : "";
  if (signal.aborted) return;
  const active = html.includes("data-active");
  if (active && box.querySelector("img")) box.classList.add("stale");
  else show(html);
  if (active) later(AGAIN_MS);
}

function show(html) {
  const { id } = document.activeElement;
  box.classList.remove("stale");
  box.replaceChildren(document.createRange().createContextualFragment(html));
  box.hidden = !html.trim();
  const drawing = box.querySelector("svg");
  if (drawing) circle(drawing);
  if (id === "typical") document.getElementById(id)?.focus();
}

// ---- the circle -----------------------------------------------------------------------------------

function circle(drawing) {
  const [rim, handle] = drawing.querySelectorAll("circle");
  const slider = document.getElementById("typical");
  const { width, height } = drawing.viewBox.baseVal;
  const largest = Math.max(2 * LEAST, Math.min(width, height) * 0.9);
  const at = { x: width / 2, y: height / 2 };
  const steps = Math.log(largest / LEAST) / 100;
  let size = Number(drawing.dataset.size);

  function draw() {
    rim.setAttribute("r", size / 2);
    handle.setAttribute("r", width / 50);
    for (const each of [rim, handle]) each.setAttribute("cy", at.y);
    rim.setAttribute("cx", at.x);
    handle.setAttribute("cx", at.x + size / 2 + width / 50);
    box.querySelector("output").textContent = Math.round(size);
    slider.value = Math.log(size / LEAST) / steps;
    slider.setAttribute("aria-valuetext", `${Math.round(size)} px`);
  }

  function resize(to) {
    size = Math.min(Math.max(to, LEAST), largest);
    draw();
  }

  function state() {
    const { choice, typed } = slider.dataset;
    form.querySelector(`[name="${choice}"][value=size]`).checked = true;
    form.elements.namedItem(typed).value = Math.round(size);
    ask();
  }

  drawing.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    drawing.setPointerCapture(event.pointerId);
    const grown = event.target === handle;
    const place = (moved) => {
      const frame = drawing.getBoundingClientRect();
      return { x: ((moved.clientX - frame.left) / frame.width) * width, y: ((moved.clientY - frame.top) / frame.height) * height };
    };
    const move = (moved) => {
      const to = place(moved);
      if (grown) return resize(2 * (Math.hypot(to.x - at.x, to.y - at.y) - width / 50));
      Object.assign(at, { x: Math.min(Math.max(to.x, 0), width), y: Math.min(Math.max(to.y, 0), height) });
      draw();
    };
    const end = () => {
      drawing.removeEventListener("pointermove", move);
      if (grown) state();
    };
    if (!grown) move(event);
    drawing.addEventListener("pointermove", move);
    drawing.addEventListener("lostpointercapture", end, { once: true });
  });
  slider.addEventListener("input", () => resize(LEAST * Math.exp(slider.value * steps)));
  slider.addEventListener("change", state);
  draw();
}

// ---- when to ask ----------------------------------------------------------------------------------

function look() {
  const id = idOf(first());
  if (id === current) return;
  current = id;
  show("");
  if (current) ask();
}

new MutationObserver(look).observe(cards, { childList: true });
box.addEventListener("click", (event) => {
  const { automatic } = event.target.dataset;
  if (!automatic) return;
  form.querySelector(`[name="${automatic}"][value=auto]`).checked = true;
  ask();
});
form.addEventListener("input", (event) => {
  if (event.target.closest("details, #kinds, .kinds") && current) later(SETTLED_MS);
});
form.addEventListener("submit", () => {
  clearTimeout(timer);
  asking?.abort();
});
form.addEventListener("refused", ask);
look();
