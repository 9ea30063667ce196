// The start page, from a dropped picture to its numbers: the browser shows the picture while it is sent, changed
// settings restart its analysis, and outlines are drawn as they are found. Form and answers are those of a browser
// without scripts.

import { button, element } from "./dom.js";
import { isJunk, onDrop } from "./dropped.js";
import { pictureOf } from "./own-picture.js";
import { settle as renew } from "./settle.js";
import { showTasks } from "./tasks.js";

const SETTLED_MS = 300; // from the last change of the settings until they are sent
const AGAIN_MS = 2000; // between two tries without a connection
const GROWN_MS = 1200; // after which newer outlines have faded in (see .growing in the style sheet)
const LOST = "The connection is lost. The analysis goes on, and this page asks again by itself.";
const work = document.getElementById("work");
const form = document.getElementById("analyse");
const pictureBox = document.getElementById("shown");
const firstHead = document.getElementById("head").cloneNode(true);
const picker = document.getElementById("files");
const byId = (id) => document.getElementById(id);
const isUnderWay = () => Boolean(sending || byId("status").dataset.status);
const hasJob = () => form.action.endsWith("/settings/");
let sending = null; // the request that brings a file
let shownKey = ""; // key of the files that are shown, so that a second drop of them is noticed
let round = 0; // number of the last drop: answers to earlier ones are ignored
let lastDrop = null; // { files, folder } of the last drop: sent again after a wrong setting was corrected
let changed = false; // whether the settings were changed since they were sent
let timer = 0; // of the settings that are going to be sent
let asking = 0; // timer of the next request for the state

// ---- what the server answers ----------------------------------------------------------------------

function sentenceFor(status) {
  if (status === 0) return "The connection broke on the way.";
  if (status === 413) return "The file is larger than this site accepts. Send a smaller one.";
  if (status === 507) return "The server has no room for more images. Delete results that you no longer need, or ask its administrator.";
  return "The site could not take it just now. Try again in a moment.";
}

// Shows a problem above the picture; "" removes it. name: the file that it is about.
function say(sentence, name = "", ...more) {
  const line = element("li", {}, ...(name ? [element("b", {}, name), ": "] : []), sentence, ...more);
  byId("problems").hidden = !sentence;
  byId("problems").querySelector("ul").replaceChildren(...(sentence ? [line] : []));
}

// Shows what is happening, in place of the answer; removes the buttons of the state before.
function tell(...what) {
  byId("status").replaceWith(element("div", { id: "status", className: "sentence" }, ...what));
  byId("now").replaceChildren();
}

const press = (text, action) => button(text, action, { className: "as-link" });

// Sends a form. Returns { status, address, page }; status 0: no connection, -1: cancelled. told(part sent, request) is
// called while it is sent.
function post(address, body, told = () => {}) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    const answered = (status) => resolve({ status, address: request.responseURL, page: new DOMParser().parseFromString(request.responseText, "text/html") });
    request.open("POST", address);
    request.upload.addEventListener("progress", (event) => told(event.loaded / event.total, request));
    request.addEventListener("load", () => answered(request.status));
    request.addEventListener("error", () => answered(0));
    request.addEventListener("abort", () => answered(-1));
    request.send(body);
    told(0, request);
  });
}

// What the form would send, without its files.
function settings() {
  const body = new FormData(form);
  for (const [name, value] of [...body]) if (typeof value !== "string") body.delete(name);
  return body;
}

