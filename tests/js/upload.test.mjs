import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { droppedFiles, isJunk } from "../../static/js/dropped.js";
import { greyOfTiff } from "../../static/js/own-picture.js";

test("a plain TIFF is shown before the server has it", () => {
  const file = readFileSync(new URL("../../static/sample/sem-sample.tif", import.meta.url));
  const { width, height, grey } = greyOfTiff(file.buffer.slice(file.byteOffset, file.byteOffset + file.length));
  assert.deepEqual([width, height, grey.length], [1024, 768, 1024 * 768]);
  assert.ok(new Set(grey).size > 100);
  assert.equal(greyOfTiff(new ArrayBuffer(64)), null);
});

// One row of three pixels: little-endian, one strip after the tags.
function tiff({ bits = 8, kind = 1, compression = 1, pixels }) {
  const tags = [[256, 3], [257, 1], [258, bits], [259, compression], [262, kind], [273, 110], [277, 1], [278, 1]];
  const view = new DataView(new ArrayBuffer(130));
  view.setUint16(0, 0x4949);
  view.setUint16(2, 42, true);
  view.setUint32(4, 8, true);
  view.setUint16(8, tags.length, true);
  tags.forEach(([tag, value], i) => {
    const at = 10 + 12 * i;
    view.setUint16(at, tag, true);
    view.setUint16(at + 2, 3, true);
    view.setUint32(at + 4, 1, true);
    view.setUint16(at + 8, value, true);
  });
  pixels.forEach((value, i) => (bits === 8 ? view.setUint8(110 + i, value) : view.setUint16(110 + 2 * i, value, true)));
  return view.buffer;
}

test("sixteen bits are stretched, white that is zero is turned round, and what is packed is left to the server", () => {
  assert.deepEqual([...greyOfTiff(tiff({ pixels: [0, 7, 255] })).grey], [0, 7, 255]);
  assert.deepEqual([...greyOfTiff(tiff({ kind: 0, pixels: [0, 7, 255] })).grey], [255, 248, 0]);
  assert.deepEqual([...greyOfTiff(tiff({ bits: 16, pixels: [1000, 1500, 2000] })).grey], [0, 128, 255]);
  assert.equal(greyOfTiff(tiff({ compression: 5, pixels: [0, 0, 0] })), null);
});

test("what systems leave in folders is junk", () => {
  for (const path of [".DS_Store", "a/.hidden/b.tif", "__MACOSX/a.tif", "x/Thumbs.db", "desktop.ini"]) assert.equal(isJunk(path), true, path);
  for (const path of ["a.tif", "a.b/c.tif", "my.DS_Store.tif", "thumbs.db.png"]) assert.equal(isJunk(path), false, path);
});

// Entries as a browser gives them: a folder tells what is in it in portions.
const file = (name) => ({ isFile: true, name, file: (resolve) => resolve({ name }) });
const folder = (name, ...portions) => ({
  isDirectory: true,
  name,
  createReader: () => ({ readEntries: (resolve) => resolve(portions.shift() ?? []) }),
});
const dropped = (...entries) => ({ items: entries.map((entry) => ({ webkitGetAsEntry: () => entry })), files: entries.map(({ name }) => ({ name })) });

test("folders are opened to the last portion, and read in the order of their numbers", async () => {
  const inner = folder("deep", [file("2.tif")]);
  const found = await droppedFiles(dropped(folder("batch", [file("10.tif"), file(".DS_Store")], [file("9.tif"), inner])));
  assert.equal(found.folder, "batch");
  assert.deepEqual(found.files.map(({ path }) => path), ["batch/9.tif", "batch/10.tif", "batch/deep/2.tif"]);
});

test("what cannot be read is named, and the rest comes", async () => {
  const broken = { isFile: true, name: "gone.tif", file: (_, failed) => failed(new Error("NotFoundError")) };
  const found = await droppedFiles(dropped(folder("batch", [file("1.tif"), broken, file("2.tif")])));
  assert.deepEqual(found.files.map(({ path }) => path), ["batch/1.tif", "batch/2.tif"]);
  assert.deepEqual(found.lost, ["batch/gone.tif"]);
});

test("files alone, and several folders, name no sample", async () => {
  assert.deepEqual(await droppedFiles(dropped(file("a.tif"))), { files: [{ file: { name: "a.tif" }, path: "a.tif" }], folder: "", lost: [] });
  assert.equal((await droppedFiles(dropped(folder("a", [file("1.tif")]), folder("b")))).folder, "");
});
