"""How right traces are: a simulated city's patients, retraced and held against truth.

Each patient goes through the casebook as any other: a case, an order approved by
another person, photographs enrolled, a trace. Two baselines see the same
observations through the same order: every face above a threshold (nearest
neighbour), and the same with passes dropped that could not be reached in time.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.cameras import registry as registries
from pipeline.casebook import demo
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import StoreError
from pipeline.evaluate.trace_baselines import Faces, best
from pipeline.evaluate.trace_figures import figures_of
from pipeline.evaluate.trace_truth import Answer, Known
from pipeline.settings import Settings
from pipeline.simulate import network, recogniser
from pipeline.simulate.residents import populate
from pipeline.simulate.run import Plan
from pipeline.trace import run as tracing
from pipeline.trace.observations import Scope

#: Fewest recorded passes of a resident who is chosen as patient.
LEAST_PASSES = 3
#: Photographs enrolled of each patient: frontal, bare, this wide (pixels).
PHOTOS, PHOTO_PX = 3, 112.0


@dataclass(frozen=True)
class Photo:
    """A template as `vision.enrol` would make it."""

    embedding: np.ndarray
    model: str
    quality: float = 0.9
    face_width_px: float = PHOTO_PX


def evaluate(
    city: Path,
    patients: int,
    *,
    settings: Settings,
    seed: int = 1,
    progress: Callable[[str, int], object] | None = None,
) -> dict[str, Any]:
    """Trace some residents of a simulated city and compare with its truth.

    Parameters
    ----------
    city : folder made by `dongseon simulate`; nothing in it is changed.
    patients : how many residents to trace, drawn by `seed` among those whose
        contacts are recorded and who were seen at least three times.
    settings : registry and threads; the casebook is a temporary one.
    progress : told the case in work and how many are finished.

    Returns
    -------
    dict of figures pooled over patients, with `baselines` and `patients` inside.
    Sightings are counted by pass; `path_idf1` weighs each pass by its seconds.

    Raises
    ------
    StoreError
        If the folder holds no truth, or nobody fit to be traced.
    """
    plan = _plan(city)
    known = Known(city)
    chosen = _chosen(known, patients, seed)
    photos = _photos(plan, settings, chosen)
    rows: list[dict[str, Any]] = []
    answers: dict[str, list[Answer]] = {"trace": []}
    candidates: list[Faces] = []
    with tempfile.TemporaryDirectory(prefix="dongseon-evaluate-") as home:
        own = _installation(Path(home), city, settings)
        for number, resident in enumerate(chosen):
            case = f"E-{number + 1:03d}"
            if progress:
                progress(case, number)
            order = _order(own, case, plan)
            mine = photos[number]
            result = tracing.trace(order, settings=own, photos=mine)
            answer = known.answer(resident, result)
            answers["trace"].append(answer)
            candidates.append(Faces.read(Scope(order, own), mine))
            rows.append(_row(case, resident, known, answer, result))
        baselines = {
            "nearest_neighbour_threshold": best(known, chosen, candidates, own, False),
            "threshold_greedy_speed": best(known, chosen, candidates, own, True),
        }
    report: dict[str, Any] = {**figures_of(known, chosen, answers["trace"])}
    report["seconds_per_trace"] = float(np.mean([a.spent for a in answers["trace"]]))
    report["baselines"] = baselines
    report["city"] = json.loads(json.dumps(plan.__dict__))
    report["seed"] = seed
    report["patients"] = rows
    return report


def _row(
    case: str, resident: int, known: Known, answer: Answer, result: tracing.TraceResult
) -> dict[str, Any]:
    mine = known.passes(resident)
    return {
        "case": case,
        "passes": len(mine),
        "on_path": len(answer.tracklets),
        "right": int(np.isin(answer.tracklets, mine).sum()),
        "posterior_sum": float(answer.probability.sum()),
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


def _chosen(known: Known, patients: int, seed: int) -> list[int]:
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
    return sorted(int(one) for one in rng.choice(fit, patients, replace=False))


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


def _installation(home: Path, city: Path, settings: Settings) -> Settings:
    """A casebook of its own beside the city's observations."""
    data = home / "data"
    data.mkdir()
    (data / "observations").symlink_to((city / "observations").resolve())
    return settings.model_copy(
        update={
            "data_dir": data,
            "key_file": home / "casebook.key",
            "casebook_url": None,
            "models_dir": settings.weights_dir,
        }
    )


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


def run(
    city: Path, patients: int, out: Path | None, settings: Settings, seed: int = 1
) -> dict[str, Any]:
    """Evaluate and save; see `evaluate`."""
    started = time.perf_counter()
    report = evaluate(city, patients, settings=settings, seed=seed)
    report["seconds"] = time.perf_counter() - started
    if out is not None:
        save(report, out)
    return report
