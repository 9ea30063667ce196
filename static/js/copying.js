// Buttons that copy to the clipboard: words, or the figure with its caption and method.

import { isWritten } from "./await-files.js";
import { button, element } from "./dom.js";

// A dialog with selected words, for browsers that refuse to copy (they do without https).
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

// Buttons that copy the figure as a picture, with its caption and method if there are any.
function offerCopies() {
  for (const copy of document.querySelectorAll("[data-copy-picture]")) copy.hidden = !copy.dataset.copyText && !navigator.clipboard?.write;
}
offerCopies();
document.addEventListener("settled", offerCopies);

document.addEventListener("click", ({ target: copy }) => {
  const { copyPicture, copyText } = copy.dataset ?? {};
  if (!copyPicture) return;
  const file = async (address) => (await isWritten(address)) && (await fetch(address)).blob();
  const writeClipboard = async () => {
    const words = copyText ? { "text/plain": file(copyText).then((text) => new Blob([text], { type: "text/plain" })) } : {};
    await navigator.clipboard.write([new ClipboardItem({ "image/png": file(copyPicture), ...words })]);
  };
  const copying = writeClipboard(); // at once: the browser allows it only during the click
  copy.textContent = "Copying …";
  copying.then(() => (copy.textContent = copyText ? "Copied: figure and text" : "Copied"), async () => {
    copy.textContent = copyText ? "Copy" : "The browser does not allow copying";
    if (copyText) byHand(await (await file(copyText)).text());
  });
});