// Shows the page that answers: all but the picture and the fields in use are replaced. repeat() sends the form again.
function showAnswer({ status, address, page }, repeat) {
  const answer = page.getElementById("analyse");
  const isWrong = status >= 400;
  if (status === 0 || status >= 500 || (isWrong && !answer)) {
    if (!byId("status").dataset.status) tell();
    return say(page.querySelector("main p")?.textContent || sentenceFor(status), "", " ", press("Send it again", repeat));
  }
  if (!answer) return location.assign(address);
  if (isWrong || form.querySelector("[aria-invalid]")) {
    const [{ id }, { open }] = [document.activeElement, byId("settings").querySelector("details")];
    byId("settings").replaceWith(page.getElementById("settings"));
    byId("settings").querySelector("details").open ||= open;
    showTasks();
    (form.querySelector("[aria-invalid=true]:enabled") ?? byId(id))?.focus();
  }
  if (isWrong) byId("problems").replaceWith(page.getElementById("problems"));
  if (isWrong && !("job" in answer.dataset)) return refused();
  for (const id of ["head", "status", "now"]) byId(id).replaceWith(page.getElementById(id));
  document.title = page.title;
  form.action = answer.action;
  for (const name of ["token", "csrfmiddlewaretoken"]) form.elements.namedItem(name).value = answer.elements.namedItem(name).value;
  if (!isWrong && address !== location.href) history.pushState(null, "", address);
  ask();
  if (changed) send();
}

// ---- the picture ----------------------------------------------------------------------------------

// Shows the page as it was before a file was dropped.
function reset() {
  shownKey = "";
  round += 1;
  lastDrop = null;
  work.classList.remove("seen");
  pictureBox.replaceChildren();
  if (location.pathname === work.dataset.home) byId("head").replaceWith(firstHead.cloneNode(true));
  showTasks();
  tell();
}

function refused() {
  if (form.querySelector("[aria-invalid]")) return tell(); // the picture waits until the setting is corrected
  reset();
  if (location.pathname !== work.dataset.home) byId("now").replaceChildren(press("Back to the picture before", () => location.reload()));
}

async function show(file) {
  work.classList.add("seen");
  pictureBox.replaceChildren();
  const thisRound = round;
  const picture = await pictureOf(file);
  if (!picture || thisRound !== round || pictureBox.querySelector("img")) return;
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", file.name);
  pictureBox.prepend(picture);
}

// Sets title and line of the page. An empty line keeps its height, so that the picture does not move later.
function setHead(title, line) {
  byId("head").firstElementChild.replaceChildren(element("h1", {}, title), element("p", { className: "quiet" }, line || "\u00a0"));
}

// Adds newer outlines; the older ones are removed once the newer have faded in.
function grow(outlines) {
  const before = pictureBox.querySelectorAll("svg");
  pictureBox.append(outlines);
  setTimeout(() => before.forEach((each) => each.remove()), GROWN_MS);
}

// ---- files ----------------------------------------------------------------------------------------

// Groups files of one image. The server decides, so that dropped files and archives follow one rule.
async function pair(files) {
  if (files.length === 1) return files.map((each) => [each.file]);
  const body = settings();
  body.set("names", JSON.stringify(files.map(({ path }) => path)));
  const answer = await fetch(work.dataset.pairs, { method: "POST", body }).catch(() => null);
  const groups = await answer?.json().catch(() => null);
  if (groups?.error) throw new Error(groups.error);
  return groups ? groups.images.map(([image, beside]) => [image, ...beside].map((place) => files[place].file)) : files.map((each) => [each.file]);
}

function bodyOf(files, more = {}) {
  const body = settings();
  for (const file of files) body.append("file", file);
  for (const [name, value] of Object.entries(more)) body.append(name, value);
  return body;
}

// files: [{ file, path }, …] of one drop; folder: its name, "" for single files.
async function begin(files, folder = "") {
  if (!files.length) return;
  const key = files.map(({ file }) => [file.name, file.size, file.lastModified].join()).join("|");
  if (key === shownKey && isUnderWay()) return say("This picture is being analysed already.");
  const thisRound = (round += 1);
  clearTimeout(timer);
  sending?.abort();
  lastDrop = { files, folder };
  shownKey = key;
  say("");
  const images = await pair(files).catch((error) => say(error.message));
  if (!images || thisRound !== round) return;
  const archive = images.length === 1 && /\.zip$/i.test(images[0][0].name) && images[0][0].name.slice(0, -4);
  const pages = form.elements.namedItem("pages")?.value.trim();
  if (images.length > 1) await several(images, folder || "");
  else await one(images[0], archive || pages ? { one_sample: "on", sample_name: archive || images[0][0].name.replace(/\.[^.]+$/, "") } : {});
}

