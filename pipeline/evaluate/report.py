"""What the evaluations share: photos, progress, and the written figures."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from pipeline.errors import PhotoError
from pipeline.evaluate.tables import EvaluationError

T = TypeVar("T")


def read_image(path: Path) -> np.ndarray | None:
    """Return a picture upright as uint8 [h, w, 3] BGR, or None if it is damaged.

    Reads what enrolment reads: grey, 16 bits, CMYK, palettes, transparency, turned
    by EXIF; its longer side is brought to `enrol.LONGEST` at most.
    """
    from pipeline.vision.enrol import read_photo

    try:
        image = read_photo(path)
    except PhotoError:
        return None
    return image if image.size else None


def shown(items: Sequence[T], what: str, quiet: bool = False) -> Iterator[T]:
    """Yield items; on a terminal with a bar, the rate and the time left."""
    yield from counted(items, len(items), what, quiet)


def counted(
    items: Iterable[T], total: int, what: str, quiet: bool = False
) -> Iterator[T]:
    """Yield items whose number is known before; see `shown`."""
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield from items
        return
    with progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[rate]}"),
        progress.TextColumn("left"),
        progress.TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task(what, total=total, rate="")
        for item in items:
            yield item
            bar.advance(task)
            speed = bar.tasks[0].speed
            bar.update(task, rate=f"{speed:.1f}/s" if speed else "")


def write(figures: dict[str, Any], out: Path) -> None:
    """Write figures as JSON, replacing the file at once; no number is NaN.

    Raises
    ------
    EvaluationError
        The file cannot be written.
    """
    text = json.dumps(plain(figures), indent=2, ensure_ascii=False, allow_nan=False)
    partial = out.with_name(f".{out.name}.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(out)
    except OSError as error:
        if error.errno == 28:
            raise
        raise EvaluationError(
            f"{out} cannot be written ({error.strerror}); give another --json."
        ) from error
    finally:
        if partial.is_file():
            partial.unlink()


def plain(value: Any) -> Any:
    """Return a value as JSON holds it: rounded, and None for what is not a number."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return round(float(value), 6) if math.isfinite(value) else None
    if isinstance(value, Path):
        return value.name
    return value


def provenance(models: dict[str, str], seconds: float) -> dict[str, Any]:
    """Return what was measured with: models, version, machine and time."""
    from pipeline import __version__

    return {
        "version": __version__,
        "models": models,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "seconds": round(seconds, 1),
    }


def model_hashes(*names: str) -> dict[str, str]:
    """Return registry names of models and the sha256 of their files."""
    from pipeline.vision.models import find

    return {name: find(name).sha256 for name in names}
