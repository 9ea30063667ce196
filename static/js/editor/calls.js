// Requests to the server that answer with JSON.

// The header that tells the API that a request comes from a page of this site (OUR_PAGE of segmentation/api/shared/auth.py).
export const PAGE = { "X-Requested-With": "DeepSegm" };

// The JSON at an address. Throws the server's sentence, or one with the status, if it refuses.
export async function json(address, options) {
  const answer = await fetch(address, options);
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `The server answered ${answer.status}.`);
  return answer.json();
}
