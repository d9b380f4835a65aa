"""Reading lists of labelled pictures; every mistake is told by row and field."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import DongseonError

#: Words for "one person" and "two people" in a list of pairs.
YES, NO = {"1", "true", "yes", "y", "same"}, {"0", "false", "no", "n", "different"}
#: Files that are taken for pictures, by the end of their name.
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif"}


class EvaluationError(DongseonError):
    """What was given to measure on cannot be used."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of pictures and whether they show one person."""

    images: list[Path]  #: every picture once
    first: np.ndarray  #: int64 [n], row in `images`
    second: np.ndarray  #: int64 [n], row in `images`
    same: np.ndarray  #: bool [n]


@dataclass(frozen=True)
class Groups:
    """Pictures of known people of known groups."""

    images: list[Path]
    persons: np.ndarray  #: str [n]
    groups: np.ndarray  #: str [n]


def read_pairs(path: Path, root: Path | None = None) -> Pairs:
    """Read a list of pairs with the columns image_a, image_b and same_person.

    Parameters
    ----------
    path
        CSV file, UTF-8.
    root
        Folder to which the pictures' paths are relative; by default the list's.

    Raises
    ------
    EvaluationError
        A column, a value or a picture is missing, or one kind of pair is.
    """
    rows = _rows(path, ("image_a", "image_b", "same_person"))
    folder = root or path.parent
    images: dict[Path, int] = {}
    sides: list[list[int]] = [[], []]
    same = []
    for number, row in rows:
        for side, column in enumerate(("image_a", "image_b")):
            found = _picture(path, number, column, row[column], folder)
            sides[side].append(images.setdefault(found, len(images)))
        word = row["same_person"].strip().lower()
        if word not in YES | NO:
            raise EvaluationError(
                f"Row {number} of {path}, same_person: {row['same_person']!r} is "
                "neither 1 (one person) nor 0 (two people)."
            )
        same.append(word in YES)
    truth = np.array(same)
    for present, name in ((truth, "one person"), (~truth, "two people")):
        if not present.any():
            raise EvaluationError(
                f"{path} has no pair of {name}; both kinds are needed to measure."
            )
    first, second = (np.array(side, np.int64) for side in sides)
    return Pairs(list(images), first, second, truth)


def read_groups(path: Path, root: Path | None = None) -> Groups:
    """Read a list of pictures with the columns image, person and group.

    Raises
    ------
    EvaluationError
        A column, a value or a picture is missing, or a person is in two groups.
    """
    images, persons, groups = [], [], []
    home: dict[str, tuple[str, int]] = {}
    for number, row in _rows(path, ("image", "person", "group")):
        images.append(
            _picture(path, number, "image", row["image"], root or path.parent)
        )
        person, group = row["person"].strip(), row["group"].strip()
        for column, value in (("person", person), ("group", group)):
            if not value:
                raise EvaluationError(
                    f"Row {number} of {path}, {column}: empty; fill it in."
                )
        known, where = home.setdefault(person, (group, number))
        if known != group:
            raise EvaluationError(
                f"Row {number} of {path}, group: {person!r} is in {group!r} here and "
                f"in {known!r} in row {where}; give each person one group."
            )
        persons.append(person)
        groups.append(group)
    return Groups(images, np.array(persons), np.array(groups))


def pictures(folder: Path) -> list[Path]:
    """Return the pictures of a folder and its sub-folders, sorted by name.

    Raises
    ------
    EvaluationError
        The folder is missing or has no picture.
    """
    if not folder.is_dir():
        raise EvaluationError(f"There is no folder {folder}; check the path.")
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise EvaluationError(f"{folder} has no picture (JPEG, PNG, BMP, WebP, TIFF).")
    return found


def _rows(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Return numbered rows (the heading is row 1), each with every column."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="", skipinitialspace=True)
            names = [name.strip() for name in reader.fieldnames or []]
            reader.fieldnames = names
            for column in columns:
                if column not in names:
                    raise EvaluationError(
                        f"Row 1 of {path} has no column {column!r}; it has "
                        f"{', '.join(names) or 'nothing'}, and needs "
                        f"{', '.join(columns)}."
                    )
            rows = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise EvaluationError(
            f"{path} cannot be read ({error.strerror}); check the path."
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise EvaluationError(
            f"{path} is no CSV in UTF-8 ({error}); save it as one."
        ) from error
    if not rows:
        raise EvaluationError(f"{path} has a heading but no row; add some.")
    return rows


def _picture(path: Path, row: int, column: str, name: str, folder: Path) -> Path:
    found = folder / name.strip()
    if not name.strip() or not found.is_file():
        told = f"there is no picture {found}" if name.strip() else "empty"
        raise EvaluationError(
            f"Row {row} of {path}, {column}: {told}; correct it, or give the folder "
            "of the pictures with --root."
        )
    return found
