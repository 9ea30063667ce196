// The upload page: sends each chosen file at once, shows its card and fills in the width.
// Without this module the page is a plain form for one file.

import { everything, isJunk } from "./dropped.js";
import { SampleFields } from "./sample-fields.js";
import { Queue, archiveName, itemsOf, notStarted, sentenceFor, stillSending } from "./upload-queue.js";
import { OWN, badgeFor, fieldsIn, state, statedIn } from "./width.js";

const form = document.getElementById("analyse");
const images = document.getElementById("images");
const cards = document.getElementById("cards");
const picker = document.getElementById("files");
const main = {
  box: document.getElementById("main-width"),
  ...fieldsIn(form),
  badge: document.getElementById("width_badge"),
  name: document.querySelector("#main-width [data-width-name]"),
};
const problems = document.getElementById("problems");
const COMPACT = 8; // from so many images on the cards are small
const ASK_MS = 700; // between two questions about what is still being read
const ASKED_AT_ONCE = 50;
const COMPARE_MS = 5000; // for which a press of the button waits for the bar in an image
const sample = new SampleFields(document.getElementById("sample-fields"), () => arrange());
const queue = new Queue(send, false);
let mirrored = null;

// ---- one file -----------------------------------------------------------------------------------

function sendingCard({ file, sides }) {
  const card = document.createElement("article");
  card.className = "card sending";
  const facts = document.createElement("div");
  facts.className = "facts";
  const title = document.createElement("h2");
  title.textContent = [file, ...sides].map((each) => each.name).join(" + ");
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
  text.append(who, name ? `: ${sentence}` : sentence);
  const left = document.createElement("input");
  left.type = "hidden";
  left.name = "left";
  left.value = name ? `${name}: ${sentence}` : sentence;
  const dismiss = document.createElement("button");
  dismiss.type = "button";
  dismiss.className = "as-link";
  dismiss.dataset.dismiss = "";
  dismiss.textContent = "Dismiss";
  card.append(text, dismiss, left);
  return card;
}

const posting = () => ({ "X-CSRFToken": form.elements.namedItem("csrfmiddlewaretoken").value });
const fragmentOf = (html) => document.createRange().createContextualFragment(html);

function answered(request, shown, file) {
  const card = request.status > 0 && request.responseText.includes("</article>");
  shown.card.replaceWith(card ? fragmentOf(request.responseText) : errorCard(file.name, sentenceFor(request.status)));
  queue.done();
  tell(request.status < 300 && request.status > 0 ? `${file.name} has arrived.` : "");
  arrange();
  askSoon();
}

function send({ file, sides, quick, shown }) {
  const request = new XMLHttpRequest();
  const body = new FormData();
  body.append("file", file);
  for (const side of sides) body.append("side", side);
  if (quick) body.append("quick", "on");
  request.open("POST", form.dataset.uploads);
  for (const [name, value] of Object.entries(posting())) request.setRequestHeader(name, value);
  request.upload.addEventListener("progress", (event) => {
    if (!event.lengthComputable) return;
    shown.bar.value = event.loaded / event.total;
    shown.line.textContent = event.loaded < event.total ? "uploading" : "storing the file";
  });
  request.addEventListener("loadend", () => answered(request, shown, file));
  request.send(body);
}

// Which files belong together is asked of the server, so that script and archives have one rule.
async function pair(files) {
  const names = files.map((each) => each.path);
  if (names.length === 1) return { images: [[names[0], []]] };
  const body = new URLSearchParams({ names: JSON.stringify(names) });
  const answer = await fetch(form.dataset.pairs, { method: "POST", body, headers: posting() }).catch(() => null);
  if (answer?.ok) return answer.json();
  const said = await answer?.json().catch(() => null);
  return { images: said?.error ? [] : names.map((name) => [name, []]), error: said?.error };
}

let sorting = 0; // files of which it is being asked which belong together
const busy = () => queue.busy + sorting;

// files: [{ file, path }, …] of one drop; name: of the folder or archive that they came in, "" for single files.
async function take(files, name = "") {
  if (!files.length) return;
  sorting += files.length;
  guard();
  const { images: pairs, error } = await pair(files).finally(() => (sorting -= files.length));
  if (error) cards.append(errorCard("", error));
  queue.add(itemsOf(files, pairs).map((each) => ({ ...each, shown: sendingCard(each) })));
  sample.offer(name || archiveName(pairs));
  images.classList.toggle("has-cards", cards.children.length > 0);
  guard();
}

