// The zoom at which a box fills a part of the screen (Web Mercator, tiles of 512 px).

export const TILE = 512;

export function zoomOf([west, south, east, north], width, height) {
  const y = (lat) => Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360));
  const wide = Math.max((east - west) / 360, 1e-7);
  const tall = Math.max((y(north) - y(south)) / (2 * Math.PI), 1e-7);
  return Math.min(Math.log2(width / TILE / wide), Math.log2(height / TILE / tall));
}
