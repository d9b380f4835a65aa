"""Hits: faces that may decide, of several people, found in one look at all faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.store.schema import MASK_STATES
from pipeline.trace import calibration
from pipeline.trace.passes import Passes
from pipeline.trace.templates import MASKED, Template

#: Whether each mask state is a masked face.
_IS_MASKED = np.isin(MASK_STATES, MASKED).astype(np.int64)


@dataclass(frozen=True)
class _Probe:
    """A view to scan for."""

    person: int  #: which of the people it is of
    vector: np.ndarray  #: float32 [d]
    #: float32 [2, levels], cosine below which a bare, a masked face of a width does not
    #: decide
    least: np.ndarray


def deciding(
    passes: Passes,
    people: Sequence[Mapping[str, Sequence[Template]]],
    least_llr: float,
    threads: int,
    progress: Callable[[float], object] | None = None,
) -> list[np.ndarray]:
    """Find every face whose evidence may reach `least_llr` for one of some people.

    Parameters
    ----------
    people : of each person the views of the face, by model.
    threads : of the scan; the result is the same for any.
    progress : told the share done, 0..1; raise in it to cancel.

    Returns
    -------
    Rows int64 of each person, ascending: all that reach it, and a few that do not.
    """
    found: list[list[np.ndarray]] = [[np.empty(0, np.int64)] for _ in people]
    models = sorted({model for views in people for model in views})
    for turn, model in enumerate(models):
        probes = [
            probe
            for number, views in enumerate(people)
            for one in views.get(model, ())
            for probe in _probes(number, model, one, least_llr)
        ]
        if not probes:
            continue
        table = np.stack([probe.least for probe in probes])
        lowest = table.min(axis=0)

        def share(done: float, turn: int = turn) -> None:
            if progress is not None:
                progress((turn + done) / len(models))

        def least_of(rows: np.ndarray, lowest: np.ndarray = lowest) -> np.ndarray:
            return np.asarray(lowest[_kind(passes, rows)])

        rows, which, cosine = passes.vault.scan(
            model,
            np.stack([probe.vector for probe in probes]).astype(np.float32),
            table.min(axis=(1, 2)),
            threads,
            share,
            least_of,
        )
        masked, level = _kind(passes, rows)
        near = cosine >= table[which, masked, level]
        person = np.array([probe.person for probe in probes])[which]
        for number, mine in enumerate(found):
            mine.append(rows[near & (person == number)])
    return [np.unique(np.concatenate(rows)) for rows in found]


def _kind(passes: Passes, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether faces are masked (0, 1), and the level of their width."""
    masked = _IS_MASKED[passes.mask_code[rows]]
    return masked, calibration.width_level(passes.face_width_px[rows])


def _probes(person: int, model: str, view: Template, least_llr: float) -> list[_Probe]:
    """What to scan for, and from which cosine each is worth a look."""

    def least(kind: int) -> np.ndarray:
        table = calibration.least_similarity(least_llr, kind, model)
        # The narrower of two faces decides what their likeness says.
        most = int(calibration.width_level(np.array([view.width_px]))[0])
        return table[np.minimum(np.arange(len(table)), most)]

    plain = int(view.mask in MASKED)
    bare, masked = (
        least(calibration.BARE + plain),
        least(calibration.ONE_MASKED + plain),
    )
    never = np.full(len(bare), np.inf, dtype=np.float32)
    if view.masked_vector is None:
        return [_Probe(person, view.vector, np.stack([bare, masked]))]
    aware = least(calibration.MASK_AWARE)
    return [
        _Probe(person, view.vector, np.stack([bare, never])),
        _Probe(person, np.asarray(view.masked_vector), np.stack([never, aware])),
    ]
