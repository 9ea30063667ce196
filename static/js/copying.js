// What a press copies: words, or the figure with its caption and method.

import { isWritten } from "./await-files.js";
import { button, element } from "./dom.js";

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
