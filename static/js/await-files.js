// Waits for files that the server writes on first request. When a file is there, its download begins, its picture is
// shown, or the page reloads.

import { pause } from "./dom.js";

const RETRY_MS = 700; // ms between two requests
const DOWNLOAD_DELAY_MS = 150; // ms; Chromium may cancel a download that begins right after a request for the same address

// Waits until the server has written a file (status 202 until then). Returns false if it cannot be had.
export async function isWritten(address) {
  for (;;) {
    const answer = await fetch(address, { method: "HEAD" });
    if (answer.status !== 202) return answer.ok;
    await pause(RETRY_MS);
  }
}

// A click on a link whose file is not yet written.
document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("a[data-further]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (link.getAttribute("aria-busy") === "true") return;
  link.setAttribute("aria-busy", "true");
  try {
    const written = await isWritten(link.href);
    if (written) {
      for (const other of document.querySelectorAll("a[data-further]")) other.removeAttribute("data-further");
      await pause(DOWNLOAD_DELAY_MS);
      link.click();
    } else {
      location.assign(link.href); // a page that says why
    }
  } finally {
    link.removeAttribute("aria-busy");
  }
});

// A picture is requested, and so written, when it is scrolled near the window.
const near = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    near.unobserve(target);
    isWritten(target.dataset.whenWritten).then((written) => written && (target.src = target.dataset.whenWritten));
  }
}, { rootMargin: "600px" });
const watch = () => document.querySelectorAll("[data-when-written]:not([src])").forEach((image) => near.observe(image));
watch();
document.addEventListener("settled", watch);

if (document.querySelector("[data-reload]")) {
  isWritten(location.href).then(() => location.reload()); // the file itself, or a page that says why there is none
}
