"""Finding the patient: seeds, search and path put together."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline.casebook import anchors, galleries
from pipeline.casebook.authorisation import Authorisation
from pipeline.errors import DongseonError
from pipeline.settings import Settings
from pipeline.store.ids import to_local_cm
from pipeline.trace import constants as c
from pipeline.trace import gaps, hunt, observations, path, reach, review, search, walks
from pipeline.trace import streets as by_street
from pipeline.trace.observations import Footage, Passes, Scope
from pipeline.trace.remembered import Remembered
from pipeline.trace.rowmap import RowSet
from pipeline.trace.search import Evidence, Faces, templates_of
from pipeline.trace.streets import Streets
from pipeline.trace.templates import Template


@dataclass(frozen=True)
class Seeds:
    """What the search starts from."""

    templates: list[Template]
    certain: frozenset[int]  #: tracklets pointed at
    text: str  #: for the run table: "tracklet 123", "3 photos"
    remarks: tuple[str, ...] = ()
    told: Remembered = field(default_factory=lambda: remembered([]))


def seeds_of(authorisation: Authorisation, passes: Passes, settings: Settings) -> Seeds:
    """Return what a case's gallery offers to search with.

    Raises
    ------
    DongseonError
        If it offers nothing.
    """
    templates: list[Template] = []
    certain: list[int] = []
    remarks: list[str] = []
    count = 0
    for entry in galleries.templates(authorisation, settings=settings):
        if entry.kind == "tracklet" and entry.tracklet_id is not None:
            row = passes.row(int(entry.tracklet_id))
            if row is None:
                remarks.append(
                    f"Tracklet {entry.tracklet_id} of the gallery lies outside this "
                    "order or is no longer kept; it was not used."
                )
                continue
            certain.append(int(entry.tracklet_id))
            templates += templates_of(passes, row)
        elif entry.embedding is not None:
            count += 1
            templates.append(
                Template(
                    kind="face",
                    model=str(entry.model),
                    vector=np.asarray(entry.embedding, dtype=np.float32),
                    width_px=float(entry.face_width_px or 112.0),
                    masked_vector=entry.masked_embedding,
                )
            )
    if not templates and not certain:
        raise DongseonError(
            f"The gallery of case {authorisation.case} is empty; point at a person "
            "with --tracklet ID or give photos with --photo FILE.",
            code="gallery_empty",
            case=authorisation.case,
        )
    parts = [f"tracklet {one}" for one in certain]
    if count:
        parts.append("1 photo" if count == 1 else f"{count} photos")
    told = remembered(anchors.listed(authorisation, settings=settings))
    return Seeds(templates, frozenset(certain), ", ".join(parts), tuple(remarks), told)


def remembered(told: Sequence[anchors.Anchor]) -> Remembered:
    """Arrange what the patient remembers, in order of time."""
    east, north = to_local_cm(
        np.array([one.lon for one in told], dtype=float),
        np.array([one.lat for one in told], dtype=float),
    )
    return Remembered(
        number=np.array([one.id for one in told], dtype=np.int64),
        at=np.array([one.at.timestamp() for one in told], dtype=float),
        place=np.column_stack([east, north]) / 100,
        seconds=np.array([one.seconds for one in told], dtype=float),
        metres=np.array([one.metres for one in told], dtype=float),
    )


def prepare(
    authorisation: Authorisation,
    settings: Settings,
    progress: Callable[[float], object] | None = None,
    sought: Callable[[], Sequence[Authorisation]] = tuple,
) -> None:
    """Read what an order opens into memory, for the traces that follow under it.

    Parameters
    ----------
    progress : told the share read, 0..1; raise in it to cancel.
    sought : asked, once all is read, for the cases over the same window and area whose
        faces are to be looked for, at once.
    """
    scope = Scope(authorisation, settings)
    passes = scope.passes(progress)
    people = _people(passes, sought(), settings)
    with ThreadPoolExecutor(1) as beside:
        looked = beside.submit(search.foresee, people, c.ANCHOR_LLR, settings.threads)
        field, _ = hunt.prepare(passes, scope.footage())
        # What every trace asks first: clothing of the days, compiled code made ready.
        for day in np.unique(field.day[[0, -1]] if len(field) else field.day):
            field.wardrobe.law(int(day))
        walks.follow(field, np.arange(min(len(field), 1)), RowSet())
        reach.ready(field)
        gaps.decisive(passes)
        passes.kept("opened", lambda: passes.vault.open(settings.threads))
        by_street.of(settings, scope.registry)
        looked.result()


def forget_sought() -> None:
    """Forget in this process what `prepare` looked for: others have it by now."""
    for passes in observations.held():
        search.let_go(passes, [])


def _people(
    passes: Passes, authorisations: Sequence[Authorisation], settings: Settings
) -> list[Faces]:
    people = []
    for authorisation in authorisations:
        # Whose gallery cannot be used is told so by the trace.
        with contextlib.suppress(DongseonError):
            seeds = seeds_of(authorisation, passes, settings)
            people.append(Faces(passes, seeds.templates))
    return people


# Many small products: threads of the library would wait for each other, and sum up
# in an order of their own.
@threadpool_limits.wrap(limits=1, user_api="blas")
def find(
    passes: Passes,
    footage: Footage,
    seeds: Seeds,
    decided: review.Decisions,
    settings: Settings,
    progress: Callable[[float], object] | None = None,
    streets: Streets | None = None,
) -> tuple[Evidence, path.Path, np.ndarray]:
    """Search and path: faces first, then walks around them, then clothing.

    `progress` is told the share of the faces looked at, 0..1; raise in it to cancel.
    Returns the evidence, the path over the candidates, and their rows in `passes`.
    """
    return prepared(passes, footage, seeds, settings, decided, progress, streets).run()


def prepared(
    passes: Passes,
    footage: Footage,
    seeds: Seeds,
    settings: Settings,
    decided: review.Decisions | None = None,
    progress: Callable[[float], object] | None = None,
    streets: Streets | None = None,
) -> hunt.Hunt:
    """Return the hunt that `find` runs."""
    decided = decided or review.Decisions()
    certain = (seeds.certain | decided.certain) - decided.rejected
    return hunt.Hunt(
        passes, footage, seeds.templates, certain, decided, settings.threads,
        progress, seeds.told, streets,
    )  # fmt: skip
