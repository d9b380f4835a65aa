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
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.cameras import registry as registries
from pipeline.cameras import travel_time
from pipeline.casebook import demo
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import StoreError
from pipeline.settings import Settings
from pipeline.simulate import network, recogniser, truth
from pipeline.simulate.residents import populate
from pipeline.simulate.run import Plan
from pipeline.store import vectors
from pipeline.trace import assembly
from pipeline.trace import run as tracing
from pipeline.trace.contacts import Contact, Rule
from pipeline.trace.observations import Passes, Scope

#: Fewest recorded passes of a resident who is chosen as patient.
LEAST_PASSES = 3
#: Photographs enrolled of each patient: frontal, bare, this wide (pixels).
PHOTOS, PHOTO_PX = 3, 112.0
#: Thresholds the baselines may choose from, on the very data they are judged by:
#: the best of them is reported, which flatters them.
THRESHOLDS = tuple(round(0.40 + 0.02 * k, 2) for k in range(21))
#: Seconds within 2 m from which a contact counts, by name of the figure.
CONTACT_SECONDS = {"contact_f1_15min": 900, "contact_f1_1min": 60}
_BINS = 10


@dataclass(frozen=True)
class Photo:
    """A template as `vision.enrol` would make it."""

    embedding: np.ndarray
    model: str
    quality: float = 0.9
    face_width_px: float = PHOTO_PX


@dataclass
class Answer:
    """What one method said of one patient."""

    tracklets: np.ndarray  #: int64, passes said to be the patient's
    seconds: dict[int, int]  #: resident -> seconds within 2 m, any 24 hours
    probability: np.ndarray  #: float64, of each pass it named, on the path or not
    right: np.ndarray  #: bool, whether each of those is the patient's
    spent: float = 0.0
    strangers: int = 0  #: contacts beyond the first named for one resident


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
    known = _Known(city)
    chosen = _chosen(known, patients, seed)
    photos = _photos(plan, settings, chosen)
    rows: list[dict[str, Any]] = []
    answers: dict[str, list[Answer]] = {"trace": []}
    candidates: list[_Faces] = []
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
            candidates.append(_Faces.read(Scope(order, own), mine))
            rows.append(_row(case, resident, known, answer, result))
        baselines = {
            "nearest_neighbour_threshold": _best(known, chosen, candidates, own, False),
            "threshold_greedy_speed": _best(known, chosen, candidates, own, True),
        }
    report: dict[str, Any] = {**_figures(known, chosen, answers["trace"])}
    report["seconds_per_trace"] = float(np.mean([a.spent for a in answers["trace"]]))
    report["baselines"] = baselines
    report["city"] = json.loads(json.dumps(plan.__dict__))
    report["seed"] = seed
    report["patients"] = rows
    return report


