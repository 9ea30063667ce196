// Of the settings of several kinds of analysis, those of the chosen model's kind are shown.

function show(select) {
  const task = select.selectedOptions[0]?.dataset.task;
  for (const group of select.form.querySelectorAll("[data-settings-of]")) group.hidden = group.dataset.settingsOf !== task;
}

for (const select of document.querySelectorAll("select[name=model]")) {
  select.addEventListener("change", () => show(select));
  show(select);
}
