import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Element } from "./page.mjs";
import { Viewport, limitedStart } from "../../static/js/viewport.js";

const [COLUMNS, ROWS] = [1000, 500];
const SIDE = 400; // of a square stage at (30, 20) in the window: the image fits at 0.4 and is 200 high there
let canvas, viewport, heard;

function stage(facts = {}) {
  canvas = new Element({ width: SIDE, height: SIDE, left: 30, top: 20 });
  heard = [];
  const tell = (name) => (at) => heard.push(at ? [name, at.x, at.y] : [name]);
  const told = Object.fromEntries(["hover", "press", "release", "tap", "cancel"].map((name) => [name, tell(name)]));
  viewport = new Viewport(canvas, { columns: COLUMNS, rows: ROWS, draw: () => heard.push(["draw"]), ...told, ...facts });
  canvas.resized();
}

// Of a pointer, at a place of the stage.
const pointer = (type, x, y, id = 1, facts = {}) =>
  canvas.fire(`pointer${type}`, { pointerId: id, clientX: x + 30, clientY: y + 20, button: 0, pointerType: "mouse", ...facts });
const wheel = (deltaY, x = 200, y = 200, facts = {}) => canvas.fire("wheel", { deltaY, deltaMode: 0, clientX: x + 30, clientY: y + 20, ...facts });
const key = (name, facts = {}) => canvas.fire("keydown", { key: name, ...facts });
const said = (...names) => heard.filter(([name]) => names.includes(name));
const near = (found, expected, slip = 1e-9) => {
  for (const [name, value] of Object.entries(expected)) assert.ok(Math.abs(found[name] - value) < slip, `${name}: ${found[name]}, not ${value}`);
};

beforeEach(() => stage());

test("at first the whole image is seen, in the middle", () => {
  assert.equal(viewport.fitted, true);
  near(viewport.view, { scale: 0.4, x: 0, y: -250 });
  near(viewport.toStage({ x: 500, y: 250 }), { x: 200, y: 200 });
  near(viewport.toImage({ x: 0, y: 100 }), { x: 0, y: 0 });
});

test("beside tools that cover the left the whole image is seen", () => {
  stage({ columns: 250, rows: 500 }); // it fits at 0.8 and is 200 wide
  Object.assign(viewport, { inset: 150 });
  viewport.fit();
  near(viewport.toStage({ x: 0, y: 0 }), { x: 150 });
  assert.equal(viewport.view.scale, 0.8, "where there is room it keeps its size");
  Object.assign(viewport, { inset: 300 });
  viewport.fit();
  near(viewport.toStage({ x: 250, y: 0 }), { x: SIDE });
});

test("the canvas has the screen's pixels", () => {
  globalThis.devicePixelRatio = 2.5;
  canvas.resized();
  delete globalThis.devicePixelRatio;
  assert.deepEqual([canvas.width, canvas.height], [1000, 1000]);
  const calls = [];
  viewport.clear({ setTransform: (...matrix) => calls.push(matrix), clearRect: (...box) => calls.push(box) });
  assert.deepEqual(calls, [[1, 0, 0, 1, 0, 0], [0, 0, 1000, 1000], [1, 0, 0, 1, -0, 250]]);
});

test("what is under the pointer stays there when the wheel turns", () => {
  const before = viewport.toImage({ x: 130, y: 170 });
  assert.equal(wheel(-400, 130, 170), true);
  near(viewport.view, { scale: 0.4 * Math.E });
  near(viewport.toImage({ x: 130, y: 170 }), before);
  assert.equal(canvas.looks.has("zoomed"), true);
});

test("a wheel that counts in lines turns as far", () => {
  wheel(-10, 200, 200, { deltaMode: 1 });
  near(viewport.view, { scale: 0.4 * Math.exp(0.75) });
});

test("the whole image lets the page scroll, and only a modal stage keeps the wheel", () => {
  assert.equal(wheel(100), false);
  wheel(-100);
  assert.equal(wheel(100), true);
  stage({ modal: true });
  assert.equal(wheel(100), true);
  near(viewport.view, { scale: 0.4 });
});

