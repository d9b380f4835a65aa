"""How right traces are: a simulated city's patients, retraced and held against truth.

Each patient goes through the casebook as any other: a case, an order approved by
another person, photographs enrolled, a trace. Two baselines see the same
observations through the same order: every face above a threshold (nearest
neighbour), and the same with passes dropped that could not be reached in time.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.cameras import registry as registries
from pipeline.casebook import database, demo
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import StoreError
from pipeline.evaluate.trace_baselines import Faces, best, with_known_path
from pipeline.evaluate.trace_figures import (
    Tally,
    figures_of,
    intervals_of,
    lead_of,
    reliability,
)
from pipeline.evaluate.trace_truth import Known
from pipeline.settings import Settings
from pipeline.simulate import network, recogniser
from pipeline.simulate.residents import populate
from pipeline.simulate.run import Plan
from pipeline.trace import observations
from pipeline.trace import run as tracing
from pipeline.trace.observations import Passes, Scope
from pipeline.trace.search import templates_of
from pipeline.trace.stays import of_legs

#: Fewest recorded passes of a resident who is chosen as patient.
LEAST_PASSES = 3
#: Seconds of contact by which some of the patients are chosen.
LONG_CONTACT_S, SHORT_CONTACT_S = 900, 60
#: Photographs enrolled of each patient: frontal, bare, this wide (pixels).
PHOTOS, PHOTO_PX = 3, 112.0


#: name -> whether passes must be reachable from each other.
BASELINES = {"nearest_neighbour_threshold": False, "threshold_greedy_speed": True}
#: Visits and contacts, were every pass of the patient known: no baseline, a bound.
BOUND = "known_path"


@dataclass(frozen=True)
class Photo:
    """A template as `vision.enrol` would make it."""

    embedding: np.ndarray
    model: str
    quality: float = 0.9
    face_width_px: float = PHOTO_PX


def evaluate(
    cities: Sequence[Path],
    patients: int,
    *,
    settings: Settings,
    seed: int = 1,
    pointed: bool = True,
    progress: Callable[[str, int], object] | None = None,
) -> dict[str, Any]:
    """Trace some residents of simulated cities and compare with their truth.

    Parameters
    ----------
    cities : folders made by `dongseon simulate`; nothing in them is changed.
    patients : how many residents of each to trace, drawn by `seed` (see `choose`)
        among those whose contacts are recorded and who were seen at least three times.
    settings : registry and threads; the casebook is a temporary one.
    pointed : begin with one pass of the patient pointed at, as where somebody was
        filmed at a clinic: that with the widest face; its face joins the photographs,
        for the baselines as well.
    progress : told the case in work and how many are finished.

    Returns
    -------
    dict of figures pooled over patients, with intervals, `baselines` (each with
    `lead_of_trace`), `cities` and `patients` inside. Sightings are counted by pass;
    `path_idf1` weighs each pass by its seconds. `contact_f1_15min` and
    `contact_f1_1min` hold the contacts named against all seconds within 2 m before
    cameras that recorded, seen by a tracker or not; those that end in `_shown` against
    seconds for which both people have a tracklet, which is all that footage can show.
    `contact_seconds_share` is the median share that was said of the seconds of true
    contacts of five minutes or more.
    `known_path` has the figures of visits and contacts were every pass known.

    Raises
    ------
    StoreError
        If a folder holds no truth, or nobody fit to be traced.
    """
    started = time.perf_counter()
    rows: list[dict[str, Any]] = []
    tallies: dict[str, list[Tally]] = {
        "trace": [],
        BOUND: [],
        **{name: [] for name in BASELINES},
    }
    told = []
    for city in cities:
        before = len(tallies["trace"])
        thresholds = _city(
            city, patients, settings, seed, pointed, tallies, rows, progress
        )
        mine = {name: figures_of(one[before:]) for name, one in tallies.items()}
        plan = json.loads(json.dumps(_plan(city).__dict__))
        own, bound = mine.pop("trace"), mine.pop(BOUND)
        told.append(
            {
                **own,
                "baselines": mine,
                BOUND: bound,
                "thresholds": thresholds,
                "city": plan,
            }
        )
    report: dict[str, Any] = _pooled(tallies["trace"])
    report["baselines"] = {
        name: {
            **_pooled(tallies[name]),
            "lead_of_trace": lead_of(tallies["trace"], tallies[name]),
        }
        for name in BASELINES
    }
    report[BOUND] = _pooled(tallies[BOUND])
    report["reliability"] = reliability(tallies["trace"])
    report["seconds_per_trace"] = float(np.mean([t.spent for t in tallies["trace"]]))
    report["cities"] = told
    report["seed"], report["pointed"] = seed, pointed
    report["seconds"] = time.perf_counter() - started
    report["patients"] = rows
    return report


def _pooled(tallies: list[Tally]) -> dict[str, Any]:
    return {**figures_of(tallies), "interval_5_95": intervals_of(tallies)}


def _city(
    city: Path,
    patients: int,
    settings: Settings,
    seed: int,
    pointed: bool,
    tallies: dict[str, list[Tally]],
    rows: list[dict[str, Any]],
    progress: Callable[[str, int], object] | None,
) -> dict[str, float]:
    """Trace the patients of one city; returns the baselines' thresholds."""
    plan = _plan(city)
    known = Known(city)
    chosen = choose(known, patients, seed)
    photos = _photos(plan, settings, chosen)
    faces: list[Faces] = []
    with installation(city, settings) as own:
        for number, resident in enumerate(chosen):
            case = f"E-{len(rows) + 1:03d}"
            if progress:
                progress(case, len(rows))
            authorisation = _order(own, case, plan)
            mine = photos[number]
            scope = Scope(authorisation, own)
            row = widest(scope, known, resident) if pointed else None
            tracklet = None if row is None else int(scope.passes().ids[row])
            result = tracing.trace(
                authorisation, settings=own, photos=mine, tracklet=tracklet
            )
            tally = _traced(known, resident, result)
            tallies["trace"].append(tally)
            tallies[BOUND].append(with_known_path(known, resident, scope))
            if row is not None:
                passes = scope.passes()
                mine = [*mine, *_views(passes, row)]
            faces.append(Faces.read(scope, mine))
            rows.append(_row(case, tally, result))
        thresholds = {}
        for name, speed in BASELINES.items():
            found, thresholds[name] = best(known, chosen, faces, speed)
            tallies[name] += found
    return thresholds


