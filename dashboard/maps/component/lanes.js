// Below the time line: one lane per patient beside the first, with what was seen.

import { element } from "./timeline.js";

const LANE_PX = 7;

export function buildLanes(map) {
  const { others = [], seconds, meetings = [] } = map.data.timeline;
  map.root.style.setProperty("--lanes", `${others.length * LANE_PX + (others.length ? 4 : 0)}px`);
  if (!others.length) return [];
  const box = element("div", { className: "lanes" });
  for (const { name, colour, sightings } of others) {
    const lane = element("div", { className: "lane", title: name });
    for (const { t0, t1, label } of sightings) {
      const mark = element("i", { title: label });
      mark.style.background = colour;
      mark.style.left = `${(t0 / seconds) * 100}%`;
      mark.style.width = `max(3px, ${((t1 - t0) / seconds) * 100}%)`;
      lane.append(mark);
    }
    box.append(lane);
  }
  for (const { t0, t1 } of meetings) {
    const line = element("span", { className: "met-line" });
    line.style.left = `${((t0 + t1) / 2 / seconds) * 100}%`;
    box.append(line);
  }
  return [box];
}
