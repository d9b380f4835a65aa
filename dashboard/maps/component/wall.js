// The shared screen: a map of cells by hour that plays by itself, figures, places.
// Everything is drawn as HTML and SVG, so that it is sharp at any size and prints.

import { element } from "./timeline.js";

const SVG = "http://www.w3.org/2000/svg";
const STEP_MS = 1600; // an hour of the playback
const PAGE_MS = 9000; // a page of the list of places
const PLACES = 6; // lines of a page
const MAP = { width: 1000, height: 760, margin: 18 };

export default function mount(component) {
  const root = component.parentElement.querySelector(".wall");
  root.wall ??= new Wall(root);
  clearTimeout(root.wall.farewell);
  root.wall.update(component.data);
  return () => {
    root.wall.farewell = setTimeout(() => root.wall?.stop(), 500);
  };
}

class Wall {
  constructor(root) {
    this.root = root;
    this.hour = null; // all hours together
    this.playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.page = 0;
    root.addEventListener("keydown", (event) => this.key(event));
  }

  async update(data) {
    this.data = data;
    if (!this.grounds) {
      this.grounds = await Promise.all(
        Object.entries(data.base).map(async ([name, url]) => {
          const answer = await fetch(url);
          return { name, features: (await answer.json()).features };
        }),
      );
    }
    this.build();
    this.show();
    this.schedule();
  }

  build() {
    const { texts, title, stamp, safe, tiles, power } = this.data;
    const focus = this.root.querySelector(":focus")?.dataset.act;
    const head = element("header", {});
    head.append(
      element("h2", { textContent: title }),
      element("span", { className: "stamp", textContent: stamp }),
      element("strong", { className: "safe", textContent: safe }),
    );
    const acts = element("nav", {});
    for (const act of ["play", "full", "print", "png"]) {
      const button = element("button", { type: "button", textContent: texts[act] });
      button.dataset.act = act;
      button.addEventListener("click", () => this[act]());
      acts.append(button);
    }
    head.append(acts);
    const left = element("section", { className: "map" });
    left.append(this.map(), this.legend(), this.clock());
    const right = element("section", { className: "side" });
    right.append(this.tiles(texts.speed, tiles), this.tiles(texts.power, power, "power"));
    right.append(this.places());
    const body = element("div", { className: "body" });
    body.append(left, right);
    this.root.replaceChildren(head, body);
    if (focus) this.root.querySelector(`[data-act=${focus}]`)?.focus();
  }

  tiles(title, rows, more = "") {
    const box = element("div", { className: `tiles ${more}` });
    box.append(element("h3", { textContent: title }));
    const grid = element("dl", {});
    for (const [name, value, note] of rows) {
      const tile = element("div", {});
      tile.append(
        element("dt", { textContent: name }),
        element("dd", { textContent: value }),
      );
      if (note) tile.append(element("dd", { className: "note", textContent: note }));
      grid.append(tile);
    }
    box.append(grid);
    return box;
  }

  places() {
    const { texts, places } = this.data;
    const box = element("div", { className: "places" });
    this.placeTitle = element("h3", { textContent: texts.places });
    this.placeList = element("ol", {});
    box.append(this.placeTitle, this.placeList);
    if (!places.length) {
      box.append(element("p", { textContent: texts.no_places }));
    }
    return box;
  }

  // --- map ----------------------------------------------------------------

  map() {
    const frame = this.frame();
    const svg = node("svg", {
      viewBox: `0 0 ${MAP.width} ${MAP.height}`,
      role: "img",
      "aria-label": this.data.texts.map_alt,
    });
    for (const { name, features } of this.grounds) {
      for (const { geometry } of features) {
        svg.append(node("path", { d: outline(geometry, frame), class: name }));
      }
    }
    this.cells = this.data.cells.map((cell) => {
      const d = outline({ type: "Polygon", coordinates: [cell.outline] }, frame);
      const shape = node("path", { d, class: `cell step${cell.step}` });
      const tip = node("title", {});
      tip.textContent = cell.tip;
      shape.append(tip);
      svg.append(shape);
      return { hour: cell.hour, shape };
    });
    const shown = new Set();
    for (const label of this.data.labels) {
      const [x, y] = frame(label.p);
      const near = [...shown].some(([a, b]) => Math.hypot(a - x, b - y) < 46);
      if (near) continue;
      shown.add([x, y]);
      const text = node("text", { x, y, class: "label" });
      text.textContent = label.name;
      svg.append(text);
    }
    return svg;
  }

