// Each page has the token of who signed in last, in whichever window.

import assert from "node:assert/strict";
import { test } from "node:test";

const channels = [];
globalThis.BroadcastChannel = class {
  constructor(name) {
    channels.push(Object.assign(this, { name }));
  }

  postMessage(data) {
    for (const other of channels) if (other !== this && other.name === this.name) other.onmessage?.({ data });
  }
};

const pageWith = (token) => {
  const field = { value: token };
  const tools = { dataset: { token } };
  const all = (selector) => (selector === "[data-token]" ? [tools] : [field]);
  return { field, tools, querySelector: (selector) => all(selector)[0], querySelectorAll: all };
};

test("a page takes the token of one that came later in another window, in every form", async () => {
  const heard = [];
  globalThis.dispatchEvent = ({ detail }) => heard.push(detail);
  const page = (globalThis.document = pageWith("old"));
  await import("../../static/js/token.js?first");
  globalThis.document = pageWith("new");
  const listens = channels[0].onmessage;
  channels[0].onmessage = ({ data }) => {
    const now = globalThis.document;
    globalThis.document = page;
    listens({ data });
    globalThis.document = now;
  };
  await import("../../static/js/token.js?second");
  assert.deepEqual([page.field.value, page.tools.dataset.token, heard], ["new", "new", ["new"]]);
});
