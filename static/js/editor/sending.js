// Sends corrections in order, one request at a time; the server answers with what they changed. Without a connection
// they wait and are sent later.

import { pause } from "../dom.js";
import { PAGE } from "./calls.js";

const RETRY_PAUSES_MS = [1000, 2000, 4000, 8000]; // ms before the next try without a network
const MOST_PER_REQUEST = 100; // corrections in one request at most
const MOST_SILENCE_MS = 45_000; // ms without an answer, after which the connection counts as broken; sending again is safe
const MOST_TRIES = 15; // tries, one a second, while the server is busy; then it counts as not answering
const UNKNOWN = "The server does not know you any more: sign in again in another window.";
const DENIED = { 401: UNKNOWN, 403: UNKNOWN, 404: "The result is not there any more, or you are signed out: sign in again in another window." };

const randomKey = () => [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(16)).join("");

export class Sender {
  // listeners: state(name, waiting: count, why), token(): a new token, made(batch, answer), conflict(answer, unsent),
  // refused(sentence, unsent). The last two may be asynchronous; nothing is sent meanwhile. waiting: a Waiting
  // (waiting.js).
  constructor({ address, token, base, waiting, listeners }) {
    Object.assign(this, { address, token, base, listeners, storage: waiting, waiting: waiting.list });
    this.busy = false;
    this.idleCallbacks = []; // functions to call once nothing is under way, or the server does not answer
    this.offline = false; // the server does not answer, or refuses this person
    this.denied = ""; // a sentence that says why the server refuses this person, or ""
    for (const back of ["online", "focus"]) globalThis.addEventListener?.(back, () => this.wake?.());
    globalThis.addEventListener?.("pagehide", () => this.storage.release());
  }

  get settled() {
    return !this.busy && !this.waiting.length;
  }

  // each: { operation, movedCorrection: the correction that an undo or a redo moves, ghost: shapes to draw until it is
  // made, answered(ids): called with the server's answer }.
  push(each) {
    this.waiting.push(each);
    this.storage.store();
    if (this.denied) this.wake?.();
    this.run();
  }

  async run() {
    if (this.busy) return;
    this.busy = true;
    while (this.waiting.length) {
      this.tell("saving");
      const batch = this.waiting.slice(0, this.single ? 1 : MOST_PER_REQUEST);
      await this.handle(await this.answerTo(batch), batch);
      this.storage.store(null);
    }
    this.busy = false;
    this.tell("saved");
  }

  tell(state) {
    const name = this.denied ? "denied" : this.offline ? "offline" : state;
    this.listeners.state(name, this.waiting.length, this.denied);
    if (name !== "saving") for (const go of this.idleCallbacks.splice(0)) go();
  }

  // Sends a batch until the server answers. All tries have one key, so the server makes the corrections only once.
  async answerTo(batch) {
    const request = this.resent ?? { key: randomKey(), base: this.base, operations: batch.map((each) => each.operation) };
    this.resent = null;
    this.storage.store(request);
    const { key, base, operations } = request;
    const body = JSON.stringify({ base, operations, since: base });
    for (let tries = 0; ; tries++) {
      const answer = await this.tryOnce(body, key);
      this.denied = DENIED[answer?.status] ?? "";
      this.offline = !answer || this.denied !== "";
      if (!this.offline) return answer;
      this.tell("offline");
      await this.untilRetry(tries);
    }
  }

  // One request: { status, content }, or null if the server does not answer.
  async tryOnce(body, key, turns = 0) {
    const headers = { ...PAGE, "Content-Type": "application/json", "X-CSRFToken": this.token, "Idempotency-Key": key };
    try {
      const answer = await fetch(this.address, { method: "POST", headers, body, signal: AbortSignal.timeout(MOST_SILENCE_MS) });
      const content = await answer.json().catch(() => ({}));
      if (answer.status === 429 && turns < MOST_TRIES && answer.headers.get("Retry-After") === "1") {
        await pause(1000); // Other corrections are being made.
        return this.tryOnce(body, key, turns + 1);
      }
      return answer.status < 500 && answer.status !== 429 ? { status: answer.status, content } : null;
    } catch {
      return null; // No network: the next try follows.
    }
  }

  // Waits before the next try. Somebody who was signed out may have signed in again when the window gets the focus:
  // then there is a new token.
  async untilRetry(tries) {
    const back = new Promise((resolve) => (this.wake = resolve));
    if (!this.denied) return Promise.race([pause(RETRY_PAUSES_MS[Math.min(tries, RETRY_PAUSES_MS.length - 1)]), back]);
    await back;
    this.token = (await this.listeners.token?.()) ?? this.token;
  }

  // Follows an answer of the server to a batch.
  async handle({ status, content }, batch) {
    if (status === 200) {
      this.base = content.base;
      this.waiting.splice(0, batch.length);
      this.single = false;
      this.listeners.made(batch, content);
      batch.forEach((each, i) => each.answered?.(content.made[i]));
      return;
    }
    if (status === 422 && batch.length > 1) {
      this.single = true; // to find the one that is impossible
      return;
    }
    const unsent = this.waiting.splice(0);
    if (status === 409 && content.edits) await this.listeners.conflict(content, unsent);
    else await this.listeners.refused(content.error ?? `The server answered ${status}. Reload the page.`, unsent);
  }
}
