// The upload page: sends each chosen file at once, shows its card and fills in the width.
// Without this module the page is a plain form that does the same in one go.

import { badgeFor } from "./width.js";

const form = document.getElementById("analyse");
const images = document.getElementById("images");
const cards = document.getElementById("cards");
const picker = document.getElementById("files");
const main = {
  box: document.getElementById("main-width"),
  input: form.elements.namedItem("width"),
  origin: form.elements.namedItem("width_origin"),
  badge: document.getElementById("width_badge"),
};
const AT_ONCE = 2;
let acquainted = cards.children.length > 0; // the first answer brings the visitor's cookie: until then one at a time
const waiting = [];
let sending = 0;
let mirrored = null;

// ---- one file -----------------------------------------------------------------------------------

function sendingCard(file) {
  const card = document.createElement("article");
  card.className = "card sending";
  const facts = document.createElement("div");
  facts.className = "facts";
  const title = document.createElement("h3");
  title.textContent = file.name;
  const bar = document.createElement("progress");
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute("aria-label", `Upload of ${file.name}`);
  const line = document.createElement("p");
  line.className = "small quiet";
  line.textContent = "waiting for its turn";
  facts.append(title, bar, line);
  card.append(facts);
  cards.append(card);
  return { card, bar, line };
}

function errorCard(name, sentence) {
  const card = document.createElement("article");
  card.className = "card error";
  const text = document.createElement("p");
  text.setAttribute("role", "alert");
  const who = document.createElement("b");
  who.textContent = name;
  text.append(who, `: ${sentence}`);
  const dismiss = document.createElement("button");
  dismiss.type = "button";
  dismiss.className = "as-link";
  dismiss.dataset.dismiss = "";
  dismiss.textContent = "Dismiss";
  card.append(text, dismiss);
  return card;
}

function sentenceFor(status) {
  if (status === 0) return "The connection broke before the file had arrived. Check the network and drop it again.";
  if (status === 403) return "This page is too old to send files. Reload it and drop the file again.";
  if (status === 413) return "The file is larger than this site accepts. Send a smaller one.";
  return "The file could not be stored just now. Try again in a moment.";
}

function answered(request, shown, file) {
  const html = (request.responseText || "").trim();
  const fragment = html.startsWith("<article") ? document.createRange().createContextualFragment(html) : null;
  shown.card.replaceWith(fragment ?? errorCard(file.name, sentenceFor(request.status)));
  sending -= 1;
  acquainted = true;
  tell(request.status < 300 && request.status > 0 ? `${file.name} has arrived.` : "");
  arrange();
  next();
}

function send({ file, shown }) {
  const request = new XMLHttpRequest();
  const body = new FormData();
  body.append("file", file);
  sending += 1;
  request.open("POST", form.dataset.uploads);
  request.setRequestHeader("X-CSRFToken", form.elements.namedItem("csrfmiddlewaretoken").value);
  request.upload.addEventListener("progress", (event) => {
    if (!event.lengthComputable) return;
    shown.bar.value = event.loaded / event.total;
    shown.line.textContent = event.loaded < event.total ? "uploading" : "reading the image";
  });
  request.addEventListener("loadend", () => answered(request, shown, file));
  request.send(body);
}

function next() {
  while (sending < (acquainted ? AT_ONCE : 1) && waiting.length) send(waiting.shift());
  guard();
}

function take(files) {
  for (const file of files) waiting.push({ file, shown: sendingCard(file) });
  images.classList.toggle("has-cards", cards.children.length > 0);
  next();
}

// ---- widths -------------------------------------------------------------------------------------

const uploads = () => [...cards.querySelectorAll("[data-upload]")];

function fieldOf(card) {
  const id = card.dataset.upload;
  return {
    input: card.querySelector(`[name="width_${id}"]`),
    origin: card.querySelector(`[name="origin_${id}"]`),
    badge: card.querySelector("[data-badge]"),
  };
}

function show(field, card) {
  const { text, look } = badgeFor(field.input.value, field.origin.value, card);
  field.badge.textContent = text;
  field.badge.className = `badge ${look}`;
  field.badge.hidden = text === "";
}

