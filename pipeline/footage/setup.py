"""What a new installation still lacks before it can show a path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import func, select

from pipeline.cameras import registry as registries
from pipeline.casebook import database, tables
from pipeline.errors import DongseonError
from pipeline.settings import Settings, get_settings
from pipeline.store import layout
from pipeline.store.place import root_of
from pipeline.vision import models


@dataclass(frozen=True)
class Step:
    """One step, in the order in which they are to be taken."""

    name: str  #: registry, weights, footage, case, order, trace
    done: bool
    number: int | None = None  #: cameras, hours with footage ...; None: not counted


def is_fresh(*, settings: Settings | None = None) -> bool:
    """Tell whether nothing has been stored: no footage, no result, no case."""
    settings = settings or get_settings()
    return not any(count(settings) for count in (_footage_hours, _results, _cases))


def steps(*, settings: Settings | None = None) -> list[Step]:
    """Return the steps with what is there already; no name, no content.

    An installation that is not fresh has more to hide: ask only for a fresh one.
    """
    settings = settings or get_settings()
    cameras = _registry(settings)
    counted: list[tuple[str, Callable[[Settings], int]]] = [
        ("footage", _footage_hours),
        ("case", _cases),
        ("order", _orders),
        ("trace", _results),
    ]
    found = [
        Step("registry", cameras > 0, cameras),
        Step("weights", _weights(settings)),
    ]
    for name, count in counted:
        number = count(settings)
        found.append(Step(name, number > 0, number))
    return found


def _registry(settings: Settings) -> int:
    try:
        return len(registries.load(settings.registry, check=False).cameras)
    except DongseonError:
        return 0


def _weights(settings: Settings) -> bool:
    """Tell whether the required weights lie in place (they are verified on use)."""
    return all(
        (settings.weights_dir / weight.file).is_file()
        for weight in models.WEIGHTS
        if not weight.optional
    )


def _footage_hours(settings: Settings) -> int:
    return len(layout.hours(root_of(settings), "footage"))


def _results(settings: Settings) -> int:
    return sum(1 for _ in settings.results_dir.glob("case=*/run=*"))


def _cases(settings: Settings) -> int:
    return _rows(settings, "cases")


def _orders(settings: Settings) -> int:
    return _rows(settings, "orders")


def _rows(settings: Settings, name: str) -> int:
    table = tables.metadata.tables[name]
    with database.reading(settings) as connection:
        return int(
            connection.execute(select(func.count()).select_from(table)).scalar_one()
        )
