// The search of the help page: shows only what has all typed words, and opens the sections that it lies in.

const field = document.getElementById("help-search");
const none = document.getElementById("help-none");
const sections = [...document.querySelectorAll(".help-page details.more")];
const drawings = document.querySelector(".drawings");
// Pieces of text that are shown or hidden as a whole: a term goes with its definition.
const pieces = [...document.querySelectorAll(".questions > div, .help-page details.more :is(dt, .stack-small > *, dl ~ p)")].map((first) => {
  const parts = first.matches("dt") ? [first, first.nextElementSibling] : [first];
  return { parts, words: parts.map((part) => part.textContent).join(" ").toLowerCase() };
});

function search() {
  const typed = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = pieces.filter(({ parts, words }) => {
    const holds = typed.every((word) => words.includes(word));
    for (const part of parts) part.hidden = !holds;
    return holds;
  });
  for (const section of sections) {
    const holds = found.some(({ parts }) => section.contains(parts[0]));
    section.hidden = !holds && typed.length > 0;
    section.open = holds && typed.length > 0;
  }
  drawings.hidden = typed.length > 0;
  none.hidden = found.length > 0;
}

field.addEventListener("input", search);
