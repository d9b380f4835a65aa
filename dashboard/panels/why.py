"""Why a sighting is proposed: each piece of evidence in a sentence of its own."""

from __future__ import annotations

import html
import math
from typing import Any

from dashboard.i18n import Texts
from dashboard.panels.contacts import duration
from dashboard.trace_view import Trace
from pipeline.cameras.calibration import pixels_per_metre
from pipeline.cameras.registry import Registry
from pipeline.cameras.travel_time import VEHICLE_MPS

#: Likelihood ratio from which evidence has a name. ENFSI guideline for evaluative
#: reporting in forensic science (2015), table of verbal equivalents.
STRENGTHS = (
    (1e4, "very_strong"),
    (1e3, "strong"),
    (1e2, "fairly_strong"),
    (1e1, "moderate"),
    (2.0, "weak"),
    (0.5, "none"),
    (0.0, "against"),
)
#: Pixels per metre from which a picture serves a purpose. IEC/EN 62676-4:2014.
DETAIL = (
    (250.0, "identify"),
    (125.0, "recognise"),
    (62.5, "observe"),
    (25.0, "detect"),
    (0.0, "monitor"),
)


def travel(row: dict[str, Any], trace: Trace, texts: Texts) -> str:
    """Return how the patient could have come here, in a few words."""
    leg = trace.leg_to.get(row["sighting"])
    if leg is None:
        return texts("travel_first" if row["on_path"] else "travel_aside")
    return texts(f"travel_{_plausible(leg)}", speed=leg["speed_m_s"] or 0.0)


def detail(row: dict[str, Any], registry: Registry, texts: Texts) -> str:
    """Return the pixels per metre at the place of a sighting, and their worth."""
    if "pixels" not in row:  # kept with the row: the projection takes a while
        row["pixels"] = _pixels(row, registry)
    found = row["pixels"]
    if found is None:
        return "–"
    worth = texts(f"detail_{_named(found, DETAIL)}")
    return texts("detail", pixels=found, worth=worth)


def told(row: dict[str, Any], trace: Trace, texts: Texts) -> str:
    """Return all reasons as a folded list, HTML."""
    lines = "".join(
        f"<li>{html.escape(one)}</li>" for one in _reasons(row, trace, texts)
    )
    return (
        f"<details class='why'><summary>{html.escape(texts('why'))}</summary>"
        f"<ul>{lines}</ul></details>"
    )


def _reasons(row: dict[str, Any], trace: Trace, texts: Texts) -> list[str]:
    found = []
    if row["evidence"] == "seed":
        found.append(texts("why_seed"))
    elif row["similarity"] is not None:
        found.append(
            texts(
                "why_similar",
                evidence=texts.of("evidence", row["evidence"]),
                similarity=row["similarity"],
            )
        )
    if row["llr"] is not None and row["evidence"] != "seed":
        ratio = math.exp(min(max(row["llr"], -30.0), 30.0))
        name = texts(f"strength_{_named(ratio, STRENGTHS)}")
        key = "why_ratio" if ratio >= 1 else "why_ratio_against"
        found.append(texts(key, ratio=max(ratio, 1 / ratio), name=name))
    for key, leg in (
        ("why_from", trace.leg_to.get(row["sighting"])),
        ("why_to", trace.leg_from.get(row["sighting"])),
    ):
        if leg is not None:
            other = "from_sighting" if key == "why_from" else "to_sighting"
            found.append(
                texts(
                    key,
                    other=trace.number_of.get(leg[other], "?"),
                    metres=leg["metres"] or 0.0,
                    time=duration(
                        (leg["end_at"] - leg["start_at"]).total_seconds(), texts
                    ),
                    verdict=texts(
                        f"travel_{_plausible(leg)}", speed=leg["speed_m_s"] or 0.0
                    ),
                )
            )
    if row["mask_state"] in ("worn", "incorrect") and "face" in row["evidence"]:
        found.append(texts("why_mask"))
    if row["posterior"] is not None:
        found.append(texts("why_posterior", posterior=row["posterior"]))
    if not row["on_path"]:
        found.append(texts("why_aside"))
    return found


def _plausible(leg: dict[str, Any]) -> str:
    if (leg["speed_m_s"] or 0.0) > VEHICLE_MPS:
        return "too_fast"
    return str(leg["mode"])


def _pixels(row: dict[str, Any], registry: Registry) -> float | None:
    if row["lon"] is None or row["camera_id"] not in registry:
        return None
    return pixels_per_metre(registry.get(row["camera_id"]), row["lon"], row["lat"])


def _named(value: float, names: tuple[tuple[float, str], ...]) -> str:
    return next(name for least, name in names if value >= least)
