// A file dropped anywhere on the page of a result is taken as outlines from another tool: the form shows it and waits.

import { onDrop } from "./dropped.js";
import { reveal } from "./tabs.js";

const section = document.getElementById("other-outlines");
const field = section?.querySelector("[type=file]");

if (field) {
  onDrop(() => {}, ({ files: [first] }) => {
    if (!first || document.querySelector("dialog[open]")) return;
    const held = new DataTransfer();
    held.items.add(first.file);
    field.files = held.files;
    reveal(field);
    section.querySelector("button").focus({ preventScroll: true });
  });
}
