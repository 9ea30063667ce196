// The table of objects on the page of a result: sorted by any column, filtered. Only the rows in view are built.

import { element } from "./dom.js";

const SPARE_ROWS = 25; // rows that are built above and below those in view
const GUESSED_HEIGHT_PX = 33; // px, the height of a row until one was measured

export class ParticleList {
  // page: a ResultPage (viewer.js); choose(particle) is called when a row is chosen.
  constructor(section, page, choose) {
    this.table = section.querySelector("table.particles");
    this.body = this.table.querySelector("tbody");
    this.scroller = section.querySelector(".table-box");
    this.shown = section.querySelector("[data-shown]");
    const { data } = page;
    Object.assign(this, { page, choose, particles: data.particles });
    this.order = sorted(data.particles, "state"); // counted objects first
    this.visible = this.order;
    this.rowHeight = GUESSED_HEIGHT_PX;
    this.selected = null;
    this.offer(data);
    const all = section.querySelector("[data-all-shapes]");
    all.hidden = !this.heads.some((head) => "more" in head.dataset && data.particles[0]?.[head.dataset.key] !== undefined);
    all.addEventListener("change", (event) => {
      this.offer(data, event.target.checked);
      this.fill();
    });
    for (const head of this.heads) head.addEventListener("click", () => this.sort(head));
    this.body.addEventListener("click", (event) => this.clicked(event));
    this.body.addEventListener("keydown", (event) => this.key(event));
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    const copy = section.querySelector("[data-copy]"); // copying.js copies its data-copy
    copy.hidden = false;
    copy.addEventListener("click", () => (copy.dataset.copy = this.text()));
    new ResizeObserver(() => this.fill()).observe(this.scroller);
    this.show(() => true);
  }

  // The visible rows as text for a spreadsheet: columns parted by tabs, numbers without commas for thousands.
  text() {
    const titles = this.heads.filter((head) => !head.hidden).map((head) => head.textContent.replace(/\u00ad/g, "").trim());
    const lines = this.visible.map((particle) => [...this.row(particle, 0).cells].map((box) => box.textContent.replace(/(\d),(?=\d{3})/g, "$1")));
    return [titles, ...lines].map((line) => line.map((words) => words.replace(/\s+/g, " ")).join("\t")).join("\n");
  }

  // Hides columns that this kind of analysis does not have; `all`: the further columns of shape are shown, too.
  offer(data, all = false) {
    const [first] = data.particles;
    for (const unit of this.table.querySelectorAll("[data-unit]")) unit.textContent = data.length_unit;
    this.heads = [...this.table.querySelectorAll("th[data-key]")];
    const has = (key) => (key === "state" ? first.class === undefined || data.particles.some((each) => !each.kept) : first[key] !== undefined);
    for (const head of this.heads) head.hidden = first ? !has(head.dataset.key) || (!all && "more" in head.dataset) : head.dataset.key === "class";
    this.keys = this.heads.filter((head) => !head.hidden).map((head) => head.dataset.key);
    this.table.setAttribute("aria-colcount", this.keys.length);
  }

  clicked(event) {
    const row = event.target.closest("tr[data-id]");
    if (row) this.choose(row.particle);
  }

  key(event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const row = event.target.closest("tr[data-id]");
    if (!step || !row) return;
    event.preventDefault();
    const next = this.visible[this.visible.indexOf(row.particle) + step];
    if (!next) return;
    this.choose(next);
    this.focus(String(next.id));
  }

  // Replaces the objects; the chosen order stays.
  replace(particles) {
    this.particles = particles;
    const head = this.heads.find((each) => each.hasAttribute("aria-sort"));
    this.order = sorted(particles, head?.dataset.key ?? "state", head?.getAttribute("aria-sort") === "descending");
    this.show(this.wanted);
  }

  // ---- order and filter -------------------------------------------------------------------------

  sort(head) {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of this.heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    this.order = sorted(this.order, head.dataset.key, down);
    this.scroller.scrollTop = 0;
    this.show(this.wanted);
  }

  show(wanted) {
    this.wanted = wanted;
    this.visible = this.order.filter(wanted);
    this.table.setAttribute("aria-rowcount", this.visible.length + 1);
    this.shown.textContent = countLine(this.visible.length, this.particles.length, this.table.dataset.thing);
    this.fill();
  }

  // ---- the rows in sight ------------------------------------------------------------------------

