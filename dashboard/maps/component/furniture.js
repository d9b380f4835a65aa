// Legend, scale bar, attribution and hover cards of the map.

import { element } from "./timeline.js";
import { scale } from "./heat.js";

const EARTH_M = 40075016.686; // circumference at the equator, WGS84
const TILE = 512;

export function buildLegend(map) {
  const { legend, texts, notes } = map.data;
  const box = map.root.querySelector(".legend");
  box.replaceChildren(element("div", { className: "title", textContent: texts.legend }));
  for (const entry of legend) {
    const label = element("label", { title: entry.help ?? "" });
    const check = element("input", {
      type: "checkbox",
      checked: !entry.layers.every((id) => map.hidden.has(id)),
    });
    check.addEventListener("change", () => map.show(entry.layers, check.checked));
    const swatch = element("span", { className: `swatch ${entry.swatch}` });
    if (entry.colour) swatch.style.background = entry.colour;
    label.append(check, swatch, element("span", { textContent: entry.label }));
    if (!entry.layers.length) {
      check.style.visibility = "hidden";
      label.style.cursor = "default";
    }
    box.append(label);
    if (entry.layers.includes("heat")) box.append(heatScale(texts));
  }
  map.root.querySelector(".notes").textContent = notes.join(" · ");
}

function heatScale(texts) {
  const row = element("div", { className: "heat-scale", title: texts.heat_unit });
  for (const { name, colour } of scale(texts)) {
    const step = element("span", { textContent: name });
    step.style.borderTopColor = colour;
    row.append(step);
  }
  return row;
}

export function scaleBar(root, { latitude, zoom }) {
  const bar = root.querySelector(".scale");
  const perPixel =
    (EARTH_M * Math.cos((latitude * Math.PI) / 180)) / (TILE * 2 ** zoom);
  const most = perPixel * 110;
  const power = 10 ** Math.floor(Math.log10(most));
  const metres = [5, 2, 1].map((step) => step * power).find((each) => each <= most);
  bar.style.width = `${metres / perPixel}px`;
  bar.textContent = metres >= 1000 ? `${metres / 1000} km` : `${metres} m`;
}

export function tooltip({ object, layer }, texts) {
  if (!object) return null;
  const lines =
    object.tip ?? (layer?.id === "cameras" ? cameraLines(object, texts) : null);
  if (!lines) return null;
  const text = lines.map((line, index) =>
    index ? `<div>${escape(line)}</div>` : `<b>${escape(line)}</b>`,
  );
  return {
    html: text.join(""),
    style: {
      background: "rgba(255,255,255,0.96)",
      color: "#1f2937",
      border: "1px solid #cbd5e1",
      borderRadius: "6px",
      boxShadow: "0 2px 8px rgba(15,23,42,0.15)",
      padding: "6px 9px",
      font: "12.5px/1.45 var(--st-font, sans-serif)",
      maxWidth: "280px",
    },
  };
}

function cameraLines(camera, texts) {
  return [
    camera.id,
    `${camera.usage} · ${camera.dong}`,
    `${texts.camera_status[camera.status] ?? camera.status}`,
  ];
}

function escape(text) {
  return String(text).replace(
    /[&<>"']/g,
    (sign) => `&#${sign.charCodeAt(0)};`,
  );
}
