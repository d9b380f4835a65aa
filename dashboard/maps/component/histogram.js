// Activity under the time line: person-seconds of exposure, and passes where none is.

import { element } from "./timeline.js";

const BINS = 96;

export function buildHistogram(map) {
  const { timeline, texts, spec } = map.data;
  const seconds = timeline.seconds || 1;
  const layer = JSON.parse(spec).layers.find((each) => each.id === "heat");
  const heat = Array.isArray(layer?.data) ? layer.data : [];
  const exposure = heat.map(({ t0, t1, w }) => ({ t0, t1, w }));
  const passes = timeline.sightings.map(({ t0, t1 }) => ({ t0, t1, w: t1 - t0 }));
  const rows = exposure.length ? exposure : passes;
  const bins = new Array(BINS).fill(0);
  for (const { t0, t1, w } of rows) {
    const first = Math.max(0, Math.floor((t0 / seconds) * BINS));
    const last = Math.min(BINS - 1, Math.floor((t1 / seconds) * BINS - 1e-9));
    const share = w / Math.max(last - first + 1, 1);
    for (let bin = first; bin <= Math.max(first, last) && bin < BINS; bin += 1) {
      bins[bin] += share;
    }
  }
  const most = Math.max(...bins, 1e-9);
  const label = exposure.length ? texts.activity : texts.activity_passes;
  const box = element("div", {
    className: "histogram",
    role: "img",
    ariaLabel: label,
    title: label,
  });
  for (const value of bins) {
    const bar = element("i", {});
    // Roots, so that one crowd does not hide the rest.
    bar.style.height = value > 0 ? `${Math.max(8, 100 * Math.sqrt(value / most))}%` : "0";
    box.append(bar);
  }
  return {
    box,
    show([from, to]) {
      [...box.children].forEach((bar, index) => {
        const at = ((index + 0.5) / BINS) * seconds;
        bar.classList.toggle("outside", at < from || at > to);
      });
    },
  };
}
