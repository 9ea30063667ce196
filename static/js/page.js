// Every page: moments are stored in UTC and shown in the reader's own time.

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
document.addEventListener("htmx:afterSettle", () => localise(document));

// A definition is shown while its term is pointed at or focused; Escape puts it away.
document.addEventListener("keydown", (event) => event.key === "Escape" && document.activeElement?.closest(".term")?.blur());
