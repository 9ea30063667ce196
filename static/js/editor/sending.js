// Sends corrections in their order, one request at a time. What could not be sent waits and follows.

const PAUSES = [1000, 2000, 4000, 8000]; // ms before the next try without a network
const MOST = 100; // corrections of a request

const randomKey = () => [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(16)).join("");
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Sender {
  // heard: state(name, waiting), differs(), conflict(answer, unsent), refused(sentence, unsent): the last three may take
  // their time, and nothing is sent meanwhile.
  constructor({ address, token, base, heard }) {
    Object.assign(this, { address, token, base, heard });
    this.waiting = []; // { operation, check }
    this.busy = false;
    this.offline = false;
    globalThis.addEventListener?.("online", () => this.wake?.());
  }

  get settled() {
    return !this.busy && !this.waiting.length;
  }

  push(operation, check) {
    this.waiting.push({ operation, check });
    this.run();
  }

  // An operation that the server makes: its answer with the patches, once all before it are stored. Null: refused.
  async remote(operation) {
    return new Promise((resolve) => {
      this.waiting.push({ operation, answered: resolve });
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
      await this.heed(answer, batch);
    }
    this.busy = false;
    this.tell("saved");
  }

  tell(state) {
    this.heard.state(this.offline ? "offline" : state, this.waiting.length);
  }

  // As many as a request holds; one that waits for its patches goes alone.
  batch() {
    const alone = this.waiting.findIndex((each) => each.answered);
    return this.waiting.slice(0, alone === 0 || this.single ? 1 : Math.min(MOST, alone < 0 ? MOST : alone));
  }

  // The answer, however often it takes without a network: the key makes tries of one request one.
  async sent(batch) {
    const headers = { "Content-Type": "application/json", "X-CSRFToken": this.token, "X-Requested-With": "DeepSegm", "Idempotency-Key": randomKey() };
    const body = JSON.stringify({ base: this.base, operations: batch.map((each) => each.operation), patches: Boolean(batch[0].answered) });
    for (let tries = 0; ; tries++) {
      try {
        const answer = await fetch(this.address, { method: "POST", headers, body });
        const said = await answer.json().catch(() => ({}));
        if (answer.status < 500 && answer.status !== 429) return { status: answer.status, said };
      } catch {
        // No network: the next try follows.
      }
      this.offline = true;
      this.tell("offline");
      await Promise.race([pause(PAUSES[Math.min(tries, PAUSES.length - 1)]), new Promise((resolve) => (this.wake = resolve))]);
    }
  }

  async heed({ status, said }, batch) {
    this.offline = false;
    if (status === 200) {
      this.base = said.base;
      this.waiting.splice(0, batch.length);
      this.single = false;
      batch[0].answered?.(said);
      const differ = batch.some((each, i) => each.check !== undefined && each.check !== said.checks[i]);
      if (differ) await this.heard.differs();
      return;
    }
    if (status === 422 && batch.length > 1) {
      this.single = true; // to find the one that is impossible
      return;
    }
    const unsent = this.waiting.splice(0);
    for (const each of unsent) each.answered?.(null);
    if (status === 409 && said.edits) await this.heard.conflict(said, unsent);
    else await this.heard.refused(said.error ?? `The server answered ${status}. Reload the page.`, unsent);
  }
}
