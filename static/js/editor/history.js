// Corrections in words, and which of them can be made again.

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

// How many corrections stand, and of how many outlines somebody said that they are right: `standing_words` of the server.
export function countOf(history) {
  const right = history.filter(({ op }) => op === "reviewed");
  const steps = history.length - right.length;
  const counts = [[steps, steps === 1 ? "correction" : "corrections"], [right.flatMap(({ ids }) => ids).length, "confirmed"]];
  return counts.filter(([count]) => count).map(([count, what]) => `${count} ${what}`).join(", ");
}

// What was not stored, without corrections that were taken back before they were. wanted: to be made again. refused: an
// undo of earlier corrections is not, as it would now take back what was done after them; the words of what it was of.
export function paired(unsent, facts) {
  const [wanted, refused] = [[], []];
  for (const each of unsent) {
    if (each.operation.op !== "undo") wanted.push(each);
    else if (!wanted.pop()) refused.push(wordsOf(each.of, facts));
  }
  return { wanted, refused };
}

// What can be made again after a log of edits, { number, operation, undoes, made }: the last one taken back comes last. Who
// makes it again sends the same operation; any other one ends that.
export function redoable(log) {
  const byNumber = new Map(log.map((edit) => [edit.number, edit]));
  let undone = [];
  for (const { operation, undoes, made } of log) {
    const last = undone.at(-1);
    if (undoes) undone.push(byNumber.get(undoes));
    else if (last && alike(last.operation, operation)) undone = afterRedo(undone.slice(0, -1), last.made, made);
    else undone = [];
  }
  return undone.map((each) => ({ operation: each.operation, made: each.made }));
}

// The order of entries is the database's.
const alike = (...operations) => new Set(operations.map((each) => JSON.stringify(Object.entries(each).sort()))).size === 1;

// The rest of what can be made again, once the last one was: its objects have other ids now.
export function afterRedo(rest, before, now) {
  const ids = counterparts(before, now);
  return rest.map((each) => ({ ...each, operation: renamed(each.operation, ids) }));
}

// The ids that objects have once they are made again: an id is never given twice.
export function counterparts(before, now) {
  const [old, made] = [before, now].map((ids) => [...ids].sort((a, b) => a - b));
  return new Map(old.map((id, i) => [id, made[i] ?? id]));
}

// An operation that means the same objects by their new ids.
export function renamed(operation, ids) {
  const now = (id) => ids.get(id) ?? id;
  const { id, ids: many } = operation;
  return { ...operation, ...(id === undefined ? {} : { id: now(id) }), ...(many ? { ids: many.map(now) } : {}) };
}
