// Run in the page before its scripts: records when a gesture ends, and when new numbers, outlines and "saved" appear.
// All times are those of performance.now(), in ms.
(() => {
  const probe = { gesture: 0, numbers: 0, shown: 0, chosen: 0, saved: 0, told: 0, saving: "", drawn: 0, painted: 0, view: null, gaps: [], measured: 0 };
  const now = () => performance.now();
  const seen = (node, heard, how = { childList: true, attributes: true }) => new MutationObserver(heard).observe(node, how);
  for (const name of ["pointerup", "keydown"]) addEventListener(name, (event) => (probe.gesture = event.timeStamp), true);

  // The numbers are on the screen once the frame after their change was drawn.
  const frame = () => requestAnimationFrame(() => setTimeout(() => (probe.shown = now())));
  probe.watch = (page) => {
    seen(page.querySelector(".sentence [data-number=n_kept]"), () => ([probe.numbers] = [now(), frame()]));
    seen(page.querySelector("[data-readout]"), () => (probe.chosen = probe.told = now()));
    const saved = page.querySelector("[data-saved]");
    seen(saved, () => ((probe.saving = saved.dataset.saved) === "saved" ? (probe.saved = now()) : 0));
    probe.saving = saved.dataset.saved;
    const state = page.querySelector(".result-page");
    seen(state, () => state.classList.contains("stale") || (probe.measured = now()), { attributes: true });
  };
  // evaluate() may wait for these; Playwright's own waiting needs eval, which our content-security policy forbids.
  const states = {
    drawn: () => probe.view && probe.drawn,
    chosen: () => probe.chosen > probe.gesture,
    seen: () => probe.shown > probe.numbers && probe.numbers > probe.gesture,
    settled: () => states.seen() && probe.saved > probe.gesture && probe.drawn > probe.numbers,
  };
  const refused = () => probe.told > probe.gesture && probe.numbers < probe.gesture && now() - probe.told > 200 && probe.saving === "saved";
  states.measured = () => probe.saved > probe.gesture && probe.measured > probe.saved;
  states.answered = () => states.settled() || refused();
  probe.is = states;
  probe.until = async (state) => {
    for (const end = now() + 30_000; !states[state](); ) {
      if (now() > end) throw new Error(`waited in vain until ${state}`);
      await new Promise((resolve) => setTimeout(resolve, 4));
    }
  };

  // The visible part of the image, from the transformation of the picture's canvas.
  const { setTransform } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.setTransform = function transform(...to) {
    const [scale, , , , x, y] = to;
    if (this.canvas.closest?.("#viewer") && (x || y || scale !== 1)) [probe.view, probe.painted, probe.drawn] = [{ scale, x: -x / scale, y: -y / scale }, probe.painted + 1, now()];
    return setTransform.apply(this, to);
  };

  probe.frames = (on) => {
    let last = 0;
    probe.counting = on;
    const next = (at) => {
      if (last) probe.gaps.push(at - last);
      last = at;
      if (probe.counting) requestAnimationFrame(next);
    };
    if (on) [probe.gaps, probe.painted] = [[], 0];
    if (on) requestAnimationFrame(next);
  };
  globalThis.probe = probe;
})();
