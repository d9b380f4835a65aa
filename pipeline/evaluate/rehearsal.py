"""A rehearsal: traces in a small simulated city, before the first job comes.

What traces compile (some seconds, once an installation) and load is at hand then in
this process and in those that are forked of it, and memory for the passes of a day that
is stored (`trace.spare`). Nothing else is kept.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from pipeline.casebook import reviews
from pipeline.evaluate import trace as evaluation
from pipeline.evaluate.trace_truth import Known
from pipeline.settings import Settings
from pipeline.simulate import run as simulation
from pipeline.trace import finding, spare
from pipeline.trace.run import trace

#: People, hours and seed of the city, and how many are traced: enough passes for the
#: laws of clothing, faces that decide, companions and contacts.
RESIDENTS, HOURS, SEED, PATIENTS = 1000, 2, 1, 2


def rehearse(settings: Settings) -> int:
    """Trace some residents of a small city, each again after a verdict.

    Parameters
    ----------
    settings : registry and threads; observations, casebook and results are those of a
        temporary folder.

    Returns
    -------
    How many traces were made.

    Raises
    ------
    DongseonError
        If no city can be simulated before the cameras of the registry.
    """
    done = 0
    with tempfile.TemporaryDirectory(prefix="dongseon-rehearsal-") as home:
        city = Path(home) / "city"
        plan = simulation.make_plan(RESIDENTS, HOURS, SEED, patients=RESIDENTS)
        simulation.simulate(city, plan, settings.registry, threads=settings.threads)
        chosen = evaluation.choose(Known(city), PATIENTS, SEED)
        photos = evaluation.photographs(city, settings, chosen)
        with evaluation.installation(city, settings, Path(home)) as own:
            for number, mine in enumerate(photos):
                order = evaluation.order(own, f"R-{number}", city)
                finding.prepare(order, own)
                table = trace(order, settings=own, photos=mine).sightings
                done += 1
                if table.num_rows:
                    best = max(table.to_pylist(), key=lambda row: row["posterior"])
                    reviews.review(order, best["tracklet_id"], "reject", settings=own)
                    trace(order, settings=own)
                    done += 1
    spare.keep(settings)
    return done
