// Updates parts of a page in place, such as a list that htmx fetches again and again: only nodes that changed are
// replaced. While the mouse is over a list no row is added, removed or moved, so that a click meets the row that it was
// meant for. (This is not the settle phase of htmx.)

const LOCAL_ATTRIBUTES = ["open", "hidden"]; // set by people and scripts on this page: not overwritten

// Makes a node equal to a new one of the same name. Returns false if a change has to wait for the mouse to leave.
export function settle(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return true;
  }
  if (old.nodeName === "TIME" && old.dateTime === fresh.dateTime) return true; // shown in the reader's own time
  const isSettled = old.matches(".entries") && old.matches(":hover") ? settleRows(old, fresh) : settleChildren(old, fresh);
  // Attributes only then: the new ones may end the repeated requests of the list.
  if (isSettled) settleAttributes(old, fresh);
  return isSettled;
}

function settleAttributes(old, fresh) {
  for (const name of old.getAttributeNames()) if (!LOCAL_ATTRIBUTES.includes(name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) {
    if (!LOCAL_ATTRIBUTES.includes(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

// Under the mouse: updates rows that stay. Returns whether the new list has the same rows in the same order.
function settleRows(old, fresh) {
  const before = new Map([...old.children].map((row) => [row.id, row]));
  const settled = [...fresh.children].map((row) => before.has(row.id) && settle(before.get(row.id), row));
  return settled.every(Boolean) && [...before.keys()].join() === [...fresh.children].map((row) => row.id).join();
}

// Makes the child nodes of an element equal to those of a new one.
function settleChildren(old, fresh) {
  const named = new Map([...old.children].filter(({ id }) => id).map((child) => [child.id, child]));
  let place = old.firstChild;
  let isSettled = true;
  for (const next of [...fresh.childNodes]) {
    let same = next.id ? named.get(next.id) : place;
    while (!next.id && same && (same.id || same.nodeName !== next.nodeName)) same = same.nextSibling;
    if (same?.nodeName !== next.nodeName) {
      old.insertBefore(document.importNode(next, true), place);
      continue;
    }
    if (same === place) place = place.nextSibling;
    else old.insertBefore(same, place);
    isSettled = settle(same, next) && isSettled;
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
  return isSettled;
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, serverResponse } = event.detail;
  const fresh = "settle" in target.dataset && new DOMParser().parseFromString(serverResponse, "text/html").getElementById(target.id);
  if (!fresh) return;
  event.preventDefault();
  settle(target, fresh);
  window.htmx.process(target);
  document.dispatchEvent(new Event("settled"));
});