def _traced(known: Known, resident: int, result: tracing.TraceResult) -> Tally:
    table = result.sightings
    ids = table["tracklet_id"].to_numpy()
    on = table["on_path"].to_numpy(zero_copy_only=False)
    people = [
        (row["tracklet_ids"], row["seconds_24h"]) for row in result.contacts.to_pylist()
    ]
    candidates = (ids, table["posterior"].to_numpy())
    stayed = of_legs(result.legs)
    tally = known.tally(resident, ids[on], candidates, people, stayed)
    tally.spent = result.seconds
    return tally


def widest(scope: Scope, known: Known, resident: int) -> int | None:
    """Row of the pass of a resident that shows the widest face."""
    passes = scope.passes()
    mine = np.flatnonzero(np.isin(passes.ids, known.passes(resident)))
    if not len(mine):
        return None
    return int(mine[np.argmax(np.nan_to_num(passes.face_width_px[mine]))])


def _views(passes: Passes, row: int) -> list[Photo]:
    return [
        Photo(one.vector, one.model, face_width_px=one.width_px)
        for one in templates_of(passes, row)
        if one.kind == "face"
    ]


def _row(case: str, tally: Tally, result: tracing.TraceResult) -> dict[str, Any]:
    right, named, true = tally.passes
    return {
        "case": case,
        "passes": true,
        "on_path": named,
        "right": right,
        "posterior_sum": float(tally.probability.sum()),
        "absent": result.absent,
        "searched": result.tracklets_searched,
        "seconds": round(result.seconds, 3),
        "stages": {k: round(v, 3) for k, v in result.stages.items()},
    }


