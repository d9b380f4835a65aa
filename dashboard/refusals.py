"""Errors of the program, said in the viewer's language."""

from __future__ import annotations

from datetime import datetime

from dashboard import tables
from dashboard.i18n import Texts, ko_errors
from pipeline.errors import DongseonError

#: Name of a value -> group of the texts that hold its words.
GROUPS = {
    "order_state": "order_state",
    "followup": "followup",
    "wanted": "followup",
    "role": "role",
    "roles": "role",
}


def told(error: DongseonError, texts: Texts) -> str:
    """Return an error's sentence; in Korean by its code, in English as it is."""
    if texts.language != "ko":
        return str(error)
    form = ko_errors.TEXTS.get(error.code)
    if form is None:
        return ko_errors.OTHER.format(text=error)
    values = {name: _said(name, one, texts) for name, one in error.values.items()}
    return form.format(**values)


def _said(name: str, value: object, texts: Texts) -> object:
    if isinstance(value, datetime):
        return tables.when(value)
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(str(_said(name, one, texts)) for one in value)
    if name in GROUPS:
        return texts.of(GROUPS[name], value)
    if isinstance(value, str):
        return ko_errors.WORDS.get(value, value)
    return value