// A lone image is described by the main field, which mirrors the card's; several have a field each.
function arrange() {
  const all = uploads();
  const alone = all.length === 1 ? all[0] : null;
  if (alone && alone !== mirrored) meet(alone);
  mirrored = alone;
  for (const card of all) {
    const field = fieldOf(card);
    card.classList.toggle("alone", card === alone);
    card.querySelector(".own-width").hidden = card === alone;
    field.input.disabled = field.origin.disabled = card === alone;
    show(field, card);
    if (card === alone) field.badge.hidden = true;
  }
  const several = all.length > 1;
  main.box.hidden = several;
  main.input.disabled = main.origin.disabled = several;
  document.getElementById("own-widths").hidden = !several;
  images.classList.toggle("has-cards", cards.children.length > 0);
  show(main, alone);
  guard();
}

// What was typed before the first image came holds for it; otherwise the card knows better.
function meet(card) {
  const field = fieldOf(card);
  if (main.origin.value === "typed" && !main.input.disabled) copy(main, field);
  else copy(field, main);
}

function copy(from, to) {
  to.input.value = from.input.value;
  to.origin.value = from.origin.value;
}

function edited(event) {
  const { target } = event;
  const card = target.closest("[data-upload]");
  if (target === main.input) {
    main.origin.value = "typed";
    if (mirrored) copy(main, fieldOf(mirrored));
    show(main, mirrored);
  } else if (card && target.name?.startsWith("width_")) {
    const field = fieldOf(card);
    field.origin.value = "typed";
    show(field, card);
  }
}

function removed(card) {
  card.remove();
  if (!uploads().length) {
    main.input.value = form.dataset.defaultWidth;
    main.origin.value = "default";
  }
  arrange();
  picker.focus();
}

// ---- the button ---------------------------------------------------------------------------------

function tell(text) {
  document.getElementById("news").textContent = text;
}

function guard(started = false) {
  const busy = sending + waiting.length;
  const why = document.getElementById("why");
  for (const button of form.querySelectorAll("[data-go]")) button.disabled = busy > 0 || started;
  if (started) why.textContent = "Starting the analysis …";
  else if (busy) why.textContent = busy === 1 ? "One file is still on its way." : `${busy} files are still on their way.`;
  else why.textContent = "";
}

function submitted(event) {
  if (event.submitter?.name === "remove") return;
  if (!uploads().length) {
    event.preventDefault();
    document.getElementById("why").textContent = "Choose at least one image first, or try the sample.";
    picker.focus();
    return;
  }
  setTimeout(() => guard(true));
}

// ---- events -------------------------------------------------------------------------------------

let depth = 0;

function dragging(change) {
  depth = Math.max(0, depth + change);
  document.body.classList.toggle("dragging", depth > 0);
}

const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");

document.addEventListener("dragenter", (event) => carriesFiles(event) && dragging(1));
document.addEventListener("dragleave", (event) => carriesFiles(event) && dragging(-1));
document.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
document.addEventListener("drop", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  dragging(-depth);
  take(event.dataTransfer.files);
});
picker.addEventListener("change", () => {
  take([...picker.files]);
  picker.value = "";
});
cards.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.name === "remove") {
    event.preventDefault();
    removed(button.closest(".card"));
  } else if ("dismiss" in button.dataset) {
    button.closest(".card").remove();
    arrange();
  }
});
form.addEventListener("input", edited);
form.addEventListener("submit", submitted);
for (const field of form.querySelectorAll("[name=data_bar_rows]")) {
  field.addEventListener("focus", () => (form.querySelector("[name=data_bar][value=rows]").checked = true));
}
const sample = document.getElementById("sample");
sample.addEventListener("submit", () => {
  const button = document.querySelector("[form=sample]");
  setTimeout(() => (button.disabled = true));
});
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  document.querySelector("[form=sample]").disabled = false;
  guard();
});

for (const note of document.querySelectorAll("[data-nojs]")) note.hidden = true;
document.querySelector("[data-drop-text]").textContent = "Drop SEM images here, or choose files";
arrange();
form.querySelector("[aria-invalid=true]:enabled")?.focus();
