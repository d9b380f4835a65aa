// Contact exposure: records of the selected time summed by cell, on a fixed scale, so
// that a colour means the same number of person-seconds at every moment of a playback.

// Person-seconds from which a colour begins.
export const STEPS = [0, 10, 60, 300];
export const COLOURS = [
  [254, 204, 92, 215],
  [253, 141, 60, 220],
  [227, 26, 28, 220],
  [128, 0, 38, 225],
];

// What the page may say otherwise: from which amounts colours begin, in which digits an
// amount is told, and that while playing only the moment's own records are summed.
export function measure({ timeline }) {
  return { steps: STEPS, digits: 0, moment: false, ...timeline.heat };
}

// All cells that records carry: number of the cell -> its outline and name.
export function outlines(rows) {
  return new Map(rows.filter((row) => row.outline).map((row) => [row.k, row]));
}

export function cells(rows, rings, { steps, digits }, texts) {
  const sums = new Map();
  for (const { k, w } of rows) sums.set(k, (sums.get(k) ?? 0) + w);
  return [...sums].map(([k, amount]) => ({
    polygon: rings.get(k).outline,
    c: COLOURS[steps.findLastIndex((least) => amount >= least)],
    tip: [
      rings.get(k).label ?? texts.heat,
      texts.heat_seconds.replace("{number}", amount.toFixed(digits)),
    ],
  }));
}

// The scale, for the legend.
export function scale(texts) {
  const names = [texts.heat_step0, texts.heat_step1, texts.heat_step2, texts.heat_step3];
  return names.map((name, index) => ({
    name,
    colour: `rgb(${COLOURS[index].slice(0, 3).join(" ")})`,
  }));
}
