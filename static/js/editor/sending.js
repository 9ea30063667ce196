// Sends corrections in their order, one request at a time; the server makes them and answers with what they changed. What
// could not be sent waits and follows.

import { pause } from "../dom.js";
import { PAGE } from "./calls.js";

const PAUSES = [1000, 2000, 4000, 8000]; // ms before the next try without a network
const MOST = 100; // corrections of a request
const SILENCE = 45_000; // ms without an answer, after which the connection counts as broken; sending again is safe
const TURNS = 15; // seconds in which the server has no place for these corrections, before it counts as away
const UNKNOWN = "The server does not know you any more: sign in again in another window.";
const DENIED = { 401: UNKNOWN, 403: UNKNOWN, 404: "The result is not there any more, or you are signed out: sign in again in another window." };

const randomKey = () => [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(16)).join("");

export class Sender {
  // heard: state(name, waiting, why), token(), made(each, answer, ids), conflict(answer, unsent), refused(sentence, unsent):
  // the last two may take their time, and nothing is sent meanwhile. waiting: see waiting.js.
  constructor({ address, token, base, waiting, heard }) {
    Object.assign(this, { address, token, base, heard, kept: waiting, waiting: waiting.list });
    this.busy = false;
    this.rests = []; // who waits until nothing is on its way, or the server does not answer
    this.offline = false; // the server takes nothing now
    this.denied = ""; // why, where it answers: nothing can be stored until that changes
    for (const back of ["online", "focus"]) globalThis.addEventListener?.(back, () => this.wake?.());
    globalThis.addEventListener?.("pagehide", () => this.kept.release());
  }

  get settled() {
    return !this.busy && !this.waiting.length;
  }

  // each: { operation, movedCorrection: what an undo takes back, ghost: what is drawn until it is made }.
  push(each) {
    this.waiting.push(each);
    this.kept.store();
    if (this.denied) this.wake?.();
    this.run();
  }

  async run() {
    if (this.busy) return;
    this.busy = true;
    while (this.waiting.length) {
      this.tell("saving");
      const batch = this.waiting.slice(0, this.single ? 1 : MOST);
      await this.heed(await this.sent(batch), batch);
      this.kept.store(null);
    }
    this.busy = false;
    this.tell("saved");
  }

  tell(state) {
    const name = this.denied ? "denied" : this.offline ? "offline" : state;
    this.heard.state(name, this.waiting.length, this.denied);
    if (name !== "saving") for (const go of this.rests.splice(0)) go();
  }

  // The answer, however often it takes without a network: the key makes tries of one request one.
  async sent(batch) {
    const request = this.resent ?? { key: randomKey(), base: this.base, operations: batch.map((each) => each.operation) };
    this.resent = null;
    this.kept.store(request);
    const { key, base, operations } = request;
    const body = JSON.stringify({ base, operations, since: base });
    for (let tries = 0; ; tries++) {
      const answer = await this.tried(body, key);
      this.denied = DENIED[answer?.status] ?? "";
      this.offline = !answer || this.denied !== "";
      if (!this.offline) return answer;
      this.tell("offline");
      await this.woken(tries);
    }
  }

  async tried(body, key, turns = 0) {
    const headers = { ...PAGE, "Content-Type": "application/json", "X-CSRFToken": this.token, "Idempotency-Key": key };
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

  // Who was signed out may be signed in again when the page is looked at again; the page has another token then.
  async woken(tries) {
    const back = new Promise((resolve) => (this.wake = resolve));
    if (!this.denied) return Promise.race([pause(PAUSES[Math.min(tries, PAUSES.length - 1)]), back]);
    await back;
    this.token = (await this.heard.token?.()) ?? this.token;
  }

  async heed({ status, content }, batch) {
    if (status === 200) {
      this.base = content.base;
      this.waiting.splice(0, batch.length);
      this.single = false;
      this.heard.made(batch, content);
      batch.forEach((each, i) => each.answered?.(content.made[i]));
      return;
    }
    if (status === 422 && batch.length > 1) {
      this.single = true; // to find the one that is impossible
      return;
    }
    const unsent = this.waiting.splice(0);
    if (status === 409 && content.edits) await this.heard.conflict(content, unsent);
    else await this.heard.refused(content.error ?? `The server answered ${status}. Reload the page.`, unsent);
  }
}
