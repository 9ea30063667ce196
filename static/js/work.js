// The page of a picture, from its drop to its numbers: the browser shows it while it is sent, what stands beside it
// changes its analysis, outlines are drawn as they are found, and the numbers come at the same address. The form that is
// sent and the pages that answer are those of a browser without scripts.

import { button, element } from "./dom.js";
import { isJunk, onDrop } from "./dropped.js";
import { pictureOf } from "./own-picture.js";
import { settle as renew } from "./settle.js";
import { showTasks } from "./tasks.js";

const SETTLED_MS = 300; // after the last change of the settings
const AGAIN_MS = 2000; // until a lost connection is tried again
const GROWN_MS = 1200; // in which outlines have appeared (see .growing)
const LOST = "The connection is lost. The analysis goes on, and this page asks again by itself.";
const work = document.getElementById("work");
const form = document.getElementById("analyse");
const shown = document.getElementById("shown");
const firstHead = document.getElementById("head").cloneNode(true);
const picker = document.getElementById("files");
const byId = (id) => document.getElementById(id);
const isUnderWay = () => Boolean(sending || byId("status").dataset.status);
const hasJob = () => form.action.endsWith("/settings/");
let sending = null; // the request that brings a file
let wanted = ""; // the file that is shown, to know a second drop of it
let round = 0; // how often files were sent: what belongs to an earlier time has no effect
let last = null; // what was dropped last: it is sent anew once what was wrong beside it is right
let changed = false; // the settings, since they were sent
let timer = 0;
let asking = 0;

// ---- what the server answers ----------------------------------------------------------------------

function sentenceFor(status) {
  if (status === 0) return "The connection broke on the way.";
  if (status === 413) return "The file is larger than this site accepts. Send a smaller one.";
  if (status === 507) return "The server has no room for more images. Delete results that you no longer need, or ask its administrator.";
  return "The site could not take it just now. Try again in a moment.";
}

// A line above the picture; "" takes it away.
function say(sentence, name = "", ...more) {
  const line = element("li", {}, ...(name ? [element("b", {}, name), ": "] : []), sentence, ...more);
  byId("problems").hidden = !sentence;
  byId("problems").querySelector("ul").replaceChildren(...(sentence ? [line] : []));
}

// What is happening, in the line where the answer will stand; the buttons of what was before go.
function tell(...what) {
  byId("status").replaceWith(element("div", { id: "status", className: "sentence" }, ...what));
  byId("now").replaceChildren();
}

const press = (text, action) => button(text, action, { className: "as-link" });

// {status, address, page} of a form that is sent; status 0: it did not arrive, -1: it was taken back.
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

