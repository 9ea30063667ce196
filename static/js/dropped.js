// The files that were dropped on a page, with those inside dropped folders.

const JUNK = /(^|\/)(\.|__MACOSX(\/|$)|Thumbs\.db$|desktop\.ini$)/i;

export const isJunk = (path) => JUNK.test(path);

const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

// The browser returns the entries of a folder in portions; an empty portion is the end.
async function entriesOf(folder) {
  const reader = folder.createReader();
  const entries = [];
  for (;;) {
    const portion = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!portion.length) return entries;
    entries.push(...portion);
  }
}

// Yields { file, path } for each file. Paths that cannot be read, such as broken links, are added to `lost`.
async function* filesIn(entry, path, lost) {
  if (isJunk(path)) return;
  try {
    if (entry.isFile) yield { file: await fileOf(entry), path };
    else for (const inner of await entriesOf(entry)) yield* filesIn(inner, `${path}/${inner.name}`, lost);
  } catch {
    lost.push(path);
  }
}

// { files: [{ file, path }, …], folder: the name of the one folder dropped, or "", lost: paths that cannot be read }
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const folders = entries.filter((entry) => entry.isDirectory);
  if (!folders.length) return { files: [...transfer.files].map((file) => ({ file, path: file.name })), folder: "", lost: [] };
  const [files, lost] = [[], []];
  for (const entry of entries) for await (const each of filesIn(entry, entry.name, lost)) files.push(each);
  files.sort((a, b) => a.path.localeCompare(b.path, "en", { numeric: true }));
  return { files, folder: folders.length === 1 ? folders[0].name : "", lost };
}

const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");

// Calls showDragging(isDragging) as files are dragged over the page, and dropped(...) with the result of droppedFiles.
export function onDrop(showDragging, dropped) {
  let depth = 0;
  const dragging = (change) => {
    depth = Math.max(0, depth + change);
    showDragging(depth > 0);
  };
  document.addEventListener("dragenter", (event) => carriesFiles(event) && dragging(1));
  document.addEventListener("dragleave", (event) => carriesFiles(event) && dragging(-1));
  document.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  document.addEventListener("drop", async (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    dragging(-depth);
    dropped(await droppedFiles(event.dataTransfer));
  });
}
