// A file dropped anywhere on the page of a result is taken as outlines from another tool: the form shows it and waits.

import { reveal } from "./tabs.js";

const section = document.getElementById("other-outlines");
const field = section?.querySelector("[type=file]");

if (field) {
  document.addEventListener("dragover", (event) => event.dataTransfer?.types.includes("Files") && event.preventDefault());
  document.addEventListener("drop", (event) => {
    const [file] = event.dataTransfer?.files ?? [];
    if (!file || event.target === field) return;
    event.preventDefault(); // or the browser would leave the page for the file
    if (document.querySelector("dialog[open]")) return;
    const held = new DataTransfer();
    held.items.add(file);
    field.files = held.files;
    reveal(field);
    section.querySelector("button").focus({ preventScroll: true });
  });
}
