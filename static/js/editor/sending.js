// Sends corrections in their order, one request at a time. What could not be sent waits and follows.

import { pause } from "../dom.js";

const PAUSES = [1000, 2000, 4000, 8000]; // ms before the next try without a network
const MOST = 100; // corrections of a request
const SILENCE = 45_000; // ms without an answer, after which the connection counts as broken; sending again is safe
const TURNS = 15; // seconds in which the server has no place for these corrections, before it counts as away
const UNKNOWN = "The server does not know you any more: sign in again in another window.";
const DENIED = { 401: UNKNOWN, 403: UNKNOWN, 404: "The result is not there any more, or you are signed out: sign in again in another window." };
const UNREACHED = "This needs the server, which does not answer now. Other tools go on meanwhile.";

const randomKey = () => [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(16)).join("");

export class Sender {
  // heard: state(name, waiting, why), token(), differs(), conflict(answer, unsent), refused(sentence, unsent): the last
  // three may take their time, and nothing is sent meanwhile.
  constructor({ address, token, base, heard }) {
    Object.assign(this, { address, token, base, heard });
    this.waiting = []; // { operation, check, of: the one that an undo takes back }
    this.busy = false;
    this.offline = false; // the server takes nothing now
    this.denied = ""; // why, where it answers: nothing can be stored until that changes
    for (const back of ["online", "focus"]) globalThis.addEventListener?.(back, () => this.wake?.());
  }

  get settled() {
    return !this.busy && !this.waiting.length;
  }

  push(operation, check, of) {
    this.waiting.push({ operation, check, of });
    if (this.denied) this.wake?.();
    this.run();
  }

  // An operation that the server makes: its answer with the patches, once all before it are stored. Null: refused.
  // It throws where the server is not reached, as nothing else can be corrected while somebody waits for it.
  async remote(operation, of) {
    if (this.offline) throw new Error(this.denied || UNREACHED);
    return new Promise((resolve, reject) => {
      this.waiting.push({ operation, of, answered: resolve, unreached: reject });
      this.run();
    });
  }

  async run() {
    if (this.busy) return;
    this.busy = true;
    while (this.waiting.length) {
      this.tell("saving");
      const batch = this.batch();
      const answer = await this.sent(batch);
      if (answer) await this.heed(answer, batch);
    }
    this.busy = false;
    this.tell("saved");
  }

  tell(state) {
    const name = this.denied ? "denied" : this.offline ? "offline" : state;
    this.heard.state(name, this.waiting.length, this.denied);
  }

  // As many as a request holds; one that waits for its patches goes alone.
  batch() {
    const alone = this.waiting.findIndex((each) => each.answered);
    return this.waiting.slice(0, alone === 0 || this.single ? 1 : Math.min(MOST, alone < 0 ? MOST : alone));
  }

  // The answer, however often it takes without a network: the key makes tries of one request one. Null where the
  // request held only what does not wait.
  async sent(batch) {
    const body = JSON.stringify({ base: this.base, operations: batch.map((each) => each.operation), patches: Boolean(batch[0].answered) });
    const key = randomKey();
    for (let tries = 0; ; tries++) {
      const answer = await this.tried(body, key);
      this.denied = DENIED[answer?.status] ?? "";
      this.offline = !answer || this.denied !== "";
      if (!this.offline) return answer;
      this.leave();
      if (batch[0].answered) return null;
      this.tell("offline");
      await this.woken(tries);
    }
  }

  async tried(body, key, turns = 0) {
    const headers = { "Content-Type": "application/json", "X-CSRFToken": this.token, "X-Requested-With": "DeepSegm", "Idempotency-Key": key };
    try {
      const answer = await fetch(this.address, { method: "POST", headers, body, signal: AbortSignal.timeout(SILENCE) });
      const content = await answer.json().catch(() => ({}));
      if (answer.status === 429 && turns < TURNS && answer.headers.get("Retry-After") === "1") {
        await pause(1000); // Other corrections are being made.
        return this.tried(body, key, turns + 1);
      }
      return answer.status < 500 && answer.status !== 429 ? { status: answer.status, content } : null;
    } catch {
      return null; // No network: the next try follows.
    }
  }

  // Nobody waits for patches that do not come.
  leave() {
    for (const each of this.waiting) each.unreached?.(new Error(this.denied || UNREACHED));
    this.waiting = this.waiting.filter((each) => !each.answered);
    if (!this.waiting.length) Object.assign(this, { offline: false, denied: "" });
  }

  // Who was signed out may be signed in again when the page is looked at again; the page has another token then.
  async woken(tries) {
    const back = new Promise((resolve) => (this.wake = resolve));
    if (!this.denied) return Promise.race([pause(PAUSES[Math.min(tries, PAUSES.length - 1)]), back]);
    await back;
    this.token = (await this.heard.token?.()) ?? this.token;
  }

  async heed({ status, content }, batch) {
    const impossible = status === 422 || Boolean(status === 200 && content.error);
    if (status === 200 && !impossible) {
      this.base = content.base;
      this.waiting.splice(0, batch.length);
      this.single = false;
      batch[0].answered?.(content);
      const differ = batch.some((each, i) => each.check !== undefined && each.check !== content.checks[i]);
      if (differ) await this.heard.differs();
      return;
    }
    if (impossible && batch.length > 1) {
      this.single = true; // to find the one that is impossible
      return;
    }
    const unsent = this.waiting.splice(0);
    for (const each of unsent) each.answered?.(null);
    if (status === 409 && content.edits) await this.heard.conflict(content, unsent);
    else await this.heard.refused(content.error ?? `The server answered ${status}. Reload the page.`, unsent);
  }
}
