// Calls of the worker and of the server.

export const PAGE = { "X-Requested-With": "DeepSegm" };

// A worker that answers calls in their order.
export class Calls {
  constructor(address, heard) {
    this.worker = new Worker(address, { type: "module" });
    this.waiting = new Map();
    this.number = 0;
    this.worker.onmessage = ({ data }) => {
      if (data.loaded !== undefined) return heard(data.loaded);
      const { resolve, reject } = this.waiting.get(data.number);
      this.waiting.delete(data.number);
      if (data.problem === undefined) return resolve(data.value);
      return reject(new Error(data.problem));
    };
  }

  call(call, said) {
    return new Promise((resolve, reject) => {
      this.number += 1;
      this.waiting.set(this.number, { resolve, reject });
      this.worker.postMessage({ number: this.number, call, said });
    });
  }
}

export async function json(address) {
  const answer = await fetch(address, { headers: PAGE, cache: "no-store" });
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `The server answered ${answer.status}.`);
  return answer.json();
}
