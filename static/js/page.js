// Every page: moments are stored in UTC and shown in the reader's own time.

import { button, element, pause } from "./dom.js";
import "./settle.js";
import "./token.js";
import { digits, lengthOf } from "./width.js";

const format = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    time.title = `${time.textContent} UTC`;
    time.textContent = format.format(new Date(time.dateTime));
  }
}

// Fingers do not point.
if (matchMedia("(hover: none)").matches) {
  for (const hint of document.querySelectorAll("[data-tap]")) hint.textContent = hint.dataset.tap;
}

localise(document);
for (const name of ["htmx:afterSettle", "settled"]) document.addEventListener(name, () => localise(document));

// A link to a fold opens it.
function openFold() {
  const fold = document.querySelector("details:target");
  if (fold) fold.open = true;
}

openFold();
addEventListener("hashchange", openFold);

// A definition is shown while its term is pointed at or focused; Escape puts it away.
document.addEventListener("keydown", (event) => event.key === "Escape" && document.activeElement?.closest(".term")?.blur());

// Files are written when they are first asked for: the page waits for them, then the download begins.
const ASK_AGAIN = 700; // ms
const SETTLED = 150; // ms; Chromium may cancel a download that begins right after a request for the same address

async function isWritten(address) {
  for (;;) {
    const answer = await fetch(address, { method: "HEAD" });
    if (answer.status !== 202) return answer.ok;
    await pause(ASK_AGAIN);
  }
}

document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("a[data-further]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (link.getAttribute("aria-busy") === "true") return;
  link.setAttribute("aria-busy", "true");
  try {
    const written = await isWritten(link.href);
    if (written) {
      for (const other of document.querySelectorAll("a[data-further]")) other.removeAttribute("data-further");
      await pause(SETTLED);
      link.click();
    } else {
      location.assign(link.href); // a page that says why
    }
  } finally {
    link.removeAttribute("aria-busy");
  }
});

// A picture that is written when somebody comes near it.
const near = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    near.unobserve(target);
    isWritten(target.dataset.whenWritten).then((written) => written && (target.src = target.dataset.whenWritten));
  }
}, { rootMargin: "600px" });
const watch = () => document.querySelectorAll("[data-when-written]:not([src])").forEach((image) => near.observe(image));
watch();
document.addEventListener("settled", watch);

// Words to be copied by hand, where the browser refuses as it does without https.
function byHand(words) {
  const text = element("textarea", { readOnly: true, rows: Math.min(12, 1 + Math.ceil(words.length / 60)), value: words });
  const label = element("label", {}, "The browser does not allow copying. The words are selected: press Ctrl+C.", text);
  const dialog = element("dialog", { className: "by-hand", onclose: () => dialog.remove() }, label, button("Close", () => dialog.close()));
  document.body.append(dialog);
  dialog.showModal();
  text.select();
}

document.addEventListener("click", ({ target }) => {
  const words = target.dataset?.copy;
  if (!words) return;
  const copied = async () => navigator.clipboard.writeText(words);
  copied().then(() => (target.textContent = "Copied"), () => byHand(words));
});

// A figure as a picture; with it, where there are any, its caption and method.
function offerCopies() {
  for (const copy of document.querySelectorAll("[data-copy-picture]")) copy.hidden = !copy.dataset.copyText && !navigator.clipboard?.write;
}
offerCopies();
document.addEventListener("settled", offerCopies);

document.addEventListener("click", ({ target: copy }) => {
  const { copyPicture, copyText } = copy.dataset ?? {};
  if (!copyPicture) return;
  const file = async (address) => (await isWritten(address)) && (await fetch(address)).blob();
  const written = async () => {
    const words = copyText ? { "text/plain": file(copyText).then((text) => new Blob([text], { type: "text/plain" })) } : {};
    await navigator.clipboard.write([new ClipboardItem({ "image/png": file(copyPicture), ...words })]);
  };
  const copying = written(); // at once: the browser allows it only within the press
  copy.textContent = "Copying …";
  copying.then(() => (copy.textContent = copyText ? "Copied: figure and text" : "Copied"), async () => {
    copy.textContent = copyText ? "Copy" : "The browser does not allow copying";
    if (copyText) byHand(await (await file(copyText)).text());
  });
});

// What opens over the page closes by Escape, and by a press elsewhere.
const OVER = ":is(details[name=word], details[name=why], details[data-display])[open]";
const closeOver = (but) => {
  for (const fold of document.querySelectorAll(OVER)) if (!fold.contains(but)) fold.open = false;
};
document.addEventListener("click", ({ target }) => target.closest("dialog") || closeOver(target));
document.addEventListener("keydown", ({ key, target }) => {
  if (key !== "Escape" || target.closest("dialog, .term")) return; // a definition closes by itself
  target.closest(OVER)?.querySelector("summary").focus();
  closeOver(null);
});

if (document.querySelector("[data-reload]")) {
  isWritten(location.href).then(() => location.reload()); // the file itself, or a page that says why there is none
}

// A refused width is said on the page of its result, which Back and a reload can ask for.
if (location.pathname.endsWith("/width/")) history.replaceState(null, "", "../#width");

// An address that a script gave to an earlier document is a page of its own, also after a reload.
const { pathname } = location;
addEventListener("popstate", () => location.pathname === pathname || location.reload());

// A typed length with a unit of its own is read back in place of the unit beside the field.
document.addEventListener("input", ({ target }) => {
  const unit = target.closest(".with-unit")?.querySelector(".unit");
  if (!unit || (unit.dataset.unit ?? unit.textContent.trim()) !== "nm") return;
  unit.dataset.unit = "nm";
  const length = lengthOf(target.value);
  const isNumber = !/[a-zµμÅ]/i.test(target.value);
  const isWrong = target.value.trim() !== "" && !length;
  unit.classList.toggle("wrong-text", isWrong);
  unit.textContent = isWrong ? "is not a width" : isNumber ? "nm" : `= ${digits(length)} nm`;
});
