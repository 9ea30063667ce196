// Offers to make the last corrections also for similar objects, in this image and in the other images of the sample.
// The server finds them; a person accepts or declines.

import { PAGE, json } from "./calls.js";
import { element, pause } from "../dom.js";
import { crop } from "../extremes.js";
import { Picture } from "../picture.js";
import { tokenOf } from "../token.js";
import { prepare } from "../viewer-drawing.js";

const MOST_TRIES = 15; // tries, one a second, while the server is busy

export class Offer {
  // box: the element of the offer, over the lower edge of the picture.
  constructor(editor, box) {
    Object.assign(this, { editor, page: editor.page, box, offer: null, others: [] });
    this.declined = new Set(); // corrected objects whose offer was declined
    for (const [name, act] of Object.entries({ show: () => this.show(), take: () => this.take(), leave: () => this.leave(), everywhere: () => this.everywhere() })) {
      this.one(name).addEventListener("click", act);
    }
    this.one("elsewhere").addEventListener("toggle", () => this.draw());
  }

  // The element of the offer with the attribute data-offer-NAME.
  one(name) {
    return this.box.querySelector(`[data-offer-${name}]`);
  }

  // Shows the offer in the server's answer to the last correction; null: there is none.
  async changed(offer) {
    const isDeclined = offer?.examples.some((each) => this.declined.has(each));
    this.offer = isDeclined ? null : offer;
    this.others = [];
    this.render("");
    const address = this.page.facts.elsewhere;
    if (!this.offer || !address) return;
    const answer = await json(address, { headers: PAGE, cache: "no-store" }).catch(() => null); // then only this image has an offer
    if (!answer || this.offer !== offer) return; // somebody corrected further
    this.others = answer.others;
    this.render(answer.question);
  }

  render(elsewhere) {
    const { offer, others } = this;
    const count = offer?.ids.length ?? 0;
    this.box.hidden = !count && !others.length;
    if (this.box.hidden) return;
    this.one("question").textContent = offer.question;
    this.one("take").textContent = offer.answer;
    [this.one("show").hidden, this.one("take").hidden] = [!count, true];
    const details = this.one("elsewhere");
    [details.hidden, details.open] = [!others.length, false];
    details.querySelector("summary").textContent = elsewhere;
    this.crops = others.flatMap((image) => this.cropsOf(image));
    this.one("crops").replaceChildren(...this.crops.map(({ figure }) => figure));
  }

  cropsOf({ name, page, width, height, picture: address, tiles, shown }) {
    const picture = new Picture({ columns: width, rows: height, tiles }, () => this.draw());
    const load = () => picture.load(address).then(() => this.draw(), () => {});
    return shown.map((object, i) => {
      const canvas = element("canvas");
      const caption = element("figcaption", {}, element("a", { href: page, target: "_blank" }, name));
      return { canvas, picture, particle: prepare(object), load: i ? () => {} : load, figure: element("figure", {}, canvas, caption) };
    });
  }

  // Pictures are fetched once somebody wants to see them.
  draw() {
    if (!this.one("elsewhere").open) return;
    for (const each of this.crops) {
      each.load();
      each.load = () => {};
      crop(each.canvas, each.particle, each.picture);
    }
  }

  // ---- answers ----------------------------------------------------------------------------------

  show() {
    const { page, offer } = this;
    page.select(offer.ids.filter((id) => page.objects.has(id)));
    page.drawing.viewport.fit();
    // Similar objects may be right nevertheless: a person sees them before the button that accepts appears.
    [this.one("show").hidden, this.one("take").hidden] = [true, false];
    this.one("take").focus({ preventScroll: true });
  }

  leave() {
    for (const each of this.offer.examples) this.declined.add(each);
    this.settle();
  }

  settle() {
    [this.offer, this.others] = [null, []];
    this.render("");
    this.page.canvas.focus({ preventScroll: true });
  }

  take() {
    const { offer } = this;
    this.settle();
    return this.editor.run(offer.operation);
  }

  async everywhere() {
    const { others } = this;
    if (this.offer.ids.length) await this.take();
    else this.settle();
    const refused = [];
    for (const image of others) {
      this.page.say(`Correcting ${image.name} …`);
      const problem = await correctImage(image);
      if (problem) refused.push(`${image.name}: ${problem}`);
    }
    const made = others.length - refused.length;
    this.page.say("");
    this.editor.panel.notice([`Done in ${made} other image${made === 1 ? "" : "s"}: Undo of each image takes it back there.`, ...refused].join(" "));
  }
}

// Makes the offered correction in another image. Returns why it is impossible, or "".
async function correctImage({ edits, base, offer: { operation } }) {
  const headers = { ...PAGE, "Content-Type": "application/json", "X-CSRFToken": tokenOf(document) };
  for (let turns = 0; ; turns++) {
    const answer = await fetch(edits, { method: "POST", headers, body: JSON.stringify({ base, operations: [operation] }) }).catch(() => null);
    if (answer?.ok) return "";
    if (answer?.status !== 429 || turns === MOST_TRIES) return (await answer?.json().catch(() => null))?.error ?? "the server does not answer.";
    await pause(1000); // other corrections are being made
  }
}
