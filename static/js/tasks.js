// In a form with models, shows only the models and settings of the chosen kind of analysis.

// Shows in a form the models, settings and kind of one task. select: the form's menu of models.
function show(select, task) {
  const form = select.form;
  for (const group of select.querySelectorAll("optgroup")) {
    group.hidden = group.disabled = Boolean(form.querySelector("[data-kinds]")) && group.dataset.task !== task;
  }
  const root = form.closest("#work") ?? form;
  for (const group of root.querySelectorAll("[data-settings-of]")) group.hidden = group.dataset.settingsOf !== task;
  for (const field of form.querySelectorAll("[data-ignored-by]")) field.hidden = field.dataset.ignoredBy.split(" ").includes(task);
  for (const kind of form.querySelectorAll("[data-kinds] input")) kind.checked = kind.value === task;
}

// Updates each form with models; called again after "back", and after a script has replaced fields.
export function showTasks() {
  for (const select of document.querySelectorAll("select[name=model]")) {
    for (const kinds of select.form.querySelectorAll("[data-kinds]")) kinds.hidden = false;
    show(select, select.selectedOptions[0]?.parentElement.dataset.task);
  }
}

document.addEventListener("change", ({ target }) => {
  const select = target.form?.querySelector("select[name=model]");
  if (target.closest("[data-kinds]")) select.value = select.querySelector(`optgroup[data-task="${target.value}"] option`).value;
  if (target.closest("[data-kinds]") || target === select) showTasks();
});
window.addEventListener("pageshow", showTasks);
showTasks();
