// The network on a map: cameras coloured by health, in clusters while far away.

import { element } from "./timeline.js";
import { TILE, zoomOf } from "./fitting.js";
import { buildLegend, scaleBar, tooltip } from "./furniture.js";
import { isDark, keep, themed } from "./theme.js";

const CLUSTER_PX = 72; // side of a cell that makes one cluster
const APART = 13.6; // zoom from which cameras stand for themselves
const NEAR = 14.6; // zoom from which the ground they cover is drawn
const CLUSTERS = ["clusters", "cluster-labels"];

let engine;
let shown; // where the map was when its page was left
const fetched = new Map(); // URL -> promise of its rows

export default function mount(component) {
  const root = component.parentElement.querySelector(".trace-map");
  root.areaMap ??= new AreaMap(root);
  clearTimeout(root.areaMap.farewell);
  root.areaMap.update(component);
  return () => {
    root.areaMap.farewell = setTimeout(() => root.areaMap?.destroy(), 500);
  };
}

class AreaMap {
  constructor(root) {
    this.root = root;
    this.canvas = root.querySelector(".canvas");
    this.hidden = new Set();
    this.dark = isDark();
  }

  async update({ data }) {
    const redrawn = data.spec !== this.data?.spec || data.language !== this.data?.language;
    const restated = JSON.stringify(data.states) !== JSON.stringify(this.data?.states);
    this.data = data;
    if (redrawn) {
      buildLegend(this);
      this.buildControls();
    }
    engine ??= import(data.engine).then((module) => module.default);
    if (!fetched.has(data.cameras)) {
      fetched.set(data.cameras, fetch(data.cameras).then((answer) => answer.json()));
    }
    const [{ createDeck }, rows] = await Promise.all([engine, fetched.get(data.cameras)]);
    if (this.gone) return;
    if (restated || redrawn || !this.rows) this.rows = rows.map((row) => this.judged(row));
    if (!this.deck && !this.open(createDeck)) return;
    this.clustered = null;
    this.refresh();
  }

  judged(row) {
    const { states, colours, texts } = this.data;
    const own = row.status === "active" ? (states[row.id] ?? "silent") : row.status;
    return {
      p: row.p,
      state: own,
      c: colours[own],
      tip: [row.id, `${row.usage} · ${row.dong}`, texts.states[own]],
    };
  }

  open(createDeck) {
    const probe = document.createElement("canvas").getContext("webgl2");
    if (!probe) {
      this.canvas.textContent = this.data.texts.no_webgl;
      return false;
    }
    probe.getExtension("WEBGL_lose_context")?.loseContext();
    this.deck = createDeck({
      container: this.canvas,
      jsonInput: JSON.parse(this.data.spec),
      tooltip: null,
      customLibraries: [],
    });
    this.deck.setProps({
      getTooltip: (info) => tooltip(info, this.data.texts),
      getCursor: ({ isDragging, isHovering }) =>
        isDragging ? "grabbing" : isHovering ? "pointer" : "grab",
      onClick: ({ object }) => {
        if (object?.number) this.goTo(object.p, this.view.zoom + 1.6);
      },
      onViewStateChange: ({ viewState }) => {
        this.own = true;
        shown = viewState;
        this.moved(viewState);
        return viewState;
      },
    });
    this.declared = this.deck.props.layers.filter(Boolean);
    this.layers = this.declared;
    this.own = Boolean(shown); // until somebody moves it, the map follows its size
    if (shown) this.goTo([shown.longitude, shown.latitude], shown.zoom, 0);
    this.sized = new ResizeObserver(() => this.own || this.gone || this.fit(0));
    this.sized.observe(this.canvas);
    return true;
  }

  moved(view) {
    this.view = view;
    scaleBar(this.root, view);
    const step = `${Math.round(view.zoom * 2)} ${view.zoom >= APART} ${view.zoom >= NEAR}`;
    if (step === this.step) return;
    this.step = step;
    cancelAnimationFrame(this.waiting);
    this.waiting = requestAnimationFrame(() => this.gone || this.refresh());
  }

