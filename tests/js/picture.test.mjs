import assert from "node:assert/strict";
import { test } from "node:test";

import "./page.mjs";
import { greyTable } from "../../static/js/display.js";
import { Picture, levelAt, levelsOf, tilesIn } from "../../static/js/picture.js";
import { LabelSpace, lineWidth, numberHeight } from "../../static/js/viewer-drawing.js";

test("there are as many levels as the server cuts", () => {
  assert.deepEqual([[640, 480], [1024, 768], [1025, 9], [2048, 2048], [2049, 9], [100, 4096], [8192, 8192]].map(([a, b]) => levelsOf(a, b)), [1, 1, 1, 1, 2, 2, 3]);
});

test("tiles are fetched only where more can be seen", () => {
  assert.equal(levelAt(1.5, 1000, 800), -1); // the whole picture has every pixel
  assert.equal(levelAt(1.6, 1000, 800), 0); // magnified they are shown as they are
  assert.deepEqual([0.1, 0.18, 0.2, 0.25, 0.5, 0.51, 1, 8].map((scale) => levelAt(scale, 8192, 8192)), [-1, -1, 2, 2, 1, 0, 0, 0]);
});

test("the tiles in sight cover it and no more", () => {
  const seen = { left: 500, top: -50, right: 1030, bottom: 300 };
  assert.deepEqual(tilesIn(seen, 1500, 700, 0).map(({ name }) => name), ["0/0-0.png", "0/1-0.png", "0/2-0.png"]);
  const all = tilesIn({ left: -9, top: -9, right: 9999, bottom: 9999 }, 1500, 700, 0);
  assert.equal(all.reduce((sum, { width, height }) => sum + width * height, 0), 1500 * 700);
  assert.deepEqual(all.at(-1), { x: 1024, y: 512, width: 476, height: 188, name: "0/2-1.png" });
  assert.deepEqual(tilesIn({ left: 0, top: 0, right: 9999, bottom: 9999 }, 3000, 700, 1).map(({ x, width }) => [x, width]), [[0, 1024], [1024, 1024], [2048, 952]]);
  assert.deepEqual(tilesIn({ left: -90, top: 0, right: -10, bottom: 10 }, 1500, 700, 0), []);
});

test("a tile is fetched once and drawn over the whole when it has come", async () => {
  const fetched = [];
  globalThis.Image = class {
    set src(address) {
      fetched.push(address);
    }

    get naturalWidth() {
      return 1024;
    }

    decode() {
      return fetched.at(-1).includes("/1-") ? Promise.reject(new Error("gone")) : Promise.resolve();
    }
  };
  let arrived = 0;
  const picture = new Picture({ columns: 1024, rows: 400, tiles: "/tiles/0/0-0.png" }, () => (arrived += 1));
  const drawn = [];
  const context = { drawImage: (_, ...box) => drawn.push(box) };
  const viewport = { view: { scale: 2 }, ratio: 1, seen: { left: 0, top: 0, right: 700, bottom: 400 } };
  picture.paint(context, viewport);
  assert.deepEqual([drawn, fetched], [[], []]); // nothing before the whole picture
  await picture.load("/whole.webp");
  picture.paint(context, viewport);
  picture.paint(context, viewport);
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(fetched, ["/whole.webp", "/tiles/0/0-0.png", "/tiles/0/1-0.png"]);
  assert.equal(arrived, 1); // the other one is missing: what is there stays
  drawn.length = 0;
  picture.paint(context, viewport);
  assert.deepEqual(drawn, [[0, 0, 1024, 400], [0, 0, 512, 400]]);
  assert.equal(picture.coarse, 1);
  assert.equal(Object.assign(new Picture({ columns: 4096, rows: 400 }, () => {}), { whole: new Image() }).coarse, 4);
});

test("numbers are as large as their particles allow, within what can be read", () => {
  assert.equal(numberHeight(10, 4), 6);
  assert.ok(numberHeight(24, 4) > 9 && numberHeight(24, 4) < 12);
  assert.equal(numberHeight(500, 1), 12);
});

test("every number that has room is written, of any count, and none over another", () => {
  const room = new LabelSpace();
  const grid = Array.from({ length: 1800 }, (_, i) => ({ x: 10 + 20 * (i % 60), y: 10 + 12 * Math.floor(i / 60) }));
  assert.ok(grid.every((place) => room.take(place, 15, 7)));
  assert.equal(room.take({ x: 12, y: 11 }, 15, 7), false);
  assert.equal(room.take({ x: -20, y: 11 }, 15, 7), true);
});

test("outlines are thin where things are seen small", () => {
  assert.equal(lineWidth(5), 0.9);
  assert.equal(lineWidth(39), 1.3);
  assert.equal(lineWidth(400), 1.75);
});

test("grey values are shown by brightness, contrast and gamma, and the file's own where all are 0", () => {
  const plain = { brightness: 0, contrast: 0, gamma: 0 };
  const greys = (facts) => [0, 64, 128, 191, 255].map((grey) => greyTable({ ...plain, ...facts })[grey]);
  assert.deepEqual(greys({}), [0, 64, 128, 191, 255]);
  assert.deepEqual(greys({ brightness: 20 }), [51, 115, 179, 242, 255]);
  assert.deepEqual(greys({ contrast: -100 }), [128, 128, 128, 128, 128]);
  assert.deepEqual(greys({ gamma: 50 }), [0, 128, 181, 221, 255]); // gamma 2
});