test("nothing is smaller than the whole image or larger than the limit", () => {
  for (let turn = 0; turn < 50; turn += 1) wheel(-400);
  assert.equal(viewport.view.scale, 40);
  for (let turn = 0; turn < 50; turn += 1) wheel(400);
  near(viewport.view, { scale: 0.4 });
  assert.equal(viewport.fitted, true);
  assert.equal(canvas.looks.has("zoomed"), false);
  stage({ columns: 10, rows: 5 });
  viewport.zoom(1e9);
  assert.equal(viewport.view.scale, 160); // four times the whole of an image of 10 by 5
});

test("keys move by 60 pixels of the screen and zoom about the middle", () => {
  viewport.show({ x: 500, y: 250 }, 2);
  for (const [name, x, y] of [["ArrowRight", 530, 250], ["ArrowDown", 530, 280], ["ArrowLeft", 500, 280], ["ArrowUp", 500, 250]]) {
    assert.equal(key(name), true);
    near(viewport.toImage({ x: 200, y: 200 }), { x, y });
  }
  for (const [name, scale] of [["+", 3], ["=", 4.5], ["-", 3]]) {
    assert.equal(key(name), true);
    near(viewport.view, { scale });
    near(viewport.toImage({ x: 200, y: 200 }), { x: 500, y: 250 });
  }
  key("0");
  assert.equal(viewport.fitted, true);
});

test("keys of the browser are left to it", () => {
  viewport.show({ x: 500, y: 250 }, 2);
  const before = { ...viewport.view };
  for (const name of ["+", "0", "ArrowLeft"]) for (const held of ["ctrlKey", "metaKey", "altKey"]) assert.equal(key(name, { [held]: true }), false);
  for (const name of ["a", "Tab", "Enter"]) assert.equal(key(name), false);
  assert.deepEqual(viewport.view, before);
});

test("a press that hardly moves is a tap, and moves nothing", () => {
  viewport.show({ x: 500, y: 250 }, 2);
  const before = { ...viewport.view };
  pointer("down", 100, 100);
  pointer("move", 102, 102);
  pointer("up", 102, 102);
  assert.deepEqual(said("press", "release", "tap"), [["press", 100, 100], ["release"], ["tap", 102, 102]]);
  assert.deepEqual(viewport.view, before);
});

test("a drag moves the image with the pointer and is no tap", () => {
  viewport.show({ x: 500, y: 250 }, 2);
  pointer("down", 200, 200);
  assert.equal(canvas.looks.has("held"), true);
  pointer("move", 140, 180);
  near(viewport.toImage({ x: 200, y: 200 }), { x: 530, y: 260 });
  pointer("up", 140, 180);
  assert.equal(canvas.looks.has("held"), false);
  assert.deepEqual(said("tap"), []);
});

test("an edge of a magnified image comes to the middle of the stage at most, and stays under the pointer", () => {
  viewport.show({ x: 500, y: 250 }, 2);
  viewport.pan(-1e6, 1e6);
  near(viewport.view, { x: -100, y: 400 });
  viewport.show({ x: -1000, y: 9000 }, 2);
  near(viewport.view, { x: 0, y: 300 });
  viewport.fit();
  const corner = viewport.toImage({ x: 1, y: 101 }); // of the image, below what is empty
  wheel(-400, 1, 101);
  near(viewport.toImage({ x: 1, y: 101 }), corner);
  wheel(100, 1, 101);
  near(viewport.toImage({ x: 1, y: 101 }), corner);
  assert.equal(limitedStart(7, 10, 30), -10); // smaller than what is seen: in the middle
});

test("two fingers zoom, and what lies under them stays there", () => {
  viewport.show({ x: 500, y: 250 }, 1);
  pointer("down", 150, 200, 1);
  pointer("down", 250, 200, 2);
  const middle = viewport.toImage({ x: 200, y: 200 });
  pointer("move", 100, 200, 1);
  pointer("move", 300, 200, 2);
  near(viewport.view, { scale: 2 });
  near(viewport.toImage({ x: 200, y: 200 }), middle);
  pointer("move", 110, 230, 1);
  pointer("move", 310, 230, 2);
  near(viewport.toImage({ x: 210, y: 230 }), middle, 1);
  assert.equal(heard.filter(([name]) => name === "cancel").length, 1);
  pointer("up", 110, 230, 1);
  pointer("up", 310, 230, 2);
  assert.deepEqual(said("tap"), []);
});

