// Calls of the server.

export const PAGE = { "X-Requested-With": "DeepSegm" };

export async function json(address, options) {
  const answer = await fetch(address, options);
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `The server answered ${answer.status}.`);
  return answer.json();
}
