// Every page: moments are stored in UTC and shown in the reader's own time.

const format = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    time.title = `${time.textContent} UTC`;
    time.textContent = format.format(new Date(time.dateTime));
  }
}

localise(document);
document.addEventListener("htmx:afterSettle", () => localise(document));

// A definition closes when the reader goes elsewhere.
function closeTerms(except) {
  for (const term of document.querySelectorAll("details.term[open]")) if (term !== except) term.open = false;
}

document.addEventListener("click", (event) => closeTerms(event.target.closest("details.term")));
document.addEventListener("keydown", (event) => event.key === "Escape" && closeTerms(null));
