// The form of a reference material: the chosen kind of analysis decides which numbers are offered.

const kind = document.getElementById("kind");
const quantity = document.getElementById("quantity");
const groups = [...quantity.querySelectorAll("optgroup")];

function offer() {
  for (const group of groups) group.hidden = group.disabled = group.label !== kind.value;
  const group = groups.find(({ label }) => label === kind.value);
  const name = quantity.value;
  (([...group.children].find(({ value }) => value === name) ?? group.firstElementChild) || {}).selected = true;
}

// A name may be offered by several kinds: the first one of them is shown.
kind.value = groups.find((group) => [...group.children].some(({ value }) => value === quantity.value))?.label ?? groups[0].label;
kind.addEventListener("change", offer);
offer();
