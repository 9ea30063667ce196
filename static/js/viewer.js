// The interactive result: the micrograph with its outlines, the histogram and the table, all of the same particles.

import { Histogram } from "./chart.js";
import { Cuts, control, cutWords, listed } from "./cuts.js";
import { bareWhileHeld, sliders } from "./display.js";
import { Chips, Choice } from "./viewer-choice.js";
import { chooseColours, chooseShape } from "./viewer-colours.js";
import { Drawing } from "./viewer-drawing.js";
import { ParticleList, shownLengths } from "./viewer-table.js";

const section = document.getElementById("viewer");
const listing = document.getElementById("table"); // not where nothing was found, or the image is of another kind
const chart = document.getElementById("histogram"); // not of a few particles

async function outlines(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`outlines: ${answer.status}`);
  const data = await answer.json();
  return { ...data, cuts: listed(data.cuts) };
}

// In the words of the kind of analysis, of what it measured: sizes of particles, the class and area of a region.
function sentence(object, { unit, said }) {
  const { min_feret: least, area, confidence } = object;
  const length = (words, key) => `${words} ${said(object, key)} ${unit}`;
  const facts = Number.isFinite(least) ? [length("minimum Feret", "min_feret"), length("ECD", "ecd")] : [];
  const sizeHead = listing?.querySelector("th[data-own]"); // the size of a kind of analysis that others do not have
  if (sizeHead && Number.isFinite(object[sizeHead.dataset.key])) facts.unshift(length(sizeHead.dataset.own, sizeHead.dataset.key));
  if (!facts.length && Number.isFinite(area)) facts.push(`${length("area", "area")}²`);
  if (Number.isFinite(confidence)) facts.push(`confidence ${confidence.toFixed(2)}`);
  const description = [object.class, ...facts].filter(Boolean).join(", ");
  return `${section.dataset.thing ?? "Particle"} ${object.id}: ${description}; ${object.kept ? (object.cut ? "counted, has no size: touches the frame" : "counted") : `left out: ${object.reason}. ${meaning(object.reason)}`}`;
}

const meaning = (reason) => [...listing.querySelectorAll("[data-state]")].find((chip) => chip.dataset.state === reason)?.title ?? "";

// Dashed lines over the outlines, where there are any; the form names those that are shown.
function possibleCuts(drawing, list) {
  const cuts = new Cuts(list);
  drawing.overlay = (context, scale) => cuts.paint(context, scale);
  const places = section.querySelector("[data-cuts-places]");
  const changed = () => {
    if (places) places.value = cuts.shown.map(({ place }) => place).join(" ");
    drawing.draw();
  };
  if (list.length) control(section.querySelector("[data-cuts]"), cuts, changed);
  return cuts;
}

function start(drawing, canvas, data, choice, unchoose) {
  const readout = section.querySelector("[data-readout]");
  const hint = readout.textContent;
  const lengths = shownLengths(data);
  const cuts = possibleCuts(drawing, data.cuts);
  let [selected, pointed, quiet] = [null, null, hint];

  const describe = (particle) => {
    pointed = particle;
    const object = particle ?? selected;
    readout.textContent = cuts.pointed ? `${cutWords(cuts.pointed, section.dataset.thing.toLowerCase())}.` : object ? sentence(object, lengths) : quiet;
    readout.classList.toggle("told", readout.textContent !== hint);
  };
  const select = (particle, { centre = false } = {}) => {
    selected = particle;
    drawing.select(particle, centre);
    list.select(particle);
    describe(particle);
  };
  const pointAt = (point) => (cuts.pointed = point ? cuts.near(point, drawing.viewport.view.scale) : null);
  const look = (particle) => {
    select(particle, { centre: true });
    section.scrollIntoView({ block: "nearest" });
  };
  const list = new ParticleList(listing, data, look);
  drawing.heard = {
    hover: (particle, point) => {
      const before = cuts.pointed;
      if (pointAt(point) !== before) drawing.draw();
      drawing.point(particle);
      canvas.classList.toggle("over", particle !== null);
      describe(particle);
    },
    tap: (particle, point) => {
      pointAt(point);
      select(particle);
    },
    numbers: (written, of) => {
      const note = written < of ? `${written} of ${of} numbers have room here: zoom in for the others.` : hint;
      if (note === quiet) return;
      quiet = note;
      describe(pointed);
    },
  };
  canvas.addEventListener("keydown", (event) => event.key === "Escape" && select(null));
  smallPictures(data, lengths, drawing, list, look);
  new Chips(listing, (hidden) => choice.hide(hidden));
  follow(choice, drawing, list, unchoose, () => selected && !choice.holds(selected) && select(null));
  for (const box of section.querySelectorAll("[data-layer]")) {
    drawing.layers[box.dataset.layer] = box.checked;
    box.addEventListener("change", () => drawing.layer(box.dataset.layer, box.checked));
  }
}

// The small pictures of some particles come when their tab is opened; a mark on one changes picture, table and answer.
function smallPictures(data, lengths, drawing, list, look) {
  if (!listing.querySelector("[data-sheet]")) return;
  const changed = () => {
    drawing.gather();
    drawing.draw();
    list.replace(data.particles);
  };
  const module = () => import("./contact-sheet.js");
  const { size } = listing.dataset;
  if (Number(section.dataset.corrections)) module().then(({ follow }) => follow(data.particles, data, size, lengths));
  const opened = new IntersectionObserver((entries) => {
    if (!entries.some((each) => each.isIntersecting)) return;
    opened.disconnect();
    module().then(({ ContactSheet }) => new ContactSheet(listing, data, { drawing, lengths, tiles: section.dataset.tiles, heard: { look, changed } }));
  }, { rootMargin: "600px" });
  opened.observe(listing);
}

