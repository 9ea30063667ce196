// Corrections in words, and the order in which they stand.

// Whose edits came in between: those of another window of mine are not somebody else's.
export function meanwhile(edits, { author, visitor }) {
  const mine = edits.filter((edit) => (edit.author ? edit.author === author : edit.visitor === visitor)).length;
  const sentence = (who, count) => `${who} made ${count} step${count === 1 ? "" : "s"} ${who === "You" ? "elsewhere " : ""}meanwhile; ${count === 1 ? "it is" : "they are"} shown now.`;
  return [["You", mine], ["Somebody else", edits.length - mine]].filter(([, count]) => count).map(([who, count]) => sentence(who, count)).join(" ");
}

export function wordsOf({ op, ids = [], id, reason }, { thing, things }) {
  const many = id !== undefined ? [id] : ids;
  const of = many.length > 1 ? ` of ${many.length} ${things}` : many.length ? ` of ${thing} ${many[0]}` : "";
  const words = { delete: "deletion", smooth: "smoothing", fill: "filling holes", split: "splitting", restore: "counting again", set_aside: `leaving out${reason ? ` (${reason})` : ""}`, reviewed: "confirmation", merge: "merging", class: "change of class", draw: "outline", paint: "brush stroke", erase: "erasing", area: "change of an area", add: `added ${thing}` };
  return `${words[op] ?? op}${of}`;
}

// How many corrections stand, and of how many outlines somebody said that they are right: `corrections_in_effect` of the server.
export function countOf(history) {
  const right = history.filter(({ op }) => op === "reviewed");
  const steps = history.length - right.length;
  const counts = [[steps, steps === 1 ? "correction" : "corrections"], [right.flatMap(({ ids }) => ids).length, "confirmed"]];
  return counts.filter(([count]) => count).map(([count, what]) => `${count} ${what}`).join(", ");
}

// The operations that stand, the last one last, and those that can be done again.
export class History {
  constructor(standing = [], undone = []) {
    Object.assign(this, { standing: [...standing], undone: [...undone] });
  }

  // One more step. Returns the operation that it makes, takes back or makes again; undefined where there is none.
  push(operation) {
    const [from, to] = { undo: [this.standing, this.undone], redo: [this.undone, this.standing] }[operation.op] ?? [];
    if (!from) {
      this.standing.push(operation);
      this.undone = [];
      return operation;
    }
    const moved = from.pop();
    if (moved) to.push(moved);
    return moved;
  }
}

// What was not stored, without corrections that were taken back before they were. wanted: to be made again. refused: the
// words of what would be taken back or made again now, which was done before others corrected.
export function paired(unsent, facts) {
  const [wanted, refused] = [[], []];
  for (const each of unsent) {
    if (each.operation.op === "redo" || (each.operation.op === "undo" && !wanted.length)) refused.push(wordsOf(each.movedCorrection ?? each.operation, facts));
    else if (each.operation.op === "undo") wanted.pop();
    else wanted.push(each);
  }
  return { wanted, refused };
}
