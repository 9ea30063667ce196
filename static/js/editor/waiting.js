// What waits to be sent, kept by the browser: a reload, another sign-in or the end of a window loses no correction.

const BEAT = 2000; // ms between two signs of life of a window
const SILENT = 10_000; // ms after which another window takes over what one left

export class Waiting {
  // job: whose corrections; store: localStorage. list: of { operation, meant }, meant: the correction that an undo or a
  // redo moves.
  constructor(job, store) {
    Object.assign(this, { job, store, list: [], batch: null });
    this.key = `deepsegm-edits ${job} ${crypto.getRandomValues(new Uint32Array(2)).join("")}`;
  }

  // What windows left that are gone: { batch, list } each; it is this window's now.
  inherited() {
    const left = [];
    for (const key of Object.keys(this.store ?? {})) {
      if (!key.startsWith(`deepsegm-edits ${this.job} `)) continue;
      const entry = JSON.parse(this.store.getItem(key) ?? "null");
      if (!entry || Date.now() - entry.seen < SILENT) continue;
      left.push(entry);
      this.store.removeItem(key);
    }
    return left.sort((a, b) => a.began - b.began);
  }

  // list: of { operation, meant }; batch: what is on its way, { key, base, operations }, or null.
  keep(batch = this.batch) {
    this.batch = batch;
    const { list } = this;
    clearInterval(this.beating);
    if (!list.length) return this.store?.removeItem(this.key);
    const began = (this.began ??= Date.now());
    const write = () => this.store?.setItem(this.key, JSON.stringify({ began, seen: Date.now(), batch, list: list.map(({ operation, meant }) => ({ operation, meant })) }));
    write();
    this.beating = setInterval(write, BEAT);
    return null;
  }

  // This window goes: the next one need not wait.
  leave() {
    if (!this.list.length) return;
    clearInterval(this.beating);
    const entry = JSON.parse(this.store?.getItem(this.key) ?? "null");
    if (entry) this.store.setItem(this.key, JSON.stringify({ ...entry, seen: 0 }));
  }
}

// Whether corrections of a result wait in this browser.
export const hasLeft = (job, store = globalThis.localStorage) => Object.keys(store ?? {}).some((key) => key.startsWith(`deepsegm-edits ${job} `));
