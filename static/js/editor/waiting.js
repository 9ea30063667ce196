// Stores corrections that are not sent yet in the browser: a reload, a new sign-in or a closed window loses none.

const ALIVE_EVERY_MS = 2000; // ms after which a window stores again that it is still open
const CLOSED_AFTER_MS = 10_000; // ms without that sign, after which another window takes over its corrections

export class Waiting {
  // job: id of the result; storage: localStorage. list holds { operation, movedCorrection }; movedCorrection: the
  // correction that an undo or a redo moves, in storage under the key "meant".
  constructor(job, storage) {
    Object.assign(this, { job, storage, list: [], batch: null });
    this.key = `deepsegm-edits ${job} ${crypto.getRandomValues(new Uint32Array(2)).join("")}`;
  }

  // Takes over the corrections of closed windows. Returns { batch, list } for each window, the oldest first.
  takeOver() {
    const abandoned = [];
    for (const key of Object.keys(this.storage ?? {})) {
      if (!key.startsWith(`deepsegm-edits ${this.job} `)) continue;
      const entry = JSON.parse(this.storage.getItem(key) ?? "null");
      if (!entry || Date.now() - entry.seen < CLOSED_AFTER_MS) continue;
      const list = entry.list.map(({ operation, meant }) => ({ operation, movedCorrection: meant }));
      abandoned.push({ ...entry, list });
      this.storage.removeItem(key);
    }
    return abandoned.sort((a, b) => a.began - b.began);
  }

  // Stores the list. batch: the request under way, { key, base, operations }, or null.
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
    this.beating = setInterval(write, ALIVE_EVERY_MS);
    return null;
  }

  // The window is being closed: another window may take over at once.
  release() {
    if (!this.list.length) return;
    clearInterval(this.beating);
    const entry = JSON.parse(this.storage?.getItem(this.key) ?? "null");
    if (entry) this.storage.setItem(this.key, JSON.stringify({ ...entry, seen: 0 }));
  }
}

// Whether corrections of a result wait in this browser to be sent.
export const hasUnsent = (job, storage = globalThis.localStorage) => Object.keys(storage ?? {}).some((key) => key.startsWith(`deepsegm-edits ${job} `));