function zooming(canvas, viewport) {
  canvas.addEventListener("dblclick", (event) => viewport.zoom(2, viewport.place(event)));
  const zoom = { in: () => viewport.closer(), out: () => viewport.farther(), fit: () => viewport.fit() };
  for (const button of section.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", zoom[button.dataset.zoom]);
  }
}

// What fills the screen is the stage with its tools; where a browser refuses, as on iPhones, it fills the window.
function fullScreen(stage) {
  const button = stage.querySelector("[data-fullscreen]");
  const show = (on) => {
    stage.classList.toggle("whole", on);
    button.setAttribute("aria-pressed", String(on));
  };
  button.addEventListener("click", () => {
    const on = !stage.classList.contains("whole");
    show(on);
    if (on) stage.requestFullscreen?.().catch(() => {});
    else if (document.fullscreenElement) document.exitFullscreen();
  });
  document.addEventListener("fullscreenchange", () => document.fullscreenElement || show(false));
  stage.addEventListener("keydown", (event) => event.key === "Escape" && show(false));
}

// A reason or a warning elsewhere on the page: the outlines it means, by their reason or their numbers, stand out while
// it is pointed at, and stay so by a click.
function lights(drawing, choose) {
  for (const link of document.querySelectorAll("[data-lights]")) {
    const { lights: reason, ids = "" } = link.dataset;
    const meant = new Set(ids.split(",").filter(Boolean).map(Number));
    const stands = (particle) => meant.has(particle.id) || (reason !== "" && particle.reason === reason);
    for (const event of ["pointerenter", "focus"]) link.addEventListener(event, () => drawing.light(stands));
    for (const event of ["pointerleave", "blur"]) link.addEventListener(event, () => drawing.light(null));
    link.addEventListener("click", () => {
      choose(stands, reason ? `those left out as ${reason}` : "what the warning means");
      section.scrollIntoView({ block: "nearest" });
    });
  }
}

function follow(choice, drawing, list, unchoose, release) {
  const only = section.querySelector("[data-chosen]");
  const show = () => {
    release();
    drawing.show(choice.hidden, choice.stands);
    list.show((particle) => choice.holds(particle));
    only.hidden = choice.stands === null;
    only.querySelector("span").textContent = `Only ${choice.words}.`;
  };
  only.querySelector("button").addEventListener("click", unchoose);
  choice.listener = show;
  show();
}

// The outlines with the corrections that were stored and not measured yet, where there are any.
async function corrected(data) {
  if (!Number(section.dataset.corrections)) return { ...data, particles: data.particles.map((each) => ({ ...each })) };
  const { asTheyStand } = await import("./editor/objects.js");
  return asTheyStand(document.getElementById("editor").content.firstElementChild.dataset, data).catch(() => {
    warn("The corrected outlines could not be loaded: the picture shows those before the corrections.");
    return data;
  });
}

// The editor comes when it is asked for.
function correcting(data) {
  const [button, template] = [section.querySelector("[data-correct]"), document.getElementById("editor")];
  // The page was loaded anew while the editor was open: the way back does not stop at an editor that is closed.
  if (history.state?.editor) addEventListener("popstate", () => document.querySelector("dialog.editor") || history.back(), { once: true });
  button?.addEventListener("click", async () => {
    button.disabled = true;
    const { open } = await import("./editor/editor.js");
    await open(section, data, template);
    button.disabled = false;
  });
  if (location.hash !== "#correct" || !button) return;
  history.replaceState(null, "", location.pathname); // closed, the editor stays so
  button.click();
}

function warn(sentence) {
  section.append(Object.assign(document.createElement("p"), { className: "notice", textContent: sentence }));
}

async function begin() {
  const choice = new Choice();
  const histogram = chart && new Histogram(chart, (stands, words) => choice.choose(stands, words));
  const canvas = section.querySelector("canvas");
  const data = await outlines(section.dataset.outlines);
  correcting(data);
  for (const part of document.querySelectorAll("[data-viewer], [data-chips]")) part.hidden = false;
  const seen = await corrected(data);
  const drawing = new Drawing(canvas, seen, section.dataset.tiles);
  zooming(canvas, drawing.viewport);
  sliders(section.querySelector("[data-display]"), () => drawing.draw());
  bareWhileHeld(canvas, (on) => drawing.hide(on));
  fullScreen(section.querySelector(".stage-box"));
  const choose = (stands, words) => {
    unchoose();
    choice.choose(stands, words);
  };
  const anyShape = listing ? chooseShape(listing, seen.particles, choose) : () => {};
  const unchoose = () => {
    histogram?.pick(null);
    anyShape();
    choice.choose(null, "");
  };
  chooseColours(section, drawing, seen.particles, shownLengths(seen), (key, of) => histogram?.colour(key, of));
  lights(drawing, choose);
  if (listing) start(drawing, canvas, seen, choice, unchoose);
  else Object.assign(drawing.layers, { outlines: false, aside: false });
  await drawing.load(section.dataset.image);
}

// A page that the browser kept as it was left shows corrections that were measured since.
addEventListener("pageshow", ({ persisted }) => persisted && document.getElementById("editor") && location.reload());

if (section.dataset.image && section.dataset.outlines) begin().catch(() => warn("The zoomable image could not be loaded. Reload the page; the figure and the size file are not affected."));
