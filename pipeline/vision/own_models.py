"""A city's own weights, and which recogniser is in use: one small file beside them.

A file that is added is run once before it is believed, copied among the weights and
from then on refused when its sha256 has changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.errors import ModelError

FILE = "own-models.json"
EMBEDDING = "face embedding"
FACES, PERSONS = "face detection", "person detection"
APPEARANCE = "appearance embedding"
#: What a model may be for.
TASKS = (EMBEDDING, FACES, PERSONS, APPEARANCE)
SUFFIXES = (".onnx", ".tflite", ".pb")
_VERSION = 1


@dataclass(frozen=True)
class Own:
    """One weight file that somebody added here."""

    name: str
    task: str
    file: str  #: file name in the folder of weights
    sha256: str
    size: int  #: bytes
    licence: str
    source: str
    input_size: str
    colour: str = "rgb"  #: order of the channels, "rgb" or "bgr"
    middle: float = 127.5  #: a pixel p enters as (p - middle) / span
    span: float = 127.5


def added(weights_dir: Path) -> list[Own]:
    """Return the models that were added, in order."""
    return [Own(**one) for one in _read(weights_dir)["own"]]


def entry(name: str, weights_dir: Path) -> Own:
    """Return one added model.

    Raises
    ------
    ModelError
        No model of that name was added.
    """
    for one in added(weights_dir):
        if one.name == name:
            return one
    raise ModelError(f"No model named {name!r} was added; see `dongseon models list`.")


def path_of(one: Own, weights_dir: Path) -> Path:
    """Return the verified weight file of an added model.

    Raises
    ------
    ModelError
        The file is not there or is not the one that was added.
    """
    path = weights_dir / one.file
    problem = problem_of(one, weights_dir)
    if problem:
        raise ModelError(
            f"The weights of {one.name} cannot be used: {path} {problem}; add them "
            "again with `dongseon models add`."
        )
    return path


def problem_of(one: Own, weights_dir: Path) -> str:
    """Return what is wrong with an added file, as the end of a sentence, or ""."""
    path = weights_dir / one.file
    if not path.is_file():
        return "is not there"
    if path.stat().st_size != one.size or _digest(path) != one.sha256:
        return "has another sha256 than when it was added"
    return ""


def add(
    path: Path,
    weights_dir: Path,
    *,
    name: str,
    task: str,
    licence: str,
    source: str,
    sha256: str | None = None,
    colour: str = "rgb",
    middle: float = 127.5,
    span: float = 127.5,
    taken: tuple[str, ...] = (),
) -> Own:
    """Check a weight file, run it, copy it among the weights and note it.

    Parameters
    ----------
    path
        ONNX, TFLite or frozen TensorFlow graph.
    weights_dir
        Folder of weights.
    name
        New registry name; stored with everything the model makes.
    task
        One of `TASKS`: what `dongseon models use` puts it to. Face detection takes
        a YuNet, person detection a YOLOX, appearance an OSNet or its like.
    licence, source
        For the record.
    sha256
        Hash the file must have, where the source tells it.
    colour, middle, span
        How a recogniser wants its pixels.
    taken
        Names that are in use already.

    Raises
    ------
    ModelError
        The file, its hash, its name or what it gives is not right; nothing changed.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,47}", name):
        raise ModelError(
            f"{name!r} is no name for a model; use 2 to 48 small letters, digits, "
            "dots and hyphens."
        )
    if name in taken or any(one.name == name for one in added(weights_dir)):
        raise ModelError(f"There is a model named {name!r} already; choose another.")
    if task not in TASKS:
        raise ModelError(f"{task!r} is no task; choose one of: {', '.join(TASKS)}.")
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        raise ModelError(
            f"{path} is no weight file; give an existing .onnx, .tflite or .pb file."
        )
    if colour not in ("rgb", "bgr") or span == 0:
        raise ModelError("The colour is rgb or bgr, and the span is not zero.")
    digest = _digest(path)
    if sha256 is not None and digest != sha256.lower():
        raise ModelError(
            f"{path} was refused: its sha256 is {digest}, not the one given; nothing "
            "was changed."
        )
    one = Own(
        name=name,
        task=task,
        file=f"own-{name}{path.suffix.lower()}",
        sha256=digest,
        size=path.stat().st_size,
        licence=licence,
        source=source,
        input_size=_tried(path, task, colour, middle, span),
        colour=colour,
        middle=middle,
        span=span,
    )
    weights_dir.mkdir(parents=True, exist_ok=True)
    partial = weights_dir / f".{one.file}.{os.getpid()}.partial"
    try:
        shutil.copyfile(path, partial)
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())
        partial.replace(weights_dir / one.file)
    finally:
        partial.unlink(missing_ok=True)
    state = _read(weights_dir)
    _write(weights_dir, {**state, "own": [*state["own"], asdict(one)]})
    return one


def chosen(weights_dir: Path) -> str | None:
    """Return the recogniser that was chosen, None for the default."""
    return _read(weights_dir)["recogniser"]


def choose(name: str, weights_dir: Path) -> None:
    """Note the recogniser in use."""
    weights_dir.mkdir(parents=True, exist_ok=True)
    _write(weights_dir, {**_read(weights_dir), "recogniser": name})


def used(task: str, weights_dir: Path) -> Own | None:
    """Return the added model that is in use for a task; None: the one that ships."""
    name = _read(weights_dir)["used"].get(task)
    return None if name is None else entry(name, weights_dir)


def put_to_use(task: str, name: str | None, weights_dir: Path) -> None:
    """Note the added model that does a task; None for the one that ships.

    Raises
    ------
    ModelError
        No model of that name was added for the task, or its file has changed.
    """
    state = _read(weights_dir)
    others = {key: value for key, value in state["used"].items() if key != task}
    if name is not None:
        one = entry(name, weights_dir)
        if one.task != task:
            raise ModelError(f"{name} is for {one.task}, not for {task}.")
        path_of(one, weights_dir)
        others[task] = name
    if others != state["used"]:
        _write(weights_dir, {**state, "used": others})


def _tried(path: Path, task: str, colour: str, middle: float, span: float) -> str:
    """Run a network once; return what it takes and gives, in words."""
    if task == EMBEDDING:
        from pipeline.vision.recognisers import Convolved

        network = Convolved(path, colour=colour, middle=middle, span=span)
        return f"{colour.upper()} float32 112x112, gives {network.dimensions} numbers"
    from pipeline.vision import own_networks

    if task == FACES:
        own_networks.Yunet(path)
        return "BGR uint8 of any size, gives faces with five landmarks"
    if task == PERSONS:
        side = own_networks.Yolox(path).side
        return f"BGR float32 {side}x{side}, gives boxes of persons"
    bodies = own_networks.Bodies(path)
    return f"RGB float32 256x128, gives {bodies.dimensions} numbers"


def _read(weights_dir: Path) -> dict:
    path = weights_dir / FILE
    if not path.is_file():
        return {"version": _VERSION, "recogniser": None, "own": [], "used": {}}
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        if state["version"] != _VERSION:
            raise ValueError(f"version {state['version']}")
        [Own(**one) for one in state["own"]]
        return {"recogniser": None, "used": {}, **state}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path} cannot be read ({error}); move it away and add the models again."
        ) from error


def _write(weights_dir: Path, state: dict) -> None:
    path = weights_dir / FILE
    partial = path.with_name(f".{FILE}.{os.getpid()}.partial")
    try:
        partial.write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
