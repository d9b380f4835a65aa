"""The map of a trace: paths, cameras, sightings and heat over one clock."""

from __future__ import annotations

from typing import Any

from dashboard import access, serving
from dashboard.i18n import Texts
from dashboard.maps import basemap, beside, layers, network, palette, playback
from dashboard.panels import companions, statements
from dashboard.trace_view import Trace
from pipeline.casebook.anchors import Anchor
from pipeline.settings import get_settings
from pipeline.trace.meetings import Meeting


def show(
    trace: Trace,
    others: list[Trace],
    met: list[Meeting],
    said: list[Anchor],
    texts: Texts,
    focus: dict[str, Any] | None,
) -> playback.Chosen:
    """Show the paths with the clock below; return what the viewer chose.

    Parameters
    ----------
    trace : of the patient.
    others : traces of patients beside this one, on the same clock.
    met : their meetings.
    said : what the patient remembers.
    focus : longitude, latitude, zoom, sighting and seconds to go to, or None.
    """
    language = texts.language
    every = [trace, *others]
    key = "-".join(f"{one.run['case']}-{one.run['run']}" for one in every)
    legs = trace.legs(texts)
    bounds = companions.bounds(every)

    def build() -> tuple[str, list[dict[str, Any]], dict[str, Any]]:
        pins = statements.marks(said, trace, texts)
        along = [_beside(one, texts) for one in others]
        marks = [_meeting(one, trace, texts) for one in met]
        legend = _legend(texts)
        if pins:
            pin = {"layers": ["anchors", "anchor-labels"], "swatch": "anchor"}
            legend.insert(3, {**pin, "label": texts("layer_anchors")})
        if others:
            patient = next(one for one in legend if one["swatch"] == "patient")
            patient["colour"] = beside.css(0)
            legend[0]["label"] = f"{trace.run['case']} · {legend[0]['label']}"
        legend[2:2] = _legend_beside(others, texts)
        timeline = {
            "start": trace.start,
            "seconds": trace.seconds,
            "legs": _timed(legs),
            "sightings": [
                {
                    "t0": row["t0"],
                    "t1": row["t1"],
                    "on_path": row["on_path"],
                    "label": f"{row['number']} · {row['camera_id']}",
                }
                for row in trace.sightings
            ],
            "case": trace.run["case"],
            "rgb": palette.colour(0),
            "others": [
                {
                    "name": one.run["case"],
                    "colour": beside.css(index),
                    "rgb": palette.colour(index),
                    "layer": f"path{index}-seen",
                    "legs": _timed(row["legs"]),
                    "sightings": [
                        {"t0": dot["t0"], "t1": dot["t1"], "label": dot["tip"][0]}
                        for dot in row["dots"]
                    ],
                }
                for index, (one, row) in enumerate(
                    zip(others, along, strict=True), start=1
                )
            ],
            "meetings": [
                {"t0": row["t0"], "t1": row["t1"], "label": "\n".join(row["tip"])}
                for row in marks
            ],
            "statements": [
                {"t0": row["t0"], "t1": row["t1"], "label": "\n".join(row["tip"])}
                for row in pins
            ],
        }
        spec = _spec(trace, along, marks, pins, legs, texts, bounds)
        return spec, legend, timeline

    spec, legend, timeline = access.remembered(
        f"spec-{key}-{language}-{[one.id for one in said]}", build, seconds=600
    )
    zone = str(trace.zone)
    timed: tuple[str, ...] = layers.TIMED
    if others:
        timed += (*beside.ids(len(others)), "meetings")
    return playback.trace_map(
        key=key,
        spec=spec,
        timeline=timeline,
        bounds=bounds,
        timed=timed,
        dashed=layers.DASHED + beside.ids(len(others), ("inferred",)),
        legend=legend,
        notes=basemap.notes(language, texts("scheme_note")),
        texts={
            **texts.several("map_"),
            "camera_status": texts.several("camera_status_"),
        },
        language=language,
        zone=zone,
        zone_label=texts.of("zone", zone),
        focus=focus,
    )


def _timed(legs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: leg[name] for name in ("kind", "p", "t", "label")} for leg in legs]


def _beside(one: Trace, texts: Texts) -> dict[str, Any]:
    """Return another patient's legs and sightings as the layers take them."""
    case = one.run["case"]
    return {
        "legs": [{**leg, "tip": [case, *leg["tip"]]} for leg in one.legs(texts)],
        "dots": [
            {
                "p": [row["lon"], row["lat"]],
                "r": layers.radius(row["t1"] - row["t0"]),
                "t0": row["t0"],
                "t1": row["t1"],
                "tip": [
                    f"{case} · {row['number']} · {row['camera_id']}",
                    f"{one.clock(row['t0'])}–{one.clock(row['t1'])}",
                ],
            }
            for row in one.sightings
            if row["on_path"] and row["lon"] is not None
        ],
    }