async function one(files, more) {
  const [{ name }] = files;
  const thisRound = round;
  changed = false;
  show(files[0]);
  const line = element("p", { role: "status" });
  setHead(name, "");
  tell(line, element("progress", { value: 0, "aria-hidden": "true" })); // of the analysis: it never goes back
  byId("now").replaceChildren(press("Cancel the upload", () => sending?.abort()));
  const answer = await post(work.dataset.home, bodyOf(files, more), (part, request) => {
    sending = request;
    line.textContent = part < 1 ? `Uploading, ${Math.round(100 * part)} %` : "Storing the picture";
  });
  if (thisRound !== round) return; // another file came
  sending = null;
  if (answer.status >= 0) return showAnswer(answer, again);
  reset();
  say("The upload was cancelled, and nothing of it is kept.", name);
}

function again() {
  shownKey = "";
  begin(lastDrop.files, lastDrop.folder);
}

// Several images, as one sample or each alone: all are listed at once, and sent one after the other.
async function several(images, folder) {
  const together = byId("together")?.checked ?? true;
  const places = images.map(([file]) => element("li", {}, file.name, element("span", {}, "waiting")));
  const list = element("ul", { className: "places" }, ...places);
  work.classList.add("seen");
  pictureBox.replaceChildren(list);
  tell();
  setHead(`${images.length} images`, together ? "One sample; each is analysed as it arrives." : "Each is analysed as it arrives.");
  const thisRound = round;
  let address = "";
  (async () => { // small pictures are made during the sending, one at a time
    for (const [i, [file]] of images.entries()) places[i].prepend((await pictureOf(file)) ?? "");
  })();
  for (const [i, files] of images.entries()) {
    const state = places[i].querySelector("span");
    state.textContent = "uploading";
    const isFirst = together && !address;
    const body = bodyOf(files, isFirst ? { one_sample: "on", sample_name: folder } : {});
    const answer = await post(together && address ? `${address}add/` : work.dataset.home, body, (_, request) => (sending = request));
    if (thisRound !== round) return;
    if (answer.page.querySelector("#settings [aria-invalid]")) { // a setting is wrong: all images wait until it is corrected
      [state.textContent, sending] = ["waiting", null];
      return showAnswer(answer, again);
    }
    const problem = answer.page.querySelector("#problems li");
    const sentence = problem?.textContent.replace(`${problem.querySelector("b")?.textContent}: `, "") ?? (answer.status < 400 ? "" : sentenceFor(answer.status));
    state.textContent = answer.status > 0 && !sentence ? "stored" : sentence || sentenceFor(0);
    places[i].classList.toggle("wrong", state.textContent !== "stored");
    if (isFirst && state.textContent === "stored") history.pushState(null, "", (address = new URL(answer.address).pathname));
    const token = answer.page.querySelector("[name=token]")?.value;
    if (token) form.elements.namedItem("token").value = token;
  }
  sending = null;
  const nextPage = together ? address : work.dataset.results;
  const wrong = list.querySelectorAll(".wrong").length;
  if (!wrong) return location.assign(nextPage);
  const stored = images.length - wrong;
  setHead(`${stored} of ${images.length} files stored`, stored === images.length - 1 ? "Below its name, the other file says why not." : "Below their names, the other files say why not.");
  byId("now").replaceChildren(...(nextPage ? [element("a", { href: nextPage, className: "button primary" }, stored === 1 ? "Go on with the stored file" : "Go on with the stored files")] : []));
}

// ---- while it is analysed -------------------------------------------------------------------------

