// Dashed lines: each path is cut into pieces of equal length on the screen.

const DASH_PX = 9;
const SHARE = 0.58; // of a period that is drawn
const MOST = 600; // pieces of one path
const EARTH_M = 40075016.686; // circumference at the equator, WGS84
const TILE = 512;

// Metres of one period at this view, in steps of half a zoom level.
export function dashMetres({ latitude, zoom }) {
  const step = Math.round(zoom * 2) / 2;
  const around = EARTH_M * Math.cos((latitude * Math.PI) / 180);
  return (DASH_PX / SHARE) * (around / (TILE * 2 ** step));
}

export function dashes(rows, period) {
  return rows.flatMap((row) => {
    const places = measured(row.path);
    const total = places[places.length - 1];
    const number = Math.max(1, Math.min(MOST, Math.round(total / period)));
    const step = total / (number - 1 + SHARE); // begins and ends with a dash
    return Array.from({ length: number }, (_, index) => ({
      ...row,
      path: piece(row.path, places, index * step, index * step + step * SHARE),
    }));
  });
}

// Metres along the path at each vertex (equirectangular: fine within a city).
function measured(path) {
  const places = [0];
  for (let index = 1; index < path.length; index += 1) {
    const [a, b] = [path[index - 1], path[index]];
    const shrink = Math.cos((a[1] * Math.PI) / 180);
    const [x, y] = [(b[0] - a[0]) * shrink, b[1] - a[1]];
    places.push(places[index - 1] + (Math.hypot(x, y) * EARTH_M) / 360);
  }
  return places;
}

function piece(path, places, from, to) {
  const inner = path.filter((_, index) => places[index] > from && places[index] < to);
  return [along(path, places, from), ...inner, along(path, places, to)];
}

function along(path, places, metres) {
  let index = 1;
  while (index < path.length - 1 && places[index] < metres) index += 1;
  const span = places[index] - places[index - 1] || 1;
  const share = Math.min(1, Math.max(0, (metres - places[index - 1]) / span));
  const [a, b] = [path[index - 1], path[index]];
  return [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share];
}
