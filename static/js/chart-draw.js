// Draws one histogram into an SVG element. Colours and strokes are the stylesheet's.

import { linearTicks, logTicks, scale, tickText } from "./chart-scale.js";

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";
const MARGIN = { top: 30, right: 14, bottom: 46, left: 52 };
const SHARES_MARGIN = 52;
const SHARES = [[0, "0 %"], [0.25, "25 %"], [0.5, "50 %"], [0.75, "75 %"], [1, "100 %"]]; // labels of the right axis: share of objects smaller than a size

export function element(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG_NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// picture: {
//   axis: [low, high], edges of the bins, log: whether the axis is logarithmic, xTitle, yTitle, labels: words by bin,
//   heights by bin: kept (counted objects), aside (left out), heights (both), doubtful (the part of kept drawn pale),
//   asShare: whether heights are shares, colours: by bin, or null, cumulative: share of smaller objects, or null,
//   fit: heights of a curve at even steps along the axis, or null, line: { at, name } of a limit, or null }
// Returns { bin(x): the bin at x in CSS pixels, -1 outside; x(size): the place of a size, kept within the bars }.
export function draw(svg, picture, width, height) {
  const frame = frameOf(picture, width, height);
  const { edges } = picture;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren(axes(picture, frame), bars(picture, frame), overlays(picture, frame));
  const [first, last] = [edges[0], edges[edges.length - 1]];
  const bin = (x) => {
    if (x < frame.x(first) || x > frame.x(last)) return -1;
    const index = edges.findIndex((edge, i) => i > 0 && x < frame.x(edge)) - 1;
    return index < 0 ? edges.length - 2 : index;
  };
  return { bin, x: (size) => frame.x(Math.min(Math.max(size, first), last)) };
}

function frameOf(picture, width, height) {
  const { log } = picture;
  const right = width - (picture.cumulative ? SHARES_MARGIN : MARGIN.right);
  const [low, high] = picture.axis;
  const bottom = height - MARGIN.bottom;
  const top = Math.max(...picture.heights, ...(picture.fit ?? [])) * 1.06 || 1;
  return {
    ...{ left: MARGIN.left, right, top: MARGIN.top, bottom, low, high, width, highest: top },
    x: scale(low, high, MARGIN.left, right, log),
    y: scale(0, top, bottom, MARGIN.top),
  };
}

function axes(picture, frame) {
  const group = element("g", { class: "axes", "aria-hidden": "true" });
  const across = Math.max(2, Math.floor((frame.right - frame.left) / 64));
  const ticks = (picture.log ? logTicks : linearTicks)(frame.low, frame.high, across);
  for (const tick of ticks) {
    const x = frame.x(tick);
    group.append(
      element("line", { class: "tick", x1: x, x2: x, y1: frame.bottom, y2: frame.bottom + 5 }),
      element("text", { x, y: frame.bottom + 19, "text-anchor": "middle" }, tickText(tick)),
    );
  }
  const unit = picture.asShare ? 100 : 1;
  for (const tick of linearTicks(0, frame.highest * unit, 5).filter((each) => picture.asShare || Number.isInteger(each))) {
    const y = frame.y(tick / unit);
    group.append(
      element("line", { class: "grid", x1: frame.left, x2: frame.right, y1: y, y2: y }),
      element("text", { x: frame.left - 8, y: y + 4, "text-anchor": "end" }, tickText(tick)),
    );
  }
  if (picture.cumulative) group.append(...shareAxis(frame));
  group.append(
    element("line", { class: "base", x1: frame.left, x2: frame.right, y1: frame.bottom, y2: frame.bottom }),
    element("text", { class: "title", x: frame.right, y: frame.bottom + 38, "text-anchor": "end" }, picture.xTitle),
    element("text", { class: "title", x: 0, y: 12 }, picture.yTitle),
  );
  return group;
}

function shareAxis(frame) {
  const y = scale(0, 1, frame.bottom, frame.top);
  const labels = SHARES.map(([share, words]) => element("text", { class: "cumulative", x: frame.right + 8, y: y(share) + 4 }, words));
  return [...labels, element("text", { class: "title cumulative", x: frame.width, y: 12, "text-anchor": "end" }, "Smaller")];
}

// One group for each bin: it has a name and can be focused; a press anywhere in its column counts.
function bars(picture, frame) {
  const group = element("g", { class: "bars" });
  picture.labels.forEach((label, bin) => {
    const [left, right] = [frame.x(picture.edges[bin]), frame.x(picture.edges[bin + 1])];
    const gap = right - left > 4 ? 0.5 : 0;
    const bar = (name, from, to) =>
      element("rect", { class: name, x: left + gap, width: Math.max(0.5, right - left - 2 * gap), y: frame.y(to), height: Math.max(0, frame.y(from) - frame.y(to)) });
    const column = element("g", { class: "bin", role: "button", tabindex: "-1", "aria-label": label, "aria-pressed": "false", "data-bin": bin });
    column.append(
      element("rect", { class: "column", x: left, width: Math.max(0.5, right - left), y: frame.top, height: frame.bottom - frame.top }),
      bar("kept", 0, picture.kept[bin]),
      ...(picture.doubtful[bin] ? [bar("doubtful", picture.kept[bin] - picture.doubtful[bin], picture.kept[bin])] : []),
      bar("aside", picture.kept[bin], picture.kept[bin] + picture.aside[bin]),
    );
    if (picture.colours) column.querySelector(".kept").style.fill = picture.colours[bin];
    group.append(column);
  });
  return group;
}

function overlays(picture, frame) {
  const group = element("g", { class: "overlays", "aria-hidden": "true" });
  group.append(element("rect", { class: "range", y: frame.top, width: 0, height: frame.bottom - frame.top }));
  if (picture.fit) group.append(element("path", { class: "fit", d: path(fitPoints(picture, frame)) }));
  if (picture.cumulative) {
    const y = scale(0, 1, frame.bottom, frame.top);
    const points = picture.edges.map((edge, i) => [frame.x(edge), y(i === 0 ? 0 : picture.cumulative[i - 1])]);
    group.append(element("path", { class: "cumulative", d: path(points) }));
  }
  const { line } = picture;
  if (line && line.at > frame.low && line.at < frame.high) {
    const x = frame.x(line.at);
    const isNearRight = x > frame.right - 60; // CSS pixels: the name stands left of the line
    group.append(
      element("line", { class: "limit", x1: x, x2: x, y1: frame.top - 10, y2: frame.bottom }),
      element("text", { class: "limit", x: isNearRight ? x - 5 : x + 5, y: frame.top - 1, "text-anchor": isNearRight ? "end" : "start" }, line.name),
    );
  }
  return group;
}

const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`).join("");

function fitPoints({ fit }, frame) {
  const step = (frame.right - frame.left) / (fit.length - 1);
  return fit.map((height, i) => [frame.left + i * step, frame.y(height)]);
}
