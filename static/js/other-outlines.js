// A file dropped on the page of a result is taken as outlines from another tool: it is put into the form, not yet sent.

import { onDrop } from "./dropped.js";
import { reveal } from "./tabs.js";

const section = document.getElementById("other-outlines");
const field = section?.querySelector("[type=file]");

if (field) {
  onDrop(() => {}, ({ files: [first] }) => {
    if (!first || document.querySelector("dialog[open]")) return;
    const transfer = new DataTransfer();
    transfer.items.add(first.file);
    field.files = transfer.files;
    reveal(field);
    section.querySelector("button").focus({ preventScroll: true });
  });
}
