// Light and dark ground under a map; the choice is the browser's and is kept there.

const KEY = "dongseon-map-theme";
// Layer -> its fill, line and text on dark ground (light is what Python declared).
const DARK = {
  "base-neighbours": { getFillColor: [15, 20, 28], getLineColor: [51, 62, 77] },
  "base-boundary": { getFillColor: [30, 38, 50], getLineColor: [120, 135, 155] },
  "base-dong": { getLineColor: [62, 74, 92] },
  "base-gu": { getLineColor: [120, 135, 155] },
  "base-roads": {
    getLineColor: [52, 63, 79],
    getTextColor: [168, 181, 199],
    getTextBackgroundColor: [30, 38, 50, 235],
  },
  "base-names": { getColor: [168, 181, 199, 235] },
  anchors: { getLineColor: [192, 132, 252], getFillColor: [192, 132, 252, 45] },
  "anchor-labels": { getColor: [216, 180, 254] },
  meetings: { getLineColor: [248, 250, 252], getFillColor: [17, 24, 39, 80] },
  sightings: { getFillColor: [72, 112, 228] },
  "sighting-labels": { getBackgroundColor: [72, 112, 228] },
};

export function isDark() {
  return read() === "dark";
}

export function keep(dark) {
  try {
    localStorage.setItem(KEY, dark ? "dark" : "light");
  } catch {
    // Kept for this page only.
  }
}

// The layer as it is to be on this ground; `declared` is what Python gave.
export function themed(layer, declared, dark) {
  const changes = DARK[layer.id];
  if (!changes) return layer;
  const names = Object.keys(changes);
  const props = Object.fromEntries(
    names.map((name) => [name, dark ? changes[name] : declared.props[name]]),
  );
  if (names.every((name) => same(layer.props[name], props[name]))) return layer;
  const updateTriggers = Object.fromEntries(names.map((name) => [name, dark]));
  return layer.clone({ ...props, updateTriggers });
}

function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

function read() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}
