"""The reliability diagram of a report: evidence stated beside evidence found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

#: Columns of small diagrams, side of one in inches, and the axes' ends (natural
#: log-likelihood ratios).
COLUMNS, SIDE, ENDS = 3, 2.3, (-6.0, 16.0)
#: Area of a point, in square points, for one pair and for all pairs of a condition.
AREAS = (12.0, 220.0)


def draw(conditions: dict[str, dict[str, Any]], out: Path) -> Path | None:
    """Draw the steps of `evidence.reliability`, a small diagram for each condition.

    A point on the diagonal was stated as it is; below it, evidence was claimed that is
    not there. A point is the larger the more pairs it counts, and marked by a cross
    where it counts pairs of one kind only, so that how strong it is was not seen.

    Parameters
    ----------
    conditions
        `by_condition` of the report of faces.
    out
        SVG to write, replaced at once.

    Returns
    -------
    pathlib.Path or None
        The file; None where no condition has a step.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    shown = {name: one["reliability"] for name, one in conditions.items()}
    shown = {name: steps for name, steps in shown.items() if steps}
    if not shown:
        return None
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure((SIDE * columns, SIDE * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for panel in panels.flat[len(shown) :]:
        panel.set_axis_off()
    for panel, (name, steps) in zip(panels.flat, shown.items(), strict=False):
        _panel(panel, name, steps)
    figure.supxlabel("log-likelihood ratio stated by a trace", fontsize=9)
    figure.supylabel("found by counting pairs", fontsize=9)
    partial = out.with_name(f".{out.stem}.{os.getpid()}.partial.svg")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Text stays text, and the same figures give the same file.
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": "reliability"}):
            figure.savefig(partial, metadata={"Date": None})
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return out


def _panel(panel: Any, name: str, steps: list[dict[str, Any]]) -> None:
    total = sum(step["genuine"] + step["strangers"] for step in steps)
    least, most = AREAS
    panel.plot(ENDS, ENDS, color="0.7", linewidth=0.8, zorder=0)
    for both in (True, False):
        mine = [s for s in steps if bool(s["genuine"] and s["strangers"]) is both]
        counts = [step["genuine"] + step["strangers"] for step in mine]
        panel.scatter(
            [step["stated"] for step in mine],
            [step["found"] for step in mine],
            s=[least + (most - least) * count / total for count in counts],
            c="#1f6f8b" if both else "#b5651d",
            marker="o" if both else "x",
            linewidths=0.8,
        )
    panel.set(xlim=ENDS, ylim=ENDS, aspect="equal")
    panel.set_title(name, fontsize=8)
    panel.tick_params(labelsize=7)