  // Web Mercator, fitted into the drawing.
  frame() {
    const [west, south, east, north] = this.data.bounds;
    const y = (lat) => Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360));
    const [w, h] = [MAP.width - 2 * MAP.margin, MAP.height - 2 * MAP.margin];
    const radians = Math.PI / 180;
    const scale = Math.min(w / ((east - west) * radians), h / (y(north) - y(south)));
    const left = MAP.margin + (w - (east - west) * radians * scale) / 2;
    const top = MAP.margin + (h - (y(north) - y(south)) * scale) / 2;
    return ([lon, lat]) => [
      left + (lon - west) * radians * scale,
      top + (y(north) - y(lat)) * scale,
    ];
  }

  legend() {
    const { texts, steps } = this.data;
    const box = element("div", { className: "legend" });
    box.append(element("b", { textContent: texts.legend }));
    steps.forEach((label, index) => {
      const row = element("span", {});
      row.append(
        element("i", { className: `step${index}` }),
        document.createTextNode(label),
      );
      box.append(row);
    });
    return box;
  }

  clock() {
    const box = element("div", { className: "clock" });
    this.now = element("output", {});
    this.empty = element("p", { className: "empty" });
    const bars = element("div", { className: "hours" });
    const most = Math.max(1, ...this.data.activity);
    this.bars = this.data.activity.map((number, hour) => {
      const label = this.data.hours[hour];
      const bar = element("button", { type: "button", title: label, ariaLabel: label });
      bar.append(element("i", {}));
      bar.firstChild.style.height = `${(100 * number) / most}%`;
      bar.addEventListener("click", () => this.go(hour));
      bars.append(bar);
      return bar;
    });
    const axis = element("div", { className: "axis", ariaHidden: "true" });
    for (const hour of [0, 6, 12, 18, 24]) {
      axis.append(element("span", { textContent: String(hour) }));
    }
    const time = element("div", {});
    time.append(bars, axis);
    box.append(this.now, time, this.empty);
    return box;
  }

  // --- time ---------------------------------------------------------------

  show() {
    const { texts, hours, places } = this.data;
    this.cells.forEach(({ hour, shape }) => {
      shape.classList.toggle("on", hour === this.hour);
    });
    this.now.textContent = this.hour === null ? texts.all_hours : hours[this.hour];
    const some = this.cells.some(({ hour }) => hour === this.hour);
    this.empty.textContent = some ? "" : texts.suppressed;
    this.bars.forEach((bar, hour) => bar.classList.toggle("on", hour === this.hour));
    const play = this.root.querySelector("[data-act=play]");
    play.textContent = this.playing ? texts.pause : texts.play;
    play.ariaPressed = String(this.playing);
    const pages = Math.max(1, Math.ceil(places.length / PLACES));
    this.page %= pages;
    const from = this.page * PLACES;
    this.placeList.replaceChildren(
      ...places.slice(from, from + PLACES).map(([place, when]) => {
        const row = element("li", {});
        row.append(
          element("b", { textContent: place }),
          element("span", { textContent: when }),
        );
        return row;
      }),
    );
    const number = pages > 1 ? ` ${this.page + 1}/${pages}` : "";
    this.placeTitle.textContent = texts.places + number;
  }

  schedule() {
    clearInterval(this.ticking);
    clearInterval(this.paging);
    if (!this.playing) return;
    const known = [...new Set(this.cells.map(({ hour }) => hour))]
      .filter((hour) => hour !== null)
      .sort((a, b) => a - b);
    const turns = [null, ...known];
    this.ticking = setInterval(() => {
      this.hour = turns[(turns.indexOf(this.hour) + 1) % turns.length];
      this.show();
    }, STEP_MS);
    this.paging = setInterval(() => {
      this.page += 1;
      this.show();
    }, PAGE_MS);
  }

  go(hour) {
    this.hour = this.hour === hour ? null : hour;
    this.playing = false;
    this.show();
    this.schedule();
  }

  play() {
    this.playing = !this.playing;
    this.show();
    this.schedule();
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      const next = this.hour === null ? (step > 0 ? 0 : 23) : this.hour + step;
      this.hour = next < 0 || next > 23 ? null : next;
      this.playing = false;
      this.show();
      this.schedule();
    } else if (event.key === " " && !event.target.closest("button")) {
      this.play();
    } else {
      return;
    }
    event.preventDefault();
  }

  // --- handing over ---------------------------------------------------------

  full() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen();
  }

  print() {
    window.print();
  }

  async png() {
    const [width, height] = [1920, 1080];
    const copy = this.root.cloneNode(true);
    copy.querySelector("nav").remove();
    copy.className = "wall picture";
    const style = document.createElement("style");
    style.textContent = this.data.css;
    const page = document.createElement("div");
    page.setAttribute("xmlns", "http://www.w3.org/1999/xhtml");
    page.append(style, copy);
    const text =
      `<svg xmlns="${SVG}" width="${width}" height="${height}">` +
      `<foreignObject width="100%" height="100%">` +
      `${new XMLSerializer().serializeToString(page)}</foreignObject></svg>`;
    const image = new Image();
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
    await image.decode();
    const canvas = element("canvas", { width: width * 2, height: height * 2 });
    canvas.getContext("2d").drawImage(image, 0, 0, width * 2, height * 2);
    const link = element("a", { download: this.data.file });
    link.href = canvas.toDataURL("image/png");
    link.click();
  }

  stop() {
    clearInterval(this.ticking);
    clearInterval(this.paging);
    delete this.root.wall;
  }
}

function node(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function outline({ type, coordinates }, frame) {
  const polygons = type === "MultiPolygon" ? coordinates : [coordinates];
  return polygons
    .flat()
    .map((ring) => {
      const points = ring.map((at) => frame(at).map((v) => v.toFixed(1)).join(","));
      return `M${points.join("L")}Z`;
    })
    .join("");
}
