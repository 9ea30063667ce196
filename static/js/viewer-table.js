// The table of particles beside the picture: sorted by any column, a hundred rows at a time.

import { digits } from "./width.js";

const BATCH = 100;

export class ParticleList {
  constructor(section, data, choose) {
    this.body = section.querySelector("tbody");
    this.scroller = section.querySelector(".table-box");
    this.more = section.querySelector("[data-more]");
    this.shown = section.querySelector("[data-shown]");
    this.heads = [...section.querySelectorAll("th[data-key]")];
    this.choose = choose;
    this.order = [...data.particles];
    this.count = BATCH;
    this.selected = null;
    for (const unit of section.querySelectorAll("[data-unit]")) unit.textContent = data.unit;
    for (const head of this.heads) head.addEventListener("click", () => this.sort(head));
    this.more.addEventListener("click", () => this.grow(this.count + BATCH));
    this.body.addEventListener("click", (event) => this.clicked(event));
    this.fill();
  }

  clicked(event) {
    const row = event.target.closest("tr[data-id]");
    if (row) this.choose(this.order.find((particle) => String(particle.id) === row.dataset.id));
  }

  sort(head) {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of this.heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = valueOf(head.dataset.key);
    const way = down ? -1 : 1;
    this.order.sort((a, b) => way * compare(value(a), value(b)) || a.id - b.id);
    this.fill();
  }

  grow(count) {
    this.count = count;
    this.fill();
  }

  fill() {
    const rows = this.order.slice(0, this.count).map((particle) => rowOf(particle, particle === this.selected));
    this.body.replaceChildren(...rows);
    const left = this.order.length - rows.length;
    this.more.hidden = left <= 0;
    this.more.textContent = `Show ${Math.min(BATCH, left)} more`;
    this.shown.textContent = this.order.length ? `${rows.length} of ${this.order.length} particles` : "No particle was found.";
  }

  // Marks the row of a particle, brings it into the list and into sight; the page itself stays where it is.
  select(particle) {
    this.selected = particle;
    if (particle) {
      const place = this.order.indexOf(particle);
      if (place >= this.count) this.grow(Math.ceil((place + 1) / BATCH) * BATCH);
    }
    for (const row of this.body.children) row.setAttribute("aria-selected", String(row.dataset.id === String(particle?.id)));
    const row = this.body.querySelector("[aria-selected=true]");
    if (row) this.scroller.scrollTop = row.offsetTop - this.scroller.clientHeight / 2;
  }
}

function rowOf(particle, selected) {
  const row = document.createElement("tr");
  row.dataset.id = particle.id;
  row.setAttribute("aria-selected", String(selected));
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = particle.id;
  button.setAttribute("aria-label", `Show particle ${particle.id}`);
  row.append(
    cell(button, "number"),
    cell(digits(particle.min_feret, 3), "number"),
    cell(digits(particle.ecd, 3), "number"),
    cell(particle.kept ? "kept" : particle.reason, particle.kept ? "" : "aside"),
  );
  return row;
}

function cell(content, look) {
  const box = document.createElement("td");
  box.className = look;
  box.append(content);
  return box;
}

const valueOf = (key) => (key === "state" ? (particle) => (particle.kept ? "" : particle.reason) : (particle) => particle[key]);

const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
