// What waits to be sent, kept by the browser: a reload, another sign-in or the end of a window loses no correction.

const BEAT = 2000; // ms between two signs of life of a window
const SILENT = 10_000; // ms after which another window takes over what one left

export class Waiting {
  // job: whose corrections; storage: localStorage. list: of { operation, movedCorrection }.
  // movedCorrection: what an undo or a redo moves; it is stored as "meant".
  constructor(job, storage) {
    Object.assign(this, { job, storage, list: [], batch: null });
    this.key = `deepsegm-edits ${job} ${crypto.getRandomValues(new Uint32Array(2)).join("")}`;
  }

  // What windows left that are gone: { batch, list } each; it is this window's now.
  takeOver() {
    const left = [];
    for (const key of Object.keys(this.storage ?? {})) {
      if (!key.startsWith(`deepsegm-edits ${this.job} `)) continue;
      const entry = JSON.parse(this.storage.getItem(key) ?? "null");
      if (!entry || Date.now() - entry.seen < SILENT) continue;
      const list = entry.list.map(({ operation, meant }) => ({ operation, movedCorrection: meant }));
      left.push({ ...entry, list });
      this.storage.removeItem(key);
    }
    return left.sort((a, b) => a.began - b.began);
  }

  // Stores the list. batch: what is on its way, { key, base, operations }, or null.
  store(batch = this.batch) {
    this.batch = batch;
    const { list } = this;
    clearInterval(this.beating);
    if (!list.length) return this.storage?.removeItem(this.key);
    const began = (this.began ??= Date.now());
    const write = () => {
      const stored = list.map(({ operation, movedCorrection }) => ({ operation, meant: movedCorrection }));
      this.storage?.setItem(this.key, JSON.stringify({ began, seen: Date.now(), batch, list: stored }));
    };
    write();
    this.beating = setInterval(write, BEAT);
    return null;
  }

  // This window goes: the next one need not wait.
  release() {
    if (!this.list.length) return;
    clearInterval(this.beating);
    const entry = JSON.parse(this.storage?.getItem(this.key) ?? "null");
    if (entry) this.storage.setItem(this.key, JSON.stringify({ ...entry, seen: 0 }));
  }
}

// Whether corrections of a result wait in this browser.
export const hasUnsent = (job, storage = globalThis.localStorage) => Object.keys(storage ?? {}).some((key) => key.startsWith(`deepsegm-edits ${job} `));