class _Known:
    """The truth, arranged for questions."""

    def __init__(self, city: Path) -> None:
        path = truth.read(city, "path")
        path = path.filter(pa.compute.is_valid(path["tracklet_id"]))
        ids = path["tracklet_id"].to_numpy()
        order = np.argsort(ids)
        self.ids = ids[order]
        self.owner = path["resident"].to_numpy()[order]
        start = path["start_at"].cast(pa.int64()).to_numpy()[order]
        end = path["end_at"].cast(pa.int64()).to_numpy()[order]
        self.length = (end - start) / 1e6 + 1
        people = truth.read(city, "residents")
        self.recorded = people["resident"].to_numpy()[
            people["patient"].to_numpy(zero_copy_only=False)
        ]
        met = truth.read(city, "contacts")
        met = met.filter(met["recorded"])
        self.met: dict[int, dict[int, int]] = {}
        for patient, other, span in zip(
            met["patient"].to_pylist(),
            met["other"].to_pylist(),
            met["seconds"].to_pylist(),
            strict=True,
        ):
            near = self.met.setdefault(patient, {})
            near[other] = near.get(other, 0) + span

    def passes(self, resident: int) -> np.ndarray:
        """Tracklets of a resident."""
        return self.ids[self.owner == resident]

    def owner_of(self, tracklets: np.ndarray) -> np.ndarray:
        """Residents of tracklets, -1 unknown."""
        at = np.minimum(np.searchsorted(self.ids, tracklets), len(self.ids) - 1)
        return np.where(self.ids[at] == tracklets, self.owner[at], -1)

    def seconds_of(self, tracklets: np.ndarray) -> float:
        """Seconds of tracklets together."""
        at = np.minimum(np.searchsorted(self.ids, tracklets), len(self.ids) - 1)
        return float(self.length[at][self.ids[at] == tracklets].sum())

    def answer(self, resident: int, result: tracing.TraceResult) -> Answer:
        """Arrange what a trace said."""
        table = result.sightings
        ids = table["tracklet_id"].to_numpy()
        on_path = table["on_path"].to_numpy(zero_copy_only=False)
        pairs = [
            (row["tracklet_ids"], row["seconds_24h"])
            for row in result.contacts.to_pylist()
        ]
        seconds, more = self.by_resident(pairs)
        return Answer(
            tracklets=ids[on_path],
            seconds=seconds,
            probability=table["posterior"].to_numpy(),
            right=self.owner_of(ids) == resident,
            spent=result.seconds,
            strangers=more,
        )

    def by_resident(
        self, people: list[tuple[list[int], float]]
    ) -> tuple[dict[int, int], int]:
        """Name each contact by the resident most of its passes are."""
        seconds: dict[int, int] = {}
        more = 0
        for tracklets, span in people:
            owners = self.owner_of(np.asarray(tracklets, dtype=np.int64))
            names, counts = np.unique(owners, return_counts=True)
            who = int(names[np.argmax(counts)])
            more += who in seconds
            seconds[who] = max(seconds.get(who, 0), int(span))
        return seconds, more


@dataclass
class _Faces:
    """Faces worth a baseline's while, of one patient's order."""

    scope: Scope
    ids: np.ndarray  #: int64 [m]
    cosine: np.ndarray  #: float64 [m], best over the photos
    passes: Passes  #: the rows, same order, without embeddings

    @staticmethod
    def read(scope: Scope, photos: list[Photo]) -> _Faces:
        probes = np.stack([photo.embedding for photo in photos])
        kept, cosines = [], []
        for part in scope.stream(("face_i8", "face_scale")):
            has = part.table["face_i8"].is_valid().to_numpy(zero_copy_only=False)
            some = part.take(has)
            e8, _ = vectors.from_binary(some.table["face_i8"].combine_chunks())
            scale = some.table["face_scale"].to_numpy()
            cosine = (e8 @ probes.T * scale[:, None]).max(axis=1, initial=-1)
            near = cosine >= THRESHOLDS[0]
            few = some.take(near)
            bare = few.table.drop_columns(["face_i8", "face_scale"])
            kept.append(replace(few, table=bare))
            cosines.append(cosine[near])
        passes = Passes.concatenate(kept)
        order = np.lexsort((passes.ids, passes.start))
        passes = passes.take(order)
        return _Faces(scope, passes.ids, np.concatenate(cosines)[order], passes)

    def path(self, threshold: float, speed: bool) -> np.ndarray:
        """Rows a baseline holds to be the patient's."""
        rows = np.flatnonzero(self.cosine >= threshold)
        if not speed:
            return rows
        kept: list[int] = []  # the surest first, each reachable from all before
        for row in rows[np.lexsort((self.ids[rows], -self.cosine[rows]))]:
            if all(self._reachable(row, other) for other in kept):
                kept.append(int(row))
        return np.array(sorted(kept), dtype=np.int64)

    def _reachable(self, one: int, other: int) -> bool:
        these = self.passes
        a, b = (one, other) if these.start[one] <= these.start[other] else (other, one)
        metres = float(np.hypot(*(these.first[b] - these.last[a])))
        gap = float(these.start[b] - these.end[a])
        need = max(metres - travel_time.SLACK_M, 0) / travel_time.VEHICLE_MPS
        return gap >= need


