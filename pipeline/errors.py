"""Errors whose text is written for the person at the terminal or browser."""

from __future__ import annotations

import json
from datetime import datetime


class DongseonError(Exception):
    """Bad input or a refused act, told in one sentence.

    The text says what was wrong, where (file, row, field) and what to do. The
    command line prints it without a traceback and exits with code 2.

    Parameters
    ----------
    text : the sentence, in English.
    code : names the sentence, for those who say it in another language
        (`dashboard.i18n.ko_errors`); "" where nobody at a page can meet it.
    values : what the sentence tells of; moments are aware.
    """

    def __init__(self, text: str = "", *, code: str = "", **values: object) -> None:
        super().__init__(text)
        self.code = code
        self.values = values


class NotAuthorisedError(DongseonError):
    """No valid order covers what was asked."""


class CameraError(DongseonError):
    """The camera registry, or a row of it, cannot be used."""


class FootageError(DongseonError):
    """A clip cannot be analysed, or not under the given camera and clock."""


class ModelError(DongseonError):
    """Model weights are missing or are not the ones registered."""


class PhotoError(DongseonError):
    """An enrolment photo is unfit (no face, several, turned away, blurred)."""


class StoreError(DongseonError):
    """The observation store cannot be read or written."""


def packed(error: DongseonError) -> str:
    """Return an error as one line of text, to be kept and said again later."""
    values = {
        name: {"moment": one.isoformat()} if isinstance(one, datetime) else one
        for name, one in error.values.items()
    }
    kept = {"text": str(error), "code": error.code, "values": values}
    return json.dumps(kept, ensure_ascii=False, default=str)


def unpacked(line: str) -> DongseonError:
    """Return the error of a line; one that `packed` did not make is its sentence."""
    try:
        kept = json.loads(line)
        values = {
            name: datetime.fromisoformat(one["moment"])
            if isinstance(one, dict) and "moment" in one
            else one
            for name, one in kept["values"].items()
        }
        return DongseonError(kept["text"], code=kept["code"], **values)
    except (ValueError, TypeError, KeyError, AttributeError):
        return DongseonError(line)
