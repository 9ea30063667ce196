// What was dropped on a page, folders opened.

const JUNK = /(^|\/)(\.|__MACOSX(\/|$)|Thumbs\.db$|desktop\.ini$)/i;

export const isJunk = (path) => JUNK.test(path);

const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

// A folder tells its entries in portions, and an empty one means the end.
async function entriesOf(folder) {
  const reader = folder.createReader();
  const entries = [];
  for (;;) {
    const portion = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!portion.length) return entries;
    entries.push(...portion);
  }
}

// What cannot be read, such as a link to nothing, is named in `lost`; the rest comes all the same.
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

// showDragging(isDragging): whether files are being dragged over the page.
// dropped: gets what `droppedFiles` gives.
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