test("the hand that holds the pen neither draws nor zooms", () => {
  pointer("down", 300, 300, 1, { pointerType: "touch" });
  pointer("down", 100, 100, 2, { pointerType: "pen" });
  pointer("down", 320, 300, 3, { pointerType: "touch" });
  assert.deepEqual(said("press", "cancel"), [["press", 300, 300], ["cancel"], ["press", 100, 100]]);
  pointer("up", 320, 300, 3, { pointerType: "touch" });
  pointer("up", 300, 300, 1, { pointerType: "touch" });
  assert.deepEqual(said("release"), []);
  pointer("up", 100, 100, 2, { pointerType: "pen" });
  assert.deepEqual(said("release"), [["release"]]);
});

test("fingers on one place divide by nothing", () => {
  pointer("down", 100, 100, 1);
  pointer("down", 100, 100, 2);
  pointer("move", 100, 100, 1);
  assert.ok(Number.isFinite(viewport.view.scale) && Number.isFinite(viewport.view.x));
});

test("a finger that is left over moves the image on", () => {
  viewport.show({ x: 500, y: 250 }, 2);
  pointer("down", 100, 200, 1);
  pointer("down", 300, 200, 2);
  pointer("up", 300, 200, 2);
  const { x } = viewport.view;
  pointer("move", 80, 200, 1);
  near(viewport.view, { x: x + 10 });
});

test("who draws gets the drag, and the image stays", () => {
  const drags = [];
  stage({ drag: (at) => drags.push([at.x, at.y]) });
  viewport.show({ x: 500, y: 250 }, 2);
  const before = { ...viewport.view };
  pointer("down", 100, 100);
  pointer("move", 150, 100);
  pointer("move", 200, 120);
  assert.deepEqual(drags, [[150, 100], [200, 120]]);
  assert.deepEqual(viewport.view, before);
});

test("the middle and the right button move the image and draw nothing", () => {
  for (const button of [1, 2]) {
    stage({ drag: () => heard.push(["drag"]) });
    viewport.show({ x: 500, y: 250 }, 2);
    const { x } = viewport.view;
    pointer("down", 100, 100, 1, { button });
    pointer("move", 80, 100, 1, { button: -1 });
    pointer("up", 80, 100, 1, { button });
    near(viewport.view, { x: x + 10 });
    assert.deepEqual(said("press", "drag", "release", "tap"), []);
  }
});

test("a lost pointer and one that only passes", () => {
  pointer("down", 100, 100);
  pointer("cancel", 100, 100);
  assert.deepEqual(said("press", "release", "tap", "cancel"), [["press", 100, 100], ["cancel"]]);
  assert.equal(canvas.looks.has("held"), false);
  pointer("move", 50, 60);
  pointer("leave", 0, 0);
  pointer("leave", 0, 0, 1, { pointerType: "touch" });
  assert.deepEqual(said("hover"), [["hover", 50, 60], ["hover"]]);
});

test("a stage of another size keeps the whole image, or what was in the middle", () => {
  Object.assign(canvas, { clientWidth: 800, clientHeight: 600 });
  canvas.resized();
  near(viewport.view, { scale: 0.8 });
  viewport.show({ x: 600, y: 300 }, 3);
  Object.assign(canvas, { clientWidth: 300, clientHeight: 200 });
  canvas.resized();
  near(viewport.view, { scale: 3 });
  near(viewport.toImage({ x: 150, y: 100 }), { x: 600, y: 300 });
});

test("a stage that is not shown yet has a scale all the same", () => {
  Object.assign(canvas, { clientWidth: 0, clientHeight: 0 });
  canvas.resized();
  assert.ok(viewport.view.scale > 0 && Number.isFinite(viewport.view.x));
  assert.deepEqual([canvas.width, canvas.height], [1, 1]);
});