  refresh() {
    if (!this.deck || !this.view) return;
    this.root.classList.toggle("dark", this.dark);
    const { zoom } = this.view;
    const apart = zoom >= APART;
    const shown = this.rows.filter((row) => !this.hidden.has(row.state));
    const clusters = apart ? [] : this.clusters(shown, Math.round(zoom * 2) / 2);
    this.layers = this.declared
      .filter(({ id }) => id !== "coverage" || zoom >= NEAR) // fetched when first near
      .map((declared) => {
        const known = this.layers.find(({ id }) => id === declared.id) ?? declared;
        const visible = !this.hidden.has(declared.id);
        if (declared.id === "cameras") {
          return known.clone({ data: shown, visible: apart && visible });
        }
        if (CLUSTERS.includes(declared.id)) {
          return known.clone({ data: clusters, visible: !apart });
        }
        const layer = themed(known, declared, this.dark);
        return layer.props.visible === visible ? layer : layer.clone({ visible });
      });
    this.deck.setProps({ layers: this.layers });
  }

  // Cameras of one cell of a grid on the screen are one circle.
  clusters(rows, zoom) {
    const cell = CLUSTER_PX / (TILE * 2 ** zoom);
    const found = new Map();
    for (const row of rows) {
      const [lon, lat] = row.p;
      const x = (lon + 180) / 360;
      const y = Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360)) / (2 * Math.PI);
      const key = `${Math.floor(x / cell)} ${Math.floor(y / cell)}`;
      const one = found.get(key) ?? { x: 0, y: 0, number: 0, states: {} };
      one.x += lon;
      one.y += lat;
      one.number += 1;
      one.states[row.state] = (one.states[row.state] ?? 0) + 1;
      found.set(key, one);
    }
    const { texts, colours } = this.data;
    return [...found.values()].map(({ x, y, number, states }) => {
      const bad = (states.outage ?? 0) + (states.late ?? 0);
      return {
        p: [x / number, y / number],
        number,
        r: 8 + 2 * Math.log2(number),
        label: number.toLocaleString(this.data.language),
        // Five in a hundred out of order or late: somebody should look.
        c: bad / number >= 0.05 ? colours.outage : colours.cluster,
        tip: [
          texts.cameras.replace("{number}", number.toLocaleString(this.data.language)),
          ...Object.entries(states).map(([state, n]) => `${texts.states[state]}: ${n}`),
        ],
      };
    });
  }

  buildControls() {
    const { texts } = this.data;
    const bar = this.root.querySelector(".controls");
    const fit = element("button", { type: "button", textContent: texts.fit_city });
    fit.addEventListener("click", () => this.fit(300));
    const dark = element("button", { type: "button", textContent: texts.dark });
    dark.ariaPressed = String(this.dark);
    dark.addEventListener("click", () => {
      this.dark = !this.dark;
      keep(this.dark);
      dark.ariaPressed = String(this.dark);
      this.refresh();
    });
    const row = element("div", { className: "row" });
    row.append(fit, dark, element("span", { className: "hint", textContent: texts.hint }));
    bar.replaceChildren(row);
  }

  fit(transitionDuration) {
    const [west, south, east, north] = this.data.bounds;
    const { clientWidth, clientHeight } = this.canvas;
    const zoom = zoomOf(this.data.bounds, clientWidth * 0.94, clientHeight * 0.94);
    this.goTo([(west + east) / 2, (south + north) / 2], zoom, transitionDuration);
  }

  goTo([longitude, latitude], zoom, transitionDuration = 350) {
    const viewState = { longitude, latitude, zoom, pitch: 0, bearing: 0, transitionDuration };
    this.deck.setProps({ initialViewState: viewState });
    this.moved(viewState);
  }

  // The legend's entries are states of cameras, and layers.
  show(ids, visible) {
    for (const id of ids) visible ? this.hidden.delete(id) : this.hidden.add(id);
    this.refresh();
  }

  destroy() {
    this.gone = true;
    this.sized?.disconnect();
    this.deck?.finalize();
    this.deck = null;
    delete this.root.areaMap;
  }
}
