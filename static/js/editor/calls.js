// Calls of the worker and of the server.

export const PAGE = { "X-Requested-With": "DeepSegm" };

// A worker that answers each call at a port of its own.
export class Calls {
  constructor(address, heard) {
    this.worker = new Worker(address, { type: "module" });
    this.worker.onmessage = ({ data }) => heard(data.loaded);
  }

  call(call, said) {
    return new Promise((resolve, reject) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data: { value, problem } }) => {
        port1.close();
        if (problem === undefined) resolve(value);
        else reject(new Error(problem));
      };
      this.worker.postMessage({ call, said }, [port2]);
    });
  }
}

export async function json(address, options) {
  const answer = await fetch(address, options);
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `The server answered ${answer.status}.`);
  return answer.json();
}
