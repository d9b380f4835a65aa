// The trace map: draws the layers that Python declared with pydeck, and animates
// the patient's way on the client. Messages go to the server only when the range
// of time or the picked sighting changes, never while playing.

import { buildControls } from "./timeline.js";
import { dashes, dashMetres } from "./dashes.js";
import { TILE, zoomOf } from "./fitting.js";
import { buildLegend, scaleBar, tooltip } from "./furniture.js";
import { cells, measure, outlines } from "./heat.js";
import * as link from "./link.js";
import { position } from "./position.js";
import { isDark, keep, themed } from "./theme.js";

const FRAME_MS_HEAT = 250; // heat is summed anew at most this often while playing
const LINK_MS = 400; // the address follows what is shown after so long
const STEP_SHARE = 0.01; // of the range, by an arrow key

let engine; // deck.gl as shipped in the installed pydeck, loaded once per page

export default function mount(component) {
  const root = component.parentElement.querySelector(".trace-map");
  let view = root.traceMap;
  if (!view) {
    view = root.traceMap = new TraceMap(root);
  }
  clearTimeout(view.farewell);
  view.update(component);
  return () => {
    clearTimeout(view.linking); // the address is another page's from now on
    // A rerun may clean up and mount again at once: only a real absence ends it.
    view.farewell = setTimeout(() => view.destroy(), 500);
  };
}

class TraceMap {
  constructor(root) {
    this.root = root;
    this.canvas = root.querySelector(".canvas");
    this.deck = null;
    this.hidden = new Set();
    this.now = 0;
    this.playing = false;
    this.dark = isDark();
    root.tabIndex = 0;
    root.addEventListener("keydown", (event) => this.key(event));
  }

