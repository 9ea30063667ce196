// The lines of the table of a comparison light their objects in both pictures; from the start all those that differ.

// sides: { box, drawing }. lines: of the table, [data-place] with their number of objects, [data-count]; a button has the
// ids of each side. looked: is called where a line was pressed.
export function lights(sides, lines, looked) {
  const buttons = lines.map((line) => line.querySelector("button"));
  const light = (chosen) => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button === chosen));
    for (const { box, drawing } of sides) {
      const ids = new Set((chosen?.dataset[box.dataset.side] ?? "").split(",").filter(Boolean).map(Number));
      drawing.light(chosen && ((object) => object.kept && ids.has(object.id)));
    }
    sides[0].drawing.draw(); // which shows what is lit in the other, too
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
