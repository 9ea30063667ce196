// Files are written when they are first asked for: the page waits for them. Then the download begins, a picture is shown,
// or the page loads again.

import { pause } from "./dom.js";

const ASK_AGAIN = 700; // ms
const SETTLED = 150; // ms; Chromium may cancel a download that begins right after a request for the same address

// Whether a file is there, as soon as that is known.
export async function isWritten(address) {
  for (;;) {
    const answer = await fetch(address, { method: "HEAD" });
    if (answer.status !== 202) return answer.ok;
    await pause(ASK_AGAIN);
  }
}

// A link whose file is not yet written.
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
      await pause(SETTLED);
      link.click();
    } else {
      location.assign(link.href); // a page that says why
    }
  } finally {
    link.removeAttribute("aria-busy");
  }
});

// A picture that is written when somebody comes near it.
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