def _meeting(one: Meeting, trace: Trace, texts: Texts) -> dict[str, Any]:
    return {
        "p": [one.lon, one.lat],
        "t0": one.start.timestamp() - trace.start,
        "t1": one.end.timestamp() - trace.start,
        "tip": companions.tip(one, trace, texts),
    }


def _spec(
    trace: Trace,
    along: list[dict[str, Any]],
    met: list[dict[str, Any]],
    pins: list[dict[str, Any]],
    legs: list[dict[str, Any]],
    texts: Texts,
    bounds: tuple[float, float, float, float],
) -> str:
    registry = network.load(get_settings().registry)
    bound = [camera for camera in registry.cameras if camera.clips]
    known = {camera.id for camera in bound}
    bound += [
        registry.get(name)
        for name in trace.cameras_seen
        if name not in known and name in registry
    ]
    tips = {}
    for camera in bound:
        times = trace.cameras_seen.get(camera.id, 0)
        fact = texts("camera_saw", number=times) if times else texts("camera_not")
        tips[camera.id] = [camera.id, f"{camera.usage} · {camera.dong}", fact]
    marks = []
    for row in trace.sightings:
        if row["lon"] is None:
            continue
        tip = [
            f"{row['number']} · {row['camera_id']}",
            f"{trace.clock(row['t0'])}–{trace.clock(row['t1'])}",
            f"{texts('fact_evidence')}: {texts.of('evidence', row['evidence'])}",
        ]
        if row["posterior"] is not None:
            tip.append(f"{texts('fact_posterior')}: {row['posterior']:.2f}")
        marks.append({**row, "tip": tip})
    own = palette.colour(0) if along else None  # others may be as red as the marker
    coverage_layer, bound_layer = layers.bound_cameras(
        bound, set(trace.cameras_seen), tips
    )
    found = [
        *layers.base(serving.ground()),
        coverage_layer,
        layers.cameras(serving.url("cameras.json")),
        layers.heat(trace.episode, trace.start),
        *beside.paths(along),
        *layers.path(legs),
        layers.trail(legs, trace.seconds, own),
        bound_layer,
        *(layers.statements(pins) if pins else []),
        *layers.sightings(marks),
        *([beside.meetings(met), *beside.moving()] if along else []),
        *layers.patient(own),
    ]
    return layers.to_json(layers.deck(found, bounds))


def _legend_beside(others: list[Trace], texts: Texts) -> list[dict[str, Any]]:
    """Return an entry per other patient, and one for the meetings."""
    if not others:
        return []
    found: list[dict[str, Any]] = [
        {
            "layers": [f"path{index}-{kind}" for kind in beside.KINDS],
            "label": one.run["case"],
            "swatch": "other",
            "colour": beside.css(index),
        }
        for index, one in enumerate(others, start=1)
    ]
    meeting = {
        "layers": ["meetings"],
        "label": texts("layer_meetings"),
        "swatch": "meeting",
    }
    return [*found, meeting]


def _legend(texts: Texts) -> list[dict[str, Any]]:
    facts = network.facts(get_settings().registry)
    entries = [
        ("seen", ["path-seen"]),
        ("inferred", ["path-inferred"]),
        ("sightings", ["sightings", "sighting-labels"]),
        ("candidates", ["candidates", "candidate-labels"]),
        ("patient", ["patient", "patient-halo", "trail"]),
        ("heat", ["heat"]),
        ("bound", ["bound"]),
        ("coverage", ["coverage"]),
        ("cameras", ["cameras"]),
    ]
    helps = {
        name: texts(f"layer_{name}_help")
        for name in ("heat", "bound", "candidates", "inferred")
    }
    swatches = {
        "sightings": "sighting",
        "candidates": "candidate",
        "cameras": "camera",
    }
    legend = [
        {
            "layers": ids,
            "label": texts(f"layer_{name}"),
            "swatch": swatches.get(name, name),
            "help": helps.get(name, ""),
            "off": name == "candidates",
        }
        for name, ids in entries
    ]
    if facts.outages:
        legend.append(
            {
                "layers": [],
                "label": texts("layer_outage", number=facts.outages),
                "swatch": "outage",
            }
        )
    return legend