// ---- what the server is still reading -------------------------------------------------------------

const pending = () => [...cards.querySelectorAll("[data-pending]")];
const unread = () => [...cards.querySelectorAll("[data-pending], [data-reading]")];
const cardOf = (id) => cards.querySelector(`[data-upload="${id}"], [data-pending="${id}"]`);
const idOf = (card) => card.dataset.pending ?? card.dataset.upload;
const dropped = new Set(); // cards that the user has removed
let asking = null;

function askSoon() {
  if (!asking && unread().length) asking = setTimeout(ask, document.hidden ? 5 * ASK_MS : ASK_MS);
}

// What was typed, drawn or accepted on a card stays when the card changes.
function refresh(card, html) {
  const fresh = fragmentOf(html);
  const same = fresh.children.length === 1 && card.outerHTML === fresh.firstElementChild.outerHTML;
  if (same || ("reading" in card.dataset && html.includes("data-reading"))) return;
  const now = fresh.querySelector("[data-upload]");
  const stated = now && card.dataset.upload && !OWN.includes(fieldOf(card).source.value);
  if (stated) state(fieldOf(now), statedIn(fieldOf(card)));
  const asked = card.querySelector("[data-sure]");
  if (now && asked) question(now, asked);
  const { id } = document.activeElement;
  card.replaceWith(fresh);
  if (id) document.getElementById(id)?.focus();
}

// Asks on its card which scale is right; what was said of the difference before is in the question.
function question(card, asked) {
  card.querySelector("[data-badge]").before(asked);
  card.querySelector("[data-doubts]").replaceChildren();
}

// A card changes when there is news of it; an archive's is preceded by what has come out of it, and goes in the end.
async function ask() {
  const asked = unread().slice(0, ASKED_AT_ONCE).map(idOf);
  const query = new URLSearchParams(asked.map((id) => ["upload", id]));
  for (const { input, source } of [main, ...asked.map(cardOf).filter((card) => card.dataset.upload).map(fieldOf)]) {
    if (source.value === "typed" && !input.disabled) for (const field of [input, source]) query.append(field.name, field.value);
  }
  const shown = [...cards.querySelectorAll("[name=upload]")].map((input) => input.value);
  for (const id of [...shown, ...dropped]) if (!asked.includes(id)) query.append("known", id);
  const answer = await fetch(form.dataset.cards, { method: "POST", body: query, headers: posting() }).catch(() => null);
  const said = answer?.ok ? await answer.json().catch(() => null) : null;
  for (const [id, html] of Object.entries(said?.cards ?? {})) {
    const card = cards.querySelector(`[data-pending="${id}"], [data-reading][data-upload="${id}"]`);
    if (card) refresh(card, html);
  }
  asking = null;
  if (said) arrange();
  askSoon();
}

// The pages of a stack come out of it as the images of an archive do.
async function takePages(card, button) {
  const typed = button.dataset.page || card.querySelector("[name^=pages_]").value.trim() || "all";
  const answer = await fetch(button.dataset.pages, { method: "POST", body: new URLSearchParams({ pages: typed }), headers: posting() }).catch(() => null);
  const html = (await answer?.text().catch(() => "")) ?? "";
  const name = card.querySelector("h2").textContent;
  for (const old of cards.querySelectorAll(".card.error:not(.remark)")) old.remove();
  if (answer?.ok) card.replaceWith(fragmentOf(html));
  else card.after(html.includes("</article>") ? fragmentOf(html) : errorCard(name, sentenceFor(answer?.status ?? 0)));
  if (answer?.ok && !/^\d+$/.test(typed)) sample.offer(name.replace(/\.[^.]+$/, ""));
  arrange();
  askSoon();
}

// ---- widths -------------------------------------------------------------------------------------

const uploads = () => [...cards.querySelectorAll("[data-upload]")];

function fieldOf(card) {
  return { ...fieldsIn(card, `_${card.dataset.upload}`), badge: card.querySelector("[data-badge]") };
}

function show(field, card) {
  const { text, status } = badgeFor(field.input.value, field.source.value, card);
  field.badge.textContent = text;
  field.badge.className = `badge ${status}`;
  field.badge.hidden = text === "";
  if (status !== "bad") forgive(field.input);
}

