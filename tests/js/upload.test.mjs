import assert from "node:assert/strict";
import { test } from "node:test";

import { everything, isJunk } from "../../static/js/dropped.js";
import { Queue, archiveName, itemsOf, sentenceFor, stillSending } from "../../static/js/upload-queue.js";

const files = (...paths) => paths.map((path) => ({ path, file: { name: path.split("/").at(-1) } }));

test("the first file goes alone, then two at a time and in order", () => {
  const sent = [];
  const queue = new Queue((item) => sent.push(item), false);
  queue.add(["a", "b", "c", "d"]);
  assert.deepEqual([sent.join(""), queue.busy], ["a", 4]);
  queue.add(["e"]);
  assert.equal(sent.join(""), "a");
  queue.done();
  assert.deepEqual([sent.join(""), queue.busy], ["abc", 4]);
  queue.done();
  assert.equal(sent.join(""), "abcd");
  for (let left = 3; left > 0; left -= 1) {
    assert.equal(queue.busy, left);
    queue.done();
  }
  assert.deepEqual([sent.join(""), queue.busy], ["abcde", 0]);
});

test("a visitor who is known sends two at once", () => {
  const sent = [];
  new Queue((item) => sent.push(item), true).add(["a", "b", "c"]);
  assert.equal(sent.join(""), "ab");
});

test("a file that ends while it is being sent holds up nothing", () => {
  const sent = [];
  const queue = new Queue((item) => {
    sent.push(item);
    queue.done();
  }, false);
  queue.add(["a", "b", "c"]);
  assert.deepEqual([sent.join(""), queue.busy], ["abc", 0]);
});

test("files go with those that belong to them", () => {
  const found = itemsOf(files("d/a.tif", "d/a.txt", "d/b.tif"), [["d/a.tif", ["d/a.txt"]], ["d/b.tif", []]]);
  assert.deepEqual(found.map(({ file, sides }) => [file.name, ...sides.map(({ name }) => name)]), [["a.tif", "a.txt"], ["b.tif"]]);
  assert.ok(found.every(({ quick }) => !quick));
});

test("of many files the data bars are not read", () => {
  const paths = Array.from({ length: 13 }, (_, i) => `${i}.tif`);
  const quick = (count) => itemsOf(files(...paths), paths.slice(0, count).map((path) => [path, []])).every((each) => each.quick);
  assert.deepEqual([quick(12), quick(13)], [false, true]);
});

test("a lone archive names its sample", () => {
  assert.equal(archiveName([["folder/Batch 7.ZIP", []]]), "Batch 7");
  assert.equal(archiveName([["a.tif", []]]), "");
  assert.equal(archiveName([["a.zip", []], ["b.zip", []]]), "");
  assert.equal(archiveName([]), "");
});

test("what is said of a file that did not arrive", () => {
  assert.match(sentenceFor(0), /connection broke/);
  assert.match(sentenceFor(403), /Reload/);
  assert.match(sentenceFor(413), /larger than this site accepts/);
  assert.match(sentenceFor(502), /Try again in a moment/);
  assert.deepEqual([0, 1, 3].map((busy) => stillSending(busy)), ["", "One file is still on its way.", "3 files are still on their way."]);
  assert.match(stillSending(3, true), /starts by itself/);
  assert.equal(stillSending(0, true), "");
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
  const found = await everything(dropped(folder("batch", [file("10.tif"), file(".DS_Store")], [file("9.tif"), inner])));
  assert.equal(found.folder, "batch");
  assert.deepEqual(found.files.map(({ path }) => path), ["batch/9.tif", "batch/10.tif", "batch/deep/2.tif"]);
});

test("what cannot be read is named, and the rest comes", async () => {
  const broken = { isFile: true, name: "gone.tif", file: (_, failed) => failed(new Error("NotFoundError")) };
  const found = await everything(dropped(folder("batch", [file("1.tif"), broken, file("2.tif")])));
  assert.deepEqual(found.files.map(({ path }) => path), ["batch/1.tif", "batch/2.tif"]);
  assert.deepEqual(found.lost, ["batch/gone.tif"]);
});

test("files alone, and several folders, name no sample", async () => {
  assert.deepEqual(await everything(dropped(file("a.tif"))), { files: [{ file: { name: "a.tif" }, path: "a.tif" }], folder: "", lost: [] });
  assert.equal((await everything(dropped(folder("a", [file("1.tif")]), folder("b")))).folder, "");
});
