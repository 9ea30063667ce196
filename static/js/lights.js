// In a comparison, a line of the table highlights its objects in both pictures; at first, the objects that differ.

// sides: two of { box, drawing }. lines: elements with [data-place] and [data-count] (how many objects); the button in
// a line holds the ids of each side. looked() is called after a press.
export function lights(sides, lines, looked) {
  const buttons = lines.map((line) => line.querySelector("button"));
  const light = (chosen) => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button === chosen));
    for (const { box, drawing } of sides) {
      const ids = new Set((chosen?.dataset[box.dataset.side] ?? "").split(",").filter(Boolean).map(Number));
      drawing.light(chosen && ((object) => object.kept && ids.has(object.id)));
    }
    sides[0].drawing.draw(); // it also shows what is highlighted in the other picture
  };
  for (const button of buttons) {
    button.disabled = false;
    button.addEventListener("click", () => {
      light(button.getAttribute("aria-pressed") === "true" ? null : button);
      looked();
    });
  }
  const differ = lines.findIndex(({ dataset }) => dataset.place === "changed" && dataset.count !== "0");
  light(buttons[differ] ?? null);
}