// The error of a field goes with its reason.
function forgive(input) {
  if (!input.hasAttribute("aria-invalid")) return;
  input.removeAttribute("aria-invalid");
  for (const said of input.closest(".field, .rule").querySelectorAll(".wrong-text")) said.remove();
  if (!form.querySelector("[aria-invalid]")) document.querySelector("#problems [data-marked]")?.remove();
  if (!problems.querySelector("li")) problems.hidden = true;
}

// A lone image is described by the main field, which mirrors the card's. Of several each has a field, unless a width
// for all is typed in the main one. A sample has a rule instead.
function arrange() {
  const all = uploads();
  const count = all.length + pending().length + busy();
  const alone = all.length === 1 && count === 1 && !sample.chosen ? all[0] : null;
  if (mirrored && !alone) leave();
  if (alone && alone !== mirrored) meet(alone);
  mirrored = alone;
  const shared = !alone && !sample.chosen && main.source.value === "typed";
  const ruled = shared || (sample.chosen && sample.rule !== "own");
  sample.count(all.length + pending().length + queue.busy);
  cards.classList.toggle("compact", all.length >= COMPACT);
  for (const card of all) {
    const field = fieldOf(card);
    card.classList.toggle("alone", card === alone);
    card.querySelector("[data-width-name]").textContent = main.name.textContent;
    card.querySelector(".own-width").hidden = card === alone || ruled;
    field.input.disabled = field.source.disabled = card === alone || ruled;
    show(field, card);
    if (shared) show({ ...main, badge: field.badge }, card);
    else if (card === alone || ruled) field.badge.hidden = true;
  }
  main.box.hidden = sample.chosen;
  main.input.disabled = main.source.disabled = sample.chosen;
  document.getElementById("own-widths").hidden = count < 2;
  document.getElementById("width_hint").hidden = count > 1;
  images.classList.toggle("has-cards", cards.children.length > 0);
  show(main, alone);
  guard();
}

// Other images have come beside a lone one: what was typed for it stays with it.
function leave() {
  if (!forAll) state(main, {});
}

// What was typed before the first image came holds for it and for those that come with it; otherwise the card knows.
let forAll = false;

function meet(card) {
  const field = fieldOf(card);
  const typed = main.source.value === "typed";
  if (!mirrored) forAll = typed;
  if (typed) state(field, statedIn(main));
  else state(main, statedIn(field));
}

function edited(event) {
  const { target } = event;
  const card = target.closest("[data-upload]");
  const said = target.value.trim() ? "typed" : "";
  if (/^width/.test(target.name ?? "")) for (const old of (card ?? cards).querySelectorAll("[data-sure]")) old.remove();
  if (target === main.input) {
    main.source.value = said;
    if (mirrored) {
      forAll = false;
      state(fieldOf(mirrored), statedIn(main));
      show(main, mirrored);
    } else arrange();
  } else if (card && /^width_/.test(target.name ?? "")) {
    const field = fieldOf(card);
    field.source.value = said;
    show(field, card);
  } else forgive(target);
}

function removed(card) {
  const id = idOf(card);
  if (!dropped.has(id)) form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "removed", value: id }));
  dropped.add(id);
  card.remove();
  if (!uploads().length && !pending().length) {
    state(main, {});
    mirrored = null;
  }
  arrange();
  picker.focus();
}

// ---- the button ---------------------------------------------------------------------------------

function tell(text) {
  document.getElementById("news").textContent = text;
}

let wanted = false; // the button was pressed before all files had arrived
const refusals = () => cards.querySelectorAll(".card.error:not(.remark)").length;
let refused = 0;
let starting = ""; // what is said while the analysis starts

function guard() {
  for (const button of form.querySelectorAll("[data-go]")) button.disabled = wanted || starting !== "";
  document.getElementById("why").textContent = starting || stillSending(busy(), wanted);
  if (!wanted || busy()) return;
  wanted = false;
  // What was refused meanwhile must be seen before the page goes.
  if (refusals() > refused) guard();
  else form.requestSubmit();
}

async function submitted(event) {
  event.preventDefault();
  if (busy()) {
    wanted = true;
    refused = refusals();
    guard();
    return;
  }
  const wrong = [main, ...uploads().map(fieldOf)].find(({ input, source }) => !input.disabled && badgeFor(input.value, source.value, null).status === "bad");
  if (wrong) {
    wrong.input.setAttribute("aria-invalid", "true");
    wrong.input.focus();
    document.getElementById("why").textContent = "Check the width that is marked.";
    return;
  }
  if (!uploads().length && !pending().length) {
    document.getElementById("why").textContent = "Choose at least one image first, or try the sample.";
    picker.focus();
    return;
  }
  starting = "Starting the analysis …";
  guard();
  const answer = await begin();
  const response = (await answer?.json().catch(() => null)) ?? { problems: [{ name: "", sentence: notStarted(answer?.status ?? 0) }] };
  if (response.location) location.assign(response.location);
  else explain(response);
}