async function ask() {
  clearTimeout(asking);
  const status = byId("status");
  if (!status.dataset.status) return;
  const query = new URLSearchParams({ part: [...pictureBox.querySelectorAll("svg")].at(-1)?.dataset.part ?? "" });
  if (!pictureBox.querySelector("img, canvas")) query.set("unseen", "");
  const answer = await fetch(`${status.dataset.status}?${query}`, { headers: { "HX-Request": "true" } }).catch(() => null);
  if (byId("status") !== status) return; // another picture has come meanwhile
  if (answer?.headers.has("HX-Refresh")) return location.replace(location.pathname + location.search);
  if (answer?.ok) draw(status, document.createRange().createContextualFragment(await answer.text()));
  else say(LOST);
  asking = setTimeout(ask, answer?.ok ? Number(status.dataset.every) : AGAIN_MS);
}

function draw(status, fragment) {
  if (byId("problems").textContent.trim() === LOST) say("");
  const [fresh, outlines, picture, panels] = ["#status", ".growing", "img", "#panels"].map((each) => fragment.querySelector(each));
  document.title = fragment.querySelector("title").textContent;
  byId("facts")?.replaceWith(fragment.querySelector("#facts"));
  if (panels && !byId("panels")) byId("facts")?.after(panels);
  if (picture && !pictureBox.querySelector("img, canvas")) pictureBox.prepend(picture);
  if (outlines) grow(outlines);
  else if (!fresh.dataset.part) pictureBox.querySelectorAll("svg").forEach((each) => each.remove()); // the analysis has started again
  renew(status, fresh);
}

// Sends the present settings; the analysis continues with them.
async function send() {
  clearTimeout(timer);
  changed = false;
  say("");
  showAnswer(await post(form.action, settings()), send);
}

form.addEventListener("change", ({ target }) => {
  if (target.type === "file" || target.id === "together") return;
  changed = true;
  clearTimeout(timer);
  if (sending) return; // the file is sent first
  if (lastDrop && (target.name === "pages" || !hasJob())) timer = setTimeout(again, SETTLED_MS);
  else if (hasJob()) timer = setTimeout(send, SETTLED_MS);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const action = event.submitter?.getAttribute("formaction");
  const act = async () => {
    say("");
    showAnswer(await post(action, settings()), act);
  };
  if (action) act();
  else if (hasJob()) send();
  else if (lastDrop) again();
  else picker?.click();
});
form.addEventListener("focusin", ({ target }) => {
  if (target.name === "data_bar_rows") form.querySelector("[name=data_bar][value=rows]").checked = true;
});

// ---- where files come from ------------------------------------------------------------------------

onDrop((over) => document.body.classList.toggle("dragging", over), ({ files, folder, lost }) => {
  begin(files, folder);
  if (lost.length) say("It could not be read.", lost.join(", "));
});
for (const input of [picker, byId("folder"), byId("camera")].filter(Boolean)) {
  input.addEventListener("change", () => {
    const files = [...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
    input.value = "";
    begin(files.filter(({ path }) => !isJunk(path)), files[0]?.path.includes("/") ? files[0].path.split("/")[0] : "");
  });
}
document.addEventListener("paste", (event) => begin([...(event.clipboardData?.files ?? [])].map((file) => ({ file, path: file.name }))));
addEventListener("beforeunload", (event) => sending && event.preventDefault());
addEventListener("popstate", () => location.reload()); // loads the page of that address; nothing is sent again
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());

const examples = document.querySelectorAll("#sample button");
byId("sample")?.addEventListener("submit", () => setTimeout(() => examples.forEach((button) => (button.disabled = true))));
// On touch screens nothing is dropped; phones offer their gallery only if any picture is accepted.
if (picker && matchMedia("(hover: none) and (pointer: coarse)").matches) picker.accept += ",image/*";
else if (picker) document.querySelector("[data-drop-text]").textContent = "Drop images here";
ask();
