// Corrections in words, and which of them are in effect or undone. An operation is what is sent for one correction.

// A sentence on edits that were made elsewhere meanwhile. Edits from another window of the same person are "You".
export function editsElsewhere(edits, { author, visitor }) {
  const mine = edits.filter((edit) => (edit.author ? edit.author === author : edit.visitor === visitor)).length;
  const sentence = (who, count) => `${who} made ${count} step${count === 1 ? "" : "s"} ${who === "You" ? "elsewhere " : ""}meanwhile; ${count === 1 ? "it is" : "they are"} shown now.`;
  return [["You", mine], ["Somebody else", edits.length - mine]].filter(([, count]) => count).map(([who, count]) => sentence(who, count)).join(" ");
}

// An operation in words, such as "deletion of 3 particles". thing, things: what the objects are called.
export function operationWords({ op, ids = [], id, reason }, { thing, things }) {
  const many = id !== undefined ? [id] : ids;
  const of = many.length > 1 ? ` of ${many.length} ${things}` : many.length ? ` of ${thing} ${many[0]}` : "";
  const words = { delete: "deletion", smooth: "smoothing", fill: "filling holes", split: "splitting", restore: "counting again", set_aside: `leaving out${reason ? ` (${reason})` : ""}`, reviewed: "confirmation", merge: "merging", class: "change of class", draw: "outline", paint: "brush stroke", erase: "erasing", area: "change of an area", add: `added ${thing}`, ignore: "change of the regions to ignore" };
  return `${words[op] ?? op}${of}`;
}

// How many corrections are in effect, and how many outlines are confirmed, in words; the server's
// `corrections_in_effect`.
export function countWords(history) {
  const right = history.filter(({ op }) => op === "reviewed");
  const steps = history.length - right.length;
  const counts = [[steps, steps === 1 ? "correction" : "corrections"], [right.flatMap(({ ids }) => ids).length, "confirmed"]];
  return counts.filter(([count]) => count).map(([count, what]) => `${count} ${what}`).join(", ");
}

// The operations in effect, and those that can be made again; in each list the last one is the newest.
export class History {
  constructor(inEffect = [], undone = []) {
    Object.assign(this, { inEffect: [...inEffect], undone: [...undone] });
  }

  // Adds an operation, or follows an undo or a redo. Returns the operation that is made, undone or made again;
  // undefined if there is nothing to undo or to make again.
  push(operation) {
    const [from, to] = { undo: [this.inEffect, this.undone], redo: [this.undone, this.inEffect] }[operation.op] ?? [];
    if (!from) {
      this.inEffect.push(operation);
      this.undone = [];
      return operation;
    }
    const moved = from.pop();
    if (moved) to.push(moved);
    return moved;
  }
}

// Sorts operations that the server did not store. wanted: those to send again, without those that an undo among them
// takes back. refused: in words, the corrections that another undo or redo meant; it is not sent after corrections of
// others.
export function sortUnsent(unsent, facts) {
  const [wanted, refused] = [[], []];
  for (const each of unsent) {
    if (each.operation.op === "redo" || (each.operation.op === "undo" && !wanted.length)) refused.push(operationWords(each.movedCorrection ?? each.operation, facts));
    else if (each.operation.op === "undo") wanted.pop();
    else wanted.push(each);
  }
  return { wanted, refused };
}
