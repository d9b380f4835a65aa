// The bar under the map: play, speed, the moment shown, and one time line that
// carries the range [start, end], the playhead and the sightings.

import { buildHistogram } from "./histogram.js";
import { buildLanes } from "./lanes.js";

const STEPS = 2000; // of the time line's sliders

export function buildControls(map) {
  const { texts, timeline, zone } = map.data;
  const bar = map.root.querySelector(".controls");
  bar.replaceChildren();
  const seconds = timeline.seconds || 1;
  const stamp = timeline.folded ? hours : clock(zone, timeline.start);

  const play = element("button", { className: "play", type: "button" });
  play.addEventListener("click", () => map.toggle());
  const speed = element("select", { ariaLabel: texts.speed, title: texts.speed });
  for (const factor of map.data.speeds) {
    speed.append(
      element("option", { value: factor, textContent: `${factor}×` }),
    );
  }
  speed.value = String(map.speed);
  speed.addEventListener("change", () => {
    map.speed = Number(speed.value);
  });
  const moment = element("output", { className: "moment", title: map.data.zone_label });
  const zoneName = element("span", { textContent: ` ${map.data.zone_label}` });
  moment.append(document.createTextNode(""), zoneName);
  const state = element("span", { className: "state" });
  const whole = element("button", {
    className: "plain",
    type: "button",
    textContent: texts.fit,
    title: texts.fit_help,
  });
  whole.addEventListener("click", () => map.fit(map.data.bounds));
  const [back, on] = [
    ["‹", texts.step_back, -1],
    ["›", texts.step_on, 1],
  ].map(([sign, label, way]) => {
    const button = element("button", {
      className: "plain step",
      type: "button",
      textContent: sign,
      title: label,
      ariaLabel: label,
    });
    button.addEventListener("click", () => map.stepTo(way));
    return button;
  });
  const dark = element("button", {
    className: "plain",
    type: "button",
    textContent: texts.dark,
    title: texts.dark_help,
    ariaPressed: String(map.dark),
  });
  dark.addEventListener("click", () => {
    map.setDark(!map.dark);
    dark.ariaPressed = String(map.dark);
  });
  const top = element("div", { className: "row" });
  top.append(play, back, on, speed, moment, state, whole, dark);

  const histogram = buildHistogram(map);
  const line = element("div", { className: "line" });
  const track = element("div", { className: "track" });
  for (const sighting of timeline.sightings) {
    const mark = element("span", { className: "mark", title: sighting.label });
    mark.style.left = `${(sighting.t0 / seconds) * 100}%`;
    const width = ((sighting.t1 - sighting.t0) / seconds) * 100;
    mark.style.width = `max(3px, ${width}%)`;
    mark.classList.toggle("aside", !sighting.on_path);
    track.append(mark);
  }
  const chosen = element("div", { className: "chosen" });
  const done = element("div", { className: "done" });
  track.append(chosen, done);
  const [from, to] = [texts.range_start, texts.range_end].map((label, index) =>
    slider(label, index ? "edge end" : "edge start"),
  );
  for (const meeting of timeline.meetings ?? []) {
    const mark = element("span", { className: "met", title: meeting.label });
    mark.style.left = `${(((meeting.t0 + meeting.t1) / 2) / seconds) * 100}%`;
    track.append(mark);
  }
  for (const said of timeline.statements ?? []) {
    const mark = element("span", { className: "said", title: said.label });
    mark.style.left = `${(Math.max(0, said.t0) / seconds) * 100}%`;
    const width = Math.min(said.t1, seconds) - Math.max(0, said.t0);
    if (width <= 0) continue;
    mark.style.width = `${(width / seconds) * 100}%`;
    track.append(mark);
  }
  const head = slider(texts.playhead, "head");
  line.append(histogram.box, track, from, to, head);

  const ends = element("div", { className: "ends" });
  const startLabel = element("span", { className: "from" });
  const endLabel = element("span", { className: "to" });
  const length = element("span", { className: "length" });
  ends.append(startLabel, length, endLabel);
  bar.append(top, line, ...buildLanes(map), ends);

  const toSeconds = (input) => (Number(input.value) / STEPS) * seconds;
  const onRange = (moved, settled) => {
    let [a, b] = [toSeconds(from), toSeconds(to)];
    const gap = seconds / STEPS;
    if (b - a < gap) {
      if (moved === from) a = Math.max(0, b - gap);
      else b = Math.min(seconds, a + gap);
    }
    map.setRange(a, b, settled);
  };
  for (const input of [from, to]) {
    input.addEventListener("input", () => onRange(input, false));
    input.addEventListener("change", () => onRange(input, true));
  }
  head.addEventListener("input", () => map.setNow(toSeconds(head)));
  let drawnRange;
  return {
    show({ kind, leg }) {
      const [a, b] = map.range;
      const range = `${a} ${b}`;
      if (range !== drawnRange) {
        drawnRange = range;
        from.value = (a / seconds) * STEPS;
        to.value = (b / seconds) * STEPS;
        chosen.style.left = `${(a / seconds) * 100}%`;
        chosen.style.width = `${((b - a) / seconds) * 100}%`;
        startLabel.textContent = stamp(a);
        endLabel.textContent = stamp(b);
        length.textContent = duration(b - a, texts);
        histogram.show(map.range);
        from.ariaValueText = stamp(a);
        to.ariaValueText = stamp(b);
      }
      head.value = (map.now / seconds) * STEPS;
      head.ariaValueText = stamp(map.now);
      done.style.left = `${(a / seconds) * 100}%`;
      done.style.width = `${((map.now - a) / seconds) * 100}%`;
      moment.firstChild.textContent = stamp(map.now);
      play.textContent = map.playing ? `❚❚ ${texts.pause}` : `▶ ${texts.play}`;
      play.ariaPressed = String(map.playing);
      speed.value = String(map.speed);
      state.className = `state ${kind}`;
      state.textContent = leg ? leg.label : (texts[map.summing()] ?? texts.unknown_now);
      state.title = state.textContent;
    },
  };
}

function slider(label, className) {
  return element("input", {
    type: "range",
    min: 0,
    max: STEPS,
    step: 1,
    ariaLabel: label,
    title: label,
    className,
  });
}

// Seconds after the start, as a wall clock of the given zone.
function clock(zone, start) {
  const format = new Intl.DateTimeFormat("sv-SE", {
    timeZone: zone,
    dateStyle: "short",
    timeStyle: "medium",
  });
  return (seconds) => format.format(new Date((start + seconds) * 1000));
}

// Seconds after midnight of no day in particular.
function hours(seconds) {
  const [h, m] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return [h, m].map((part) => String(part).padStart(2, "0")).join(":");
}

function duration(seconds, texts) {
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const told = (text, number) => text.replace("{number}", number);
  return [
    h ? told(texts.hours, h) : "",
    h || m ? told(texts.minutes, m) : "",
    h ? "" : told(texts.seconds, s),
  ]
    .filter(Boolean)
    .join(" ");
}

export function element(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}