  scrolled() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = 0;
      const { from, to } = this.sight(0);
      if (from < this.from || to > this.to) this.fill();
    });
  }

  sight(spare) {
    const { scrollTop, clientHeight } = this.scroller;
    return rowsInView(scrollTop, clientHeight, this.rowHeight, this.visible.length, spare);
  }

  fill() {
    Object.assign(this, this.sight(SPARE_ROWS));
    const focused = this.body.contains(document.activeElement) ? document.activeElement.closest("tr").dataset.id : null;
    const rows = this.visible.slice(this.from, this.to).map((particle, i) => this.row(particle, this.from + i));
    this.body.replaceChildren(...this.gap(this.from), ...rows, ...this.gap(this.visible.length - this.to));
    if (focused) this.focus(focused);
    this.measure(rows);
  }

  // The true height of a row is known once one stands in the page.
  measure(rows) {
    if (rows.length < 2) return;
    const height = (rows[rows.length - 1].offsetTop - rows[0].offsetTop) / (rows.length - 1);
    if (height < 1 || Math.abs(height - this.rowHeight) < 0.01) return;
    this.rowHeight = height;
    this.fill();
  }

  // One empty row as high as `count` rows that are not built.
  gap(count) {
    if (count <= 0) return [];
    const box = element("td", { className: "gap", colSpan: this.keys.length });
    box.style.height = `${count * this.rowHeight}px`;
    return [element("tr", { "aria-hidden": "true" }, box)];
  }

  focus(id) {
    const button = this.body.querySelector(`tr[data-id="${id}"] button`);
    (button ?? this.scroller).focus({ preventScroll: true });
  }

  // Marks the row of a particle and brings it into sight; the page itself stays where it is.
  select(particle) {
    this.selected = particle;
    const index = particle ? this.visible.indexOf(particle) : -1;
    if (index >= 0 && !this.isInSight(index)) {
      this.scroller.scrollTop = (index + 0.5) * this.rowHeight - this.scroller.clientHeight / 2;
      this.fill();
    }
    for (const row of this.body.children) {
      if (row.dataset.id) row.setAttribute("aria-selected", String(row.dataset.id === String(particle?.id)));
    }
  }

  isInSight(index) {
    const head = this.table.tHead.offsetHeight;
    const top = index * this.rowHeight - this.scroller.scrollTop;
    return top >= 0 && top + this.rowHeight + head <= this.scroller.clientHeight;
  }

  row(particle, index) {
    const row = element("tr", { particle, "data-id": particle.id, "aria-rowindex": index + 2, "aria-selected": particle === this.selected });
    for (const key of this.keys) {
      const box = CELLS[key]?.(particle) ?? cell(this.page.valueText(particle, key), key === "shape" ? "" : "number");
      box.dataset.key = key; // the style sheet hides some columns on narrow screens
      row.append(box);
    }
    return row;
  }
}

const CELLS = {
  id: ({ id }) => cell(element("button", { type: "button", "aria-label": `Show ${id} in the picture` }, id), "number"),
  class: (particle) => cell(particle.class, ""),
  state: (particle) => cell(particle.kept ? (particle.byHand ? "checked" : particle.cut ? "counted, no size" : "counted") : particle.reason, particle.kept ? "" : "aside"),
};

const cell = (content, look) => element("td", { className: look }, content);

// The particles sorted by a column, then by id; unknown values count as the smallest. down: the largest first.
export function sorted(particles, key, down) {
  const value = key === "state" ? (particle) => particle.reason ?? "" : (particle) => particle[key];
  const way = down ? -1 : 1;
  return [...particles].sort((a, b) => way * compare(value(a), value(b)) || a.id - b.id);
}

const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : (a ?? -1) - (b ?? -1));

// The range of rows [from, to) that a box scrolled to `top` shows, with `spare` more rows on both sides. count: all
// rows.
export function rowsInView(top, height, rowHeight, count, spare) {
  const first = Math.floor(top / rowHeight);
  const many = Math.ceil(height / rowHeight) + 1;
  const to = Math.min(count, first + many + spare);
  return { from: Math.min(Math.max(0, first - spare), to), to };
}

// How many rows are visible, in words. It says rows, as objects that are left out have a row, too.
export function countLine(some, all, thing = "particle") {
  if (!all) return `No ${thing} was found.`;
  return some ? `${some} of ${all} rows` : `None of ${all} rows matches.`;
}