def _best(
    known: _Known,
    chosen: list[int],
    faces: list[_Faces],
    settings: Settings,
    speed: bool,
) -> dict[str, Any]:
    """Figures of a baseline at the threshold that gives it the best path."""
    scored = []
    for threshold in THRESHOLDS:
        answers = []
        for resident, face in zip(chosen, faces, strict=True):
            rows = face.path(threshold, speed)
            answers.append(_plain(known, resident, face, rows, {}))
        scored.append((_figures(known, chosen, answers)["path_idf1"], threshold))
    threshold = max(scored)[1]
    answers = []
    for resident, face in zip(chosen, faces, strict=True):
        rows = face.path(threshold, speed)
        people = assembly.contacts_of(
            face.scope, face.passes.take(rows), Rule(), settings.threads
        )
        answers.append(_plain(known, resident, face, rows, _spans(known, people)))
    return {**_figures(known, chosen, answers), "threshold": threshold}


def _plain(
    known: _Known,
    resident: int,
    face: _Faces,
    rows: np.ndarray,
    seconds: dict[int, int],
) -> Answer:
    ids = face.ids[rows]
    return Answer(
        tracklets=ids,
        seconds=seconds,
        # The only certainty a threshold knows is its cosine.
        probability=np.clip(face.cosine[rows], 0, 1),
        right=known.owner_of(ids) == resident,
    )


def _spans(known: _Known, people: list[Contact]) -> dict[int, int]:
    pairs = [(list(one.tracklets), float(one.seconds_24h)) for one in people]
    return known.by_resident(pairs)[0]


def _figures(
    known: _Known, chosen: list[int], answers: list[Answer]
) -> dict[str, float]:
    """Pool the answers of all patients."""
    hit = named = true = hit_s = named_s = true_s = 0.0
    for resident, answer in zip(chosen, answers, strict=True):
        mine = known.passes(resident)
        right = answer.tracklets[np.isin(answer.tracklets, mine)]
        hit, named, true = (
            hit + len(right),
            named + len(answer.tracklets),
            true + len(mine),
        )
        hit_s += known.seconds_of(right)
        named_s += known.seconds_of(answer.tracklets)
        true_s += known.seconds_of(mine)
    figures = {
        "path_idf1": 2 * hit_s / max(named_s + true_s, 1e-9),
        "sighting_precision": hit / max(named, 1),
        "sighting_recall": hit / max(true, 1),
    }
    for name, least in CONTACT_SECONDS.items():
        both = said = were = 0
        for resident, answer in zip(chosen, answers, strict=True):
            truly = {k for k, s in known.met.get(resident, {}).items() if s >= least}
            named_as = {k for k, s in answer.seconds.items() if s >= least}
            both, said, were = (
                both + len(truly & named_as), said + len(named_as), were + len(truly),
            )  # fmt: skip
        figures[name] = 2 * both / (said + were) if said + were else float("nan")
        figures[f"{name.replace('_f1', 's')}_true"] = were
    probability = np.concatenate([answer.probability for answer in answers])
    right = np.concatenate([answer.right for answer in answers])
    figures["posterior_ece"] = calibration_error(probability, right)
    return figures


def calibration_error(probability: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error over ten equal bins (Naeini et al., AAAI 2015).

    Parameters
    ----------
    probability : float [n], 0..1.
    right : bool [n].
    """
    if not len(probability):
        return float("nan")
    place = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    gap = np.bincount(place, weights=probability - right, minlength=_BINS)
    return float(np.abs(gap).sum() / len(probability))


def reliability(answers: list[Answer]) -> list[dict[str, float]]:
    """Ten bins of posterior: how many, their mean, and the share that was right."""
    probability = np.concatenate([answer.probability for answer in answers])
    right = np.concatenate([answer.right for answer in answers])
    place = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    return [
        {
            "from": k / _BINS,
            "count": int((place == k).sum()),
            "mean": float(probability[place == k].mean()) if (place == k).any() else 0,
            "right": float(right[place == k].mean()) if (place == k).any() else 0,
        }
        for k in range(_BINS)
    ]


def _row(
    case: str, resident: int, known: _Known, answer: Answer, result: tracing.TraceResult
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


def _chosen(known: _Known, patients: int, seed: int) -> list[int]:
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