// The answer to the form. While a bar is being read that a typed width is to be compared with, it is sent again.
async function begin() {
  const end = performance.now() + COMPARE_MS;
  const goOn = document.getElementById("at-once");
  const pressed = new Promise((resolve) => goOn.addEventListener("click", () => resolve(true), { once: true }));
  let atOnce = false;
  for (;;) {
    const sent = [...new FormData(form)].filter(([, value]) => typeof value === "string");
    if (atOnce) sent.push(["at_once", "on"]);
    const answer = await fetch(form.dataset.start, { method: "POST", body: new URLSearchParams(sent) }).catch(() => null);
    goOn.hidden = answer?.status !== 202;
    if (goOn.hidden) return answer;
    starting = "Comparing your width with the image’s scale bar …";
    guard();
    const waited = new Promise((resolve) => setTimeout(resolve, ASK_MS));
    atOnce = (await Promise.race([pressed, waited])) || performance.now() > end;
  }
}

// What is wrong stands beside its field, on the card of its image, or above the form.
function explain({ problems: notes, fields = {}, questions = {}, started = [] }) {
  for (const old of form.querySelectorAll("p.wrong-text[role=alert], [data-sure]")) old.remove();
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  for (const id of started) cardOf(id)?.remove();
  const notMarked = Object.entries(fields).filter(([name, sentence]) => !mark(name, sentence));
  for (const [id, html] of Object.entries(questions)) question(cardOf(id), fragmentOf(html));
  const lines = [...notes, ...notMarked.map(([, sentence]) => ({ name: "", sentence }))].map(({ name, sentence }) => {
    const line = document.createElement("li");
    line.append(...(name ? [Object.assign(document.createElement("b"), { textContent: name }), ": "] : []), sentence);
    line.toggleAttribute("data-marked", sentence === form.dataset.marked);
    return line;
  });
  problems.querySelector("ul").replaceChildren(...lines);
  problems.hidden = false;
  starting = "";
  arrange();
  form.dispatchEvent(new Event("refused"));
  const first = form.querySelector("[aria-invalid=true]:enabled");
  if (first) first.focus();
  else problems.scrollIntoView({ block: "nearest" });
}

// Whether there is such a field to mark.
function mark(name, sentence) {
  const named = form.elements.namedItem(name);
  const field = named instanceof RadioNodeList ? named[0] : named;
  const box = field?.closest(".field, .rule");
  if (!box) return false;
  field.setAttribute("aria-invalid", "true");
  const text = Object.assign(document.createElement("p"), { className: "wrong-text", role: "alert", textContent: sentence });
  box.insertBefore(text, box.querySelector(":scope > .hint"));
  for (let fold = box.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  return true;
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
document.addEventListener("drop", async (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  dragging(-depth);
  const { files, folder, lost } = await everything(event.dataTransfer);
  for (const path of lost) cards.append(errorCard(path, "It could not be read."));
  images.classList.toggle("has-cards", cards.children.length > 0);
  take(files, folder);
});
for (const input of [picker, document.getElementById("folder"), document.getElementById("camera")]) {
  input.addEventListener("change", () => {
    const files = [...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
    take(files.filter(({ path }) => !isJunk(path)), files[0]?.path.includes("/") ? files[0].path.split("/")[0] : "");
    input.value = "";
  });
}
cards.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if ("remove" in button.dataset) {
    removed(button.closest(".card"));
  } else if ("pages" in button.dataset) {
    takePages(button.closest(".card"), button);
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
const examples = document.querySelectorAll("[form=sample]");
document.getElementById("sample").addEventListener("submit", () => {
  setTimeout(() => examples.forEach((button) => (button.disabled = true)));
});
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  examples.forEach((button) => (button.disabled = false));
  starting = "";
  guard();
});

picker.multiple = true;
// Fingers drop nothing, and a phone offers its gallery only where any picture is accepted.
if (matchMedia("(hover: none) and (pointer: coarse)").matches) picker.accept += ",image/*";
else document.querySelector("[data-drop-text]").textContent = "Drop images here";
arrange();
form.querySelector("[aria-invalid=true]:enabled")?.focus();
