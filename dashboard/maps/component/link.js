// The view in the page's address: shares of the trace's own time and box, never a
// place, a moment, a case or a person. Whoever has no right to the trace learns
// nothing from it, and on another trace it means another view. What was shown of each
// trace is kept besides while the tab is open, for coming back by the menu.

const MARK = "#view=";
let asked = false;
const kept = new Map(); // key of a map -> { told, focus }

export function keep(key, shown) {
  kept.set(key, shown);
}

export function recall(key) {
  return kept.get(key) ?? null;
}

// range and now: seconds; view: longitude, latitude, zoom; box: west, south, east, north.
export function tell({ range, now, seconds, view, box, hidden, speed }) {
  const share = (value) => (value / seconds).toFixed(4);
  const fields = [share(range[0]), share(range[1]), share(now), String(speed)];
  if (view) {
    const [west, south, east, north] = box;
    fields.push(
      ((view.longitude - west) / (east - west)).toFixed(3),
      ((view.latitude - south) / (north - south)).toFixed(3),
      (view.zoom - fitting(box)).toFixed(2),
    );
  } else {
    fields.push("", "", "");
  }
  fields.push([...hidden].sort().join("."));
  return fields.join(",");
}

export function write(told) {
  const { pathname, search } = window.location;
  history.replaceState(history.state, "", pathname + search + MARK + told);
}

// What the address said when the page was opened; it is asked once.
export function address() {
  const { hash } = window.location;
  if (asked) return null;
  asked = true;
  return hash.startsWith(MARK) ? decodeURIComponent(hash.slice(MARK.length)) : null;
}

export function read(told, { seconds, box, known }) {
  if (!told) return null;
  const fields = told.split(",");
  if (fields.length !== 8) return null;
  const [from, to, now, speed, x, y, zoom] = fields.map(Number);
  if (![from, to, now].every((one) => one >= 0 && one <= 1) || from >= to) return null;
  const [west, south, east, north] = box;
  const placed = fields[4] !== "" && [x, y, zoom].every(Number.isFinite);
  return {
    range: [from * seconds, to * seconds],
    now: Math.min(Math.max(now, from), to) * seconds,
    speed: Number.isFinite(speed) ? speed : null,
    hidden: fields[7].split(".").filter((id) => known.has(id)),
    view: placed && Math.abs(x) < 50 && Math.abs(y) < 50
      ? {
          longitude: west + x * (east - west),
          latitude: south + y * (north - south),
          zoom: Math.min(Math.max(fitting(box) + zoom, 9.5), 21),
        }
      : null,
  };
}

// A zoom that goes with the box, so that a link holds its difference only.
function fitting([west, south, east, north]) {
  return Math.log2(360 / Math.max(east - west, (north - south) * 1.3, 1e-4));
}
