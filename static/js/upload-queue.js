// Which file is sent when, and what is said of one that did not arrive.

const AT_ONCE = 2;
const FEW = 12; // files of one drop, up to which the server also reads data bars

// send(item) begins to send; done() is called when it has ended, well or not. The first answer brings the visitor's
// cookie: until then files go one at a time, or each would be another visitor's.
export class Queue {
  constructor(send, acquainted) {
    Object.assign(this, { send, acquainted, waiting: [], sending: 0 });
  }

  get busy() {
    return this.sending + this.waiting.length;
  }

  add(items) {
    this.waiting.push(...items);
    this.next();
  }

  done() {
    this.sending -= 1;
    this.acquainted = true;
    this.next();
  }

  next() {
    while (this.sending < (this.acquainted ? AT_ONCE : 1) && this.waiting.length) {
      this.sending += 1;
      this.send(this.waiting.shift());
    }
  }
}

// files: [{ file, path }, …] of one drop; pairs: [[path, [paths of the files beside it]], …] of those to be sent.
export function itemsOf(files, pairs) {
  const byPath = new Map(files.map((each) => [each.path, each.file]));
  return pairs.map(([path, beside]) => ({
    file: byPath.get(path),
    sides: beside.map((side) => byPath.get(side)),
    quick: pairs.length > FEW,
  }));
}

// The name of a lone archive without its ending, which its sample gets; "" for anything else.
export function archiveName(pairs) {
  const [[path]] = pairs.length === 1 ? pairs : [[""]];
  return /\.zip$/i.test(path) ? path.split("/").at(-1).slice(0, -4) : "";
}

export function sentenceFor(status) {
  if (status === 0) return "The connection broke before the file had arrived. Check the network and send it again.";
  if (status === 401) return "You are signed out. Sign in again in another tab, then send the file once more.";
  if (status === 403) return "This page is too old to send files. Reload it and send the file again.";
  if (status === 413) return "The file is larger than this site accepts. Send a smaller one.";
  return "The file could not be stored just now. Try again in a moment.";
}

export function notStarted(status) {
  if (status === 401) return "You are signed out. Sign in again in another tab, then press the button once more.";
  if (status === 403) return "This page is too old to start an analysis. Reload it and choose the images again.";
  return "The analysis could not be started just now. Try again in a moment.";
}

// So many files are not yet there; wanted: the analysis is to start as soon as they are.
export function stillSending(busy, wanted = false) {
  if (!busy) return "";
  const said = busy === 1 ? "One file is still on its way" : `${busy} files are still on their way`;
  return wanted ? `${said}; the analysis starts by itself when all have arrived.` : `${said}.`;
}
