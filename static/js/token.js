// The CSRF token of a page's forms. After a new sign-in in another window the server refuses the old token. So each
// page sends its token to the other open pages when it loads, and they use the newest.

const channel = globalThis.document && globalThis.BroadcastChannel && new BroadcastChannel("token");

// The token that a page holds, or undefined.
export const tokenOf = (page) => page.querySelector("[data-token]")?.dataset.token ?? page.querySelector("[name=csrfmiddlewaretoken]")?.value;

// Puts a token into all forms of a page.
export function useToken(token, page = document) {
  if (!token) return;
  for (const field of page.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token;
  for (const holder of page.querySelectorAll("[data-token]")) holder.dataset.token = token;
  globalThis.dispatchEvent?.(new CustomEvent("token", { detail: token }));
}

if (channel) {
  channel.onmessage = ({ data }) => useToken(data);
  const pageToken = tokenOf(document);
  if (pageToken) channel.postMessage(pageToken);
}