def _plan(city: Path) -> Plan:
    path = city / "truth" / "plan.json"
    try:
        return Plan(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise StoreError(
            f"{path} is no plan of a simulated city ({error}); make one with "
            f"`dongseon simulate --out {city}`."
        ) from error


def choose(known: Known, patients: int, seed: int) -> list[int]:
    """Draw residents fit to be traced.

    Half of them at random among all who were seen three times. The others have, as
    far as the city goes, a contact of fifteen minutes (three eighths of all) or of a
    minute: few have one of fifteen, and figures of contacts need some.
    """
    if patients < 1:
        raise StoreError(f"--patients must be at least 1, got {patients}.")
    count = np.bincount(known.owner, minlength=int(known.recorded.max(initial=0)) + 1)
    fit = np.sort(known.recorded[count[known.recorded] >= LEAST_PASSES])
    if len(fit) < patients:
        raise StoreError(
            f"Only {len(fit)} residents are fit to be traced (contacts recorded, seen "
            f"{LEAST_PASSES} times); ask for fewer --patients, or simulate with more."
        )
    rng = np.random.default_rng([seed, 77])
    longest = np.array([known.longest_contact(int(one)) for one in fit])
    chosen: list[int] = []
    for pool, upto in (
        (fit, (patients + 1) // 2),
        (fit[longest >= LONG_CONTACT_S], (patients + 1) // 2 + patients * 3 // 8),
        (fit[longest >= SHORT_CONTACT_S], patients),
        (fit, patients),
    ):
        left = pool[~np.isin(pool, chosen)]
        wanted = min(upto - len(chosen), len(left))
        chosen += rng.choice(left, wanted, replace=False).astype(int).tolist()
    return sorted(chosen)


def photographs(city: Path, settings: Settings, chosen: list[int]) -> list[list[Photo]]:
    """Photographs of residents of a city."""
    return _photos(_plan(city), settings, chosen)


def order(settings: Settings, case: str, city: Path) -> Authorisation:
    """An approved order over all of a city and its time."""
    return _order(settings, case, _plan(city))


def _photos(plan: Plan, settings: Settings, chosen: list[int]) -> list[list[Photo]]:
    """Photographs of the chosen: the people are drawn again, as the plan says."""
    cameras = registries.load(settings.registry)
    if len(cameras) != plan.cameras:
        raise StoreError(
            f"The city was simulated with a registry of {plan.cameras} cameras, "
            f"{settings.registry} has {len(cameras)}; set DONGSEON_REGISTRY to "
            "the one it was made with."
        )
    net = network.build(cameras, plan.density, plan.hours, plan.seed)
    law = recogniser.load()
    people = populate(plan.residents, net, law, plan.mask_share, plan.seed)
    result = []
    for one in chosen:
        rng = np.random.default_rng([plan.seed, 78, one])
        faces = law.faces(
            np.repeat(people.face[one][None].astype(np.float32), PHOTOS, axis=0),
            np.repeat(people.face_rest[one][None].astype(np.float32), PHOTOS, axis=0),
            np.full(PHOTOS, PHOTO_PX),
            np.zeros(PHOTOS, dtype=bool),
            rng,
        )
        result.append([Photo(face, plan.face_model) for face in faces])
    return result


@contextlib.contextmanager
def installation(
    city: Path, settings: Settings, within: Path | None = None
) -> Iterator[Settings]:
    """A casebook of its own beside a city's observations, for as long as needed.

    Parameters
    ----------
    within : folder of its temporary folder; default: the system's.
    """
    with tempfile.TemporaryDirectory(prefix="dongseon-evaluate-", dir=within) as home:
        data = Path(home) / "data"
        data.mkdir()
        (data / "observations").symlink_to((city / "observations").resolve())
        own = settings.model_copy(
            update={
                "data_dir": data,
                "key_file": Path(home) / "casebook.key",
                "casebook_url": None,
                "observations": "",
                "models_dir": settings.weights_dir,
            }
        )
        try:
            yield own
        finally:
            observations.forget()
            database.dispose(own)


def _order(settings: Settings, case: str, plan: Plan) -> Authorisation:
    start = datetime.fromisoformat(plan.start)
    window = (start, start + timedelta(hours=plan.hours))
    return demo.demo_order(settings, case, window, "investigator", "approver")


def save(report: dict[str, Any], path: Path) -> None:
    """Write a report as JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pending = path.with_name(f".{path.name}.pending")
    pending.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    pending.replace(path)