  async update(component) {
    this.component = component;
    const data = component.data;
    const fresh = data.key !== this.data?.key;
    const worded = ({ language, legend } = {}) => JSON.stringify([language, legend]);
    const relabelled = worded(data) !== worded(this.data);
    const redrawn = data.spec !== this.data?.spec;
    const focus = JSON.stringify(data.focus ?? null);
    const before = fresh ? link.recall(data.key) : null;
    const refocused = data.focus && focus !== this.focus && focus !== before?.focus;
    this.data = data;
    this.focus = focus;
    if (fresh) {
      this.range = data.range ?? [0, data.timeline.seconds];
      this.now = data.timeline.legs[0]?.t[0] ?? this.range[0];
      this.moved = false; // until then the heat of the whole range is shown
      this.playing = false;
      this.speed = data.speed;
      const off = data.legend.filter((entry) => entry.off);
      this.hidden = new Set(off.flatMap((entry) => entry.layers));
      this.linked = this.restore();
      this.opened = true;
    }
    if (fresh || relabelled) {
      this.controls = buildControls(this);
      buildLegend(this);
    }
    if (!engine) {
      engine = import(data.engine).then((module) => module.default);
    }
    const { createDeck, updateDeck } = await engine;
    if (this.gone) return;
    if (!this.deck) {
      if (!this.open(createDeck)) return;
    } else if (redrawn) {
      const { initialViewState, ...drawn } = JSON.parse(data.spec);
      updateDeck(drawn, this.deck); // what is drawn changes, not where one looks
      this.adopt();
    }
    if (fresh && !refocused) {
      if (this.linked?.view) this.goTo(this.linked.view, 0);
      else this.fit(data.bounds, 0);
    }
    if (fresh && this.linked) this.setRange(...this.linked.range, true);
    if (refocused) {
      this.goTo(data.focus);
      this.playing = false;
      this.setNow(data.focus.seconds);
    }
    this.refresh();
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
      onClick: (info) => this.picked(info),
      getCursor: ({ isDragging, isHovering }) =>
        isDragging ? "grabbing" : isHovering ? "pointer" : "grab",
      onViewStateChange: ({ viewState }) => {
        this.zoomed(viewState);
        return viewState;
      },
    });
    this.adopt();
    return true;
  }

  // Keep the layers as declared: what is shown is cut from them.
  adopt() {
    this.layers = this.deck.props.layers.filter(Boolean);
    this.declared = new Map(this.layers.map((layer) => [layer.id, layer]));
    this.timed = new Map();
    for (const id of this.data.timed) {
      const layer = this.layers.find((each) => each.id === id);
      if (layer) this.timed.set(id, layer.props.data);
    }
    this.rings = outlines(this.timed.get("heat") ?? []);
    this.kept = new Map(); // what each layer shows now
    this.dirty = true;
  }

  picked(info) {
    if (info.layer?.id === "meetings" && info.object) this.setNow(info.object.t0);
    const sighting = info.object?.sighting;
    if (sighting !== undefined) this.component.setTriggerValue("pick", sighting);
  }

  zoomed(viewState) {
    scaleBar(this.root, viewState);
    this.view = viewState;
    this.remember();
    const dash = dashMetres(viewState);
    if (dash === this.dash) return;
    this.dash = dash;
    this.dirty = true;
    cancelAnimationFrame(this.redashing);
    this.redashing = requestAnimationFrame(() => this.gone || this.refresh());
  }

  // --- time ---------------------------------------------------------------

  setRange(from, to, settled) {
    this.range = [from, to];
    this.now = Math.min(Math.max(this.now, from), to);
    this.refresh();
    clearTimeout(this.telling);
    this.telling = setTimeout(
      () => this.component.setStateValue("range", [...this.range, this.data.key]),
      settled ? 0 : 120,
    );
  }

  setNow(seconds) {
    this.moved = true;
    this.now = Math.min(Math.max(seconds, this.range[0]), this.range[1]);
    this.refresh();
  }

  toggle() {
    this.playing = !this.playing;
    this.moved = true;
    if (this.playing && this.now >= this.range[1]) this.now = this.range[0];
    this.last = performance.now();
    if (this.playing) requestAnimationFrame((at) => this.step(at));
    this.refresh();
  }

  step(at) {
    if (!this.playing || this.gone) return;
    const seconds = Math.max(0, at - this.last) / 1000;
    this.last = at;
    this.now = Math.min(this.now + seconds * this.speed, this.range[1]);
    if (this.now >= this.range[1]) this.playing = false;
    this.refresh(this.playing);
    if (this.playing) requestAnimationFrame((next) => this.step(next));
  }

  // To the sighting before or after the moment shown.
  stepTo(way) {
    const starts = this.data.timeline.sightings
      .filter((each) => each.on_path)
      .map((each) => each.t0)
      .filter((at) => at >= this.range[0] && at <= this.range[1])
      .sort((a, b) => a - b);
    const next =
      way > 0
        ? starts.find((at) => at > this.now + 0.05)
        : starts.findLast((at) => at < this.now - 0.05);
    this.playing = false;
    // A little within: at the very start the way there ends as well.
    this.setNow(next === undefined ? this.range[way > 0 ? 1 : 0] : next + 0.02);
  }

  key(event) {
    const on = event.composedPath()[0];
    if (on.matches("select, button, input[type=checkbox]")) return;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === " ") {
      this.toggle();
    } else if (way && event.shiftKey) {
      this.stepTo(way);
    } else if (way && !on.matches("input[type=range]")) {
      this.playing = false;
      this.setNow(this.now + way * STEP_SHARE * (this.range[1] - this.range[0]));
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  // --- what is kept ---------------------------------------------------------

  // What the address says when the page opens; later what was shown here before.
  restore() {
    const { timeline, bounds, legend, speeds } = this.data;
    const known = new Set(legend.flatMap((entry) => entry.layers));
    const told = (!this.opened && link.address()) || link.recall(this.data.key)?.told;
    const found = link.read(told, { seconds: timeline.seconds, box: bounds, known });
    if (!found) return null;
    this.range = found.range;
    this.now = found.now;
    this.moved = found.now > found.range[0];
    this.hidden = new Set(found.hidden);
    if (speeds.includes(found.speed)) this.speed = found.speed;
    return found;
  }

  remember() {
    clearTimeout(this.linking);
    if (this.playing || !this.opened) return;
    this.linking = setTimeout(() => {
      if (this.gone || this.playing) return;
      const { timeline, bounds, key } = this.data;
      const { range, now, view, hidden, speed, focus } = this;
      const told = link.tell({
        range, now, seconds: timeline.seconds, view, box: bounds, hidden, speed,
      });
      link.write(told);
      link.keep(key, { told, focus });
    }, LINK_MS);
  }

  setDark(dark) {
    this.dark = dark;
    keep(dark);
    this.refresh();
  }

  // --- drawing ------------------------------------------------------------

  refresh(animating = false) {
    const state = position(this.data.timeline.legs, this.now);
    this.controls.show(state);
    this.root.classList.toggle("dark", this.dark);
    if (!animating) this.remember();
    if (!this.deck || !this.layers) return;
    const [from, to] = this.range;
    const until = this.moved && this.now > from && this.now < to ? this.now : to;
    const due = !animating || performance.now() - (this.cutAt ?? 0) > FRAME_MS_HEAT;
    const cut = due && `${from} ${to} ${until}`;
    const recut = this.dirty || (cut && cut !== this.cut);
    if (recut) {
      this.cut = cut;
      this.cutAt = performance.now();
    }
    const others = this.beside(state);
    this.layers = this.layers.map((layer) => {
      const visible = !this.hidden.has(layer.id);
      if (recut && this.timed.has(layer.id)) {
        const heat = layer.id === "heat" ? measure(this.data) : null;
        const end = heat ? until : to;
        const begin = heat?.moment && until < to ? until : from;
        const rows = this.timed.get(layer.id);
        const kept = rows.filter((row) => row.t1 >= begin && row.t0 <= end);
        const key = `${layer.id} ${this.data.key}`;
        const old = this.kept.get(key);
        const dash = this.data.dashed.includes(layer.id) ? this.dash : 0;
        if (old && old.dash === dash && same(old.rows, kept)) {
          return layer.props.visible === visible ? layer : layer.clone({ visible });
        }
        this.kept.set(key, { rows: kept, dash });
        let data = dash ? dashes(kept, dash) : kept;
        if (heat) data = cells(kept, this.rings, heat, this.data.texts);
        return layer.clone({ data, visible });
      }
      if (layer.id === "trail") return layer.clone({ currentTime: this.now, visible });
      if (layer.id === "others") return layer.clone({ data: others.filter((one) => !one.own) });
      if (layer.id === "others-names") return layer.clone({ data: others });
      if (layer.id === "patient" || layer.id === "patient-halo") {
        const data = state.at ? [{ p: state.at, seen: state.kind === "seen" }] : [];
        return layer.clone({
          data,
          visible,
          filled: layer.id === "patient-halo" || state.kind === "seen",
        });
      }
      return layer.props.visible === visible ? layer : layer.clone({ visible });
    });
    this.layers = this.layers.map((layer) =>
      themed(layer, this.declared.get(layer.id), this.dark),
    );
    this.dirty = false;
    this.deck.setProps({ layers: this.layers });
  }

  // Of maps of exposure: what the colours are the sum of.
  summing() {
    const within = this.moved && this.now > this.range[0] && this.now < this.range[1];
    return within ? "of_moment" : "of_range";
  }

  // The other patients' markers, and the names of all while there are several.
  beside(own) {
    const { others = [], case: name, rgb } = this.data.timeline;
    const first = own.at ? [{ p: own.at, name, c: rgb, fill: [0, 0, 0, 0], own: true }] : [];
    return first.concat(others
      .filter(({ layer }) => !this.hidden.has(layer))
      .map(({ name, rgb, legs }) => ({ name, rgb, ...position(legs, this.now) }))
      .filter(({ at }) => at)
      .map(({ name, rgb, at, kind }) => ({
        p: at,
        name,
        c: rgb,
        fill: kind === "seen" ? rgb : [255, 255, 255],
      })));
  }

  // Show the whole box in the part of the map that the legend leaves free.
  fit(box, transitionDuration = 300) {
    const [west, south, east, north] = box;
    const legend = this.root.querySelector(".legend").offsetWidth + 20;
    const width = Math.max(this.canvas.clientWidth - legend, 120);
    const zoom = Math.min(zoomOf(box, width * 0.86, this.canvas.clientHeight * 0.8), 18);
    const aside = ((legend / 2) * 360) / (TILE * 2 ** zoom);
    this.goTo(
      { longitude: (west + east) / 2 + aside, latitude: (south + north) / 2, zoom },
      transitionDuration,
    );
  }

  goTo(target, transitionDuration = 350) {
    const viewState = { pitch: 0, bearing: 0, ...target, transitionDuration };
    delete viewState.sighting;
    delete viewState.seconds;
    this.deck.setProps({ initialViewState: viewState });
    this.zoomed(viewState);
  }

  show(layerIds, visible) {
    for (const id of layerIds) visible ? this.hidden.delete(id) : this.hidden.add(id);
    this.refresh();
  }

  destroy() {
    this.gone = true;
    this.playing = false;
    clearTimeout(this.telling);
    clearTimeout(this.linking);
    this.deck?.finalize();
    this.deck = null;
    delete this.root.traceMap;
  }
}

function same(one, other) {
  return one.length === other.length && one.every((row, index) => row === other[index]);
}
