// The token of all forms of a page. Who signs in again in another window has another one from then on, and the server
// refuses the old: each page tells its own to the others as it comes, and all take the newest.

const channel = globalThis.document && globalThis.BroadcastChannel && new BroadcastChannel("token");

export const tokenOf = (page) => page.querySelector("[data-token]")?.dataset.token ?? page.querySelector("[name=csrfmiddlewaretoken]")?.value;

export function take(token, page = document) {
  if (!token) return;
  for (const field of page.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token;
  for (const holder of page.querySelectorAll("[data-token]")) holder.dataset.token = token;
  globalThis.dispatchEvent?.(new CustomEvent("token", { detail: token }));
}

if (channel) {
  channel.onmessage = ({ data }) => take(data);
  const own = tokenOf(document);
  if (own) channel.postMessage(own);
}
