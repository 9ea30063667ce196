// The kind of analysis: its models are to choose from, and its settings are shown.

function show(select, task) {
  const form = select.form;
  for (const group of select.querySelectorAll("optgroup")) {
    group.hidden = group.disabled = Boolean(form.querySelector("[data-kinds]")) && group.dataset.task !== task;
    if (group.dataset.task === task) for (const name of form.querySelectorAll("[data-width-name]:not(optgroup)")) name.textContent = group.dataset.widthName;
  }
  for (const group of form.querySelectorAll("[data-settings-of]")) group.hidden = group.dataset.settingsOf !== task;
  for (const field of form.querySelectorAll("[data-ignored-by]")) field.hidden = field.dataset.ignoredBy.split(" ").includes(task);
  for (const kind of form.querySelectorAll("[data-kinds] input")) kind.checked = kind.value === task;
}

function chosen(select) {
  return select.selectedOptions[0]?.parentElement.dataset.task;
}

for (const select of document.querySelectorAll("select[name=model]")) {
  const kinds = select.form.querySelector("[data-kinds]");
  if (kinds) {
    kinds.hidden = false;
    kinds.addEventListener("change", (event) => {
      select.value = select.querySelector(`optgroup[data-task="${event.target.value}"] option`).value;
      show(select, event.target.value);
    });
  }
  select.addEventListener("change", () => show(select, chosen(select)));
  window.addEventListener("pageshow", () => show(select, chosen(select))); // after "back" too
}
