import assert from "node:assert/strict";
import { test } from "node:test";

import { scaleFromLine } from "../../static/js/ruler.js";
import { ambiguous, digits, lengthOf, widthQuestion, widthText } from "../../static/js/width.js";

test("lengths in every unit that is accepted", () => {
  const widths = { 7520: 7520, "7.52 µm": 7520, "7,52 μm": 7520, "7.52um": 7520, " 0.5 mm ": 5e5, "1": 1, ".5 µm": 500, "3. nm": 3, "1e3": 1000, "7520 NM": 7520, "5 cm": 5e7, "7\u00a0microns\u200b": 7000 };
  for (const [text, nm] of Object.entries(widths)) assert.ok(Math.abs(lengthOf(text) - nm) < 1e-6, text);
  for (const text of ["", "wide", "-5", "7 520", "5 stones", "1.2.3", "0"]) assert.equal(lengthOf(text), null, text);
});

test("a comma that might divide thousands", () => {
  for (const text of ["7,520", "120,000", " 1,000 nm", "7.520", "7.520 nm"]) assert.equal(ambiguous(text), true, text);
  for (const text of ["7,52", "0,500", "7,5200", "1234,567", "7520", "7.520 µm", "7.5"]) assert.equal(ambiguous(text), false, text);
});

test("numbers for the field and beside it", () => {
  assert.deepEqual([5120, 5120.004, 5120.5, 99.999, 1e8].map(widthText), ["5120", "5120", "5120.5", "100", "100000000"]);
  assert.deepEqual([digits(7.34375), digits(0.000123456, 2), digits(10)], ["7.344", "0.00012", "10"]);
});

test("millimetres are questioned", () => {
  for (const [text, asked] of [["12 mm", "12 µm"], ["1,5 mm", "1,5 µm"], ["12000000", "12 mm"]]) assert.ok(widthQuestion(text).includes(asked), text);
  for (const text of ["0.5 mm", "7520", "12 µm", "wide", ""]) assert.equal(widthQuestion(text), "", text);
});

const LINE = { drawn: true, length: 100, error: 0.5 };

test("a line and its length make a pixel, a width and a relative uncertainty", () => {
  const found = scaleFromLine(LINE, " 500 nm", 1024);
  assert.deepEqual([found.pixel, found.width], [5, 5120]);
  assert.deepEqual(found.stated, { width: "5120", source: "drawn", pixels: 100, error: 0.5, length: "500 nm" });
  assert.ok(Math.abs(found.relativeUncertainty - (Math.SQRT2 * 0.5) / 100) < 1e-12);
  assert.equal(scaleFromLine(LINE, "1 µm", 2000).width, 20000);
  for (const text of ["5 Å", "0.5 nm", "500 pm"]) assert.ok(Math.abs(scaleFromLine(LINE, text, 1000).pixel - 0.005) < 1e-12, text);
});

test("what is told to the server is what was reckoned with", () => {
  const { pixel, stated } = scaleFromLine({ ...LINE, length: 99.9964, error: 0.001 }, "200 nm", 1000);
  assert.deepEqual(stated, { width: "2000", source: "drawn", pixels: 100, error: 0.01, length: "200 nm" });
  assert.equal(pixel, 2);
});

test("what is missing is said first", () => {
  for (const line of [{ ...LINE, drawn: false }, { ...LINE, length: 4.99 }]) assert.equal(scaleFromLine(line, "500 nm", 1024).missing, "line");
  for (const text of ["", "1,000", "long"]) assert.equal(scaleFromLine(LINE, text, 1024).missing, "length");
  assert.match(scaleFromLine(LINE, "1,000", 1024).why, /leave the comma or point out/);
});
