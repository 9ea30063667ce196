// A form [data-drop] or [data-at-once] is sent as soon as files are chosen. With [data-drop] files may also be dropped
// anywhere on the page; its text is shown while files are dragged. (Files dropped on a result go to other-outlines.js.)
// Each page that loads this script has such a form.

import { isJunk, onDrop } from "./dropped.js";

const form = document.querySelector("[data-drop], [data-at-once]");
const picker = form.querySelector("[type=file]:not([hidden])"); // its button is only for browsers without scripts
if (picker) {
  form.classList.add("at-once");
  picker.addEventListener("change", () => form.requestSubmit());
}
const words = Object.assign(document.createElement("p"), { className: "drop-here", textContent: form.dataset.drop ?? "", hidden: true });
document.body.append(words);

if (form.dataset.drop) onDrop((over) => (words.hidden = !over), ({ files }) => {
  const sent = new DataTransfer();
  for (const { file, path } of files) if (!isJunk(path)) sent.items.add(file);
  if (!sent.files.length) return;
  form.querySelector("[type=file]").files = sent.files;
  words.textContent = `Sending ${sent.files.length} ${sent.files.length === 1 ? "file" : "files"} …`;
  words.hidden = false;
  form.requestSubmit();
});