// The page that answers takes the place of this one, but for the picture and what a person is typing. repeat: what sends
// it once more.
function settle({ status, address, page }, repeat) {
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

// The page as it was before a file came.
function bare() {
  wanted = "";
  round += 1;
  last = null;
  work.classList.remove("seen");
  shown.replaceChildren();
  if (location.pathname === work.dataset.home) byId("head").replaceWith(firstHead.cloneNode(true));
  showTasks();
  tell();
}

function refused() {
  if (form.querySelector("[aria-invalid]")) return tell(); // the picture waits for that
  bare();
  if (location.pathname !== work.dataset.home) byId("now").replaceChildren(press("Back to the picture before", () => location.reload()));
}

async function show(file) {
  work.classList.add("seen");
  shown.replaceChildren();
  const mine = round;
  const picture = await pictureOf(file);
  if (!picture || mine !== round || shown.querySelector("img")) return;
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", file.name);
  shown.prepend(picture);
}

// An empty line below keeps its height, so that the picture stays where it is when there is something to say.
function headed(title, line) {
  byId("head").firstElementChild.replaceChildren(element("h1", {}, title), element("p", { className: "quiet" }, line || "\u00a0"));
}

// Outlines come over those before them, which go when they have grown.
function grow(outlines) {
  const before = shown.querySelectorAll("svg");
  shown.append(outlines);
  setTimeout(() => before.forEach((each) => each.remove()), GROWN_MS);
}

// ---- files ----------------------------------------------------------------------------------------

// Which files belong together is asked of the server, so that script and archives have one rule.
async function pair(files) {
  if (files.length === 1) return files.map((each) => [each.file]);
  const body = settings();
  body.set("names", JSON.stringify(files.map(({ path }) => path)));
  const answer = await fetch(work.dataset.pairs, { method: "POST", body }).catch(() => null);
  const said = await answer?.json().catch(() => null);
  if (said?.error) throw new Error(said.error);
  return said ? said.images.map(([image, beside]) => [image, ...beside].map((place) => files[place].file)) : files.map((each) => [each.file]);
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
  if (key === wanted && isUnderWay()) return say("This picture is being analysed already.");
  const mine = (round += 1);
  clearTimeout(timer);
  sending?.abort();
  last = { files, folder };
  wanted = key;
  say("");
  const images = await pair(files).catch((error) => say(error.message));
  if (!images || mine !== round) return;
  const archive = images.length === 1 && /\.zip$/i.test(images[0][0].name) && images[0][0].name.slice(0, -4);
  const pages = form.elements.namedItem("pages")?.value.trim();
  if (images.length > 1) await several(images, folder || "");
  else await one(images[0], archive || pages ? { one_sample: "on", sample_name: archive || images[0][0].name.replace(/\.[^.]+$/, "") } : {});
}

async function one(files, more) {
  const [{ name }] = files;
  const mine = round;
  changed = false;
  show(files[0]);
  const line = element("p", { role: "status" });
  headed(name, "");
  tell(line, element("progress", { value: 0, "aria-hidden": "true" })); // of the analysis, which it never takes back
  byId("now").replaceChildren(press("Cancel the upload", () => sending?.abort()));
  const answer = await post(work.dataset.home, bodyOf(files, more), (part, request) => {
    sending = request;
    line.textContent = part < 1 ? `Uploading, ${Math.round(100 * part)} %` : "Storing the picture";
  });
  if (mine !== round) return; // another file came
  sending = null;
  if (answer.status >= 0) return settle(answer, again);
  bare();
  say("The upload was cancelled, and nothing of it is kept.", name);
}

function again() {
  wanted = "";
  begin(last.files, last.folder);
}

// Several images, as one sample or each by itself: each has its place at once, and is sent in its turn.
async function several(images, folder) {
  const together = byId("together")?.checked ?? true;
  const places = images.map(([file]) => element("li", {}, file.name, element("span", {}, "waiting")));
  const list = element("ul", { className: "places" }, ...places);
  work.classList.add("seen");
  shown.replaceChildren(list);
  tell();
  headed(`${images.length} images`, together ? "One sample; each is analysed as it arrives." : "Each is analysed as it arrives.");
  const mine = round;
  let address = "";
  (async () => { // small pictures come beside the sending, one at a time
    for (const [i, [file]] of images.entries()) places[i].prepend((await pictureOf(file)) ?? "");
  })();
  for (const [i, files] of images.entries()) {
    const said = places[i].querySelector("span");
    said.textContent = "uploading";
    const isFirst = together && !address;
    const body = bodyOf(files, isFirst ? { one_sample: "on", sample_name: folder } : {});
    const answer = await post(together && address ? `${address}add/` : work.dataset.home, body, (_, request) => (sending = request));
    if (mine !== round) return;
    if (answer.page.querySelector("#settings [aria-invalid]")) { // all of them wait for the field
      [said.textContent, sending] = ["waiting", null];
      return settle(answer, again);
    }
    const problem = answer.page.querySelector("#problems li");
    const sentence = problem?.textContent.replace(`${problem.querySelector("b")?.textContent}: `, "") ?? (answer.status < 400 ? "" : sentenceFor(answer.status));
    said.textContent = answer.status > 0 && !sentence ? "stored" : sentence || sentenceFor(0);
    places[i].classList.toggle("wrong", said.textContent !== "stored");
    if (isFirst && said.textContent === "stored") history.pushState(null, "", (address = new URL(answer.address).pathname));
    const token = answer.page.querySelector("[name=token]")?.value;
    if (token) form.elements.namedItem("token").value = token;
  }
  sending = null;
  const rest = together ? address : work.dataset.results;
  const wrong = list.querySelectorAll(".wrong").length;
  if (!wrong) return location.assign(rest);
  const stored = images.length - wrong;
  headed(`${stored} of ${images.length} files stored`, "What is wrong stands below the name of a file.");
  byId("now").replaceChildren(...(rest ? [element("a", { href: rest, className: "button primary" }, stored === 1 ? "Go on with the stored file" : "Go on with the stored files")] : []));
}

// ---- while it is analysed -------------------------------------------------------------------------

async function ask() {
  clearTimeout(asking);
  const status = byId("status");
  if (!status.dataset.status) return;
  const query = new URLSearchParams({ part: [...shown.querySelectorAll("svg")].at(-1)?.dataset.part ?? "" });
  if (!shown.querySelector("img, canvas")) query.set("unseen", "");
  const answer = await fetch(`${status.dataset.status}?${query}`, { headers: { "HX-Request": "true" } }).catch(() => null);
  if (byId("status") !== status) return; // it is asked for another by now
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
  if (picture && !shown.querySelector("img, canvas")) shown.prepend(picture);
  if (outlines) grow(outlines);
  else if (!fresh.dataset.part) shown.querySelectorAll("svg").forEach((each) => each.remove()); // they are sought anew
  renew(status, fresh);
}

// The analysis goes on with what stands beside the picture.
async function send() {
  clearTimeout(timer);
  changed = false;
  say("");
  settle(await post(form.action, settings()), send);
}

form.addEventListener("change", ({ target }) => {
  if (target.type === "file" || target.id === "together") return;
  changed = true;
  clearTimeout(timer);
  if (sending) return; // it comes first
  if (last && (target.name === "pages" || !hasJob())) timer = setTimeout(again, SETTLED_MS);
  else if (hasJob()) timer = setTimeout(send, SETTLED_MS);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const action = event.submitter?.getAttribute("formaction");
  const act = async () => {
    say("");
    settle(await post(action, settings()), act);
  };
  if (action) act();
  else if (hasJob()) send();
  else if (last) again();
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
addEventListener("popstate", () => location.reload()); // the page of that address, which repeats nothing
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());

const examples = document.querySelectorAll("#sample button");
byId("sample")?.addEventListener("submit", () => setTimeout(() => examples.forEach((button) => (button.disabled = true))));
// Fingers drop nothing, and a phone offers its gallery only where any picture is accepted.
if (picker && matchMedia("(hover: none) and (pointer: coarse)").matches) picker.accept += ",image/*";
else if (picker) document.querySelector("[data-drop-text]").textContent = "Drop images here";
ask();
