"""Texts of the pages in English and Korean, and the switch between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from dashboard.i18n import (
    en,
    en_casebook,
    en_exposure,
    en_pages,
    en_review,
    en_sql,
    ko,
    ko_casebook,
    ko_exposure,
    ko_pages,
    ko_review,
    ko_sql,
)

#: Korean first: it is the city's language.
LANGUAGES: dict[str, Mapping[str, str]] = {
    "ko": {
        **ko.TEXTS,
        **ko_casebook.TEXTS,
        **ko_exposure.TEXTS,
        **ko_pages.TEXTS,
        **ko_review.TEXTS,
        **ko_sql.TEXTS,
    },
    "en": {
        **en.TEXTS,
        **en_casebook.TEXTS,
        **en_exposure.TEXTS,
        **en_pages.TEXTS,
        **en_review.TEXTS,
        **en_sql.TEXTS,
    },
}
NAMES = {"ko": "한국어", "en": "English"}
DEFAULT = "en"
#: Where the browser keeps the language that was chosen.
LANGUAGE_COOKIE = "dongseon_language"


def preferred(chosen: str | None, own: str | None) -> str:
    """Return the language of a browser: the one chosen before, or else its own."""
    if chosen in LANGUAGES:
        return str(chosen)
    told = (own or "").lower()
    return next((code for code in LANGUAGES if told.startswith(code)), DEFAULT)


@dataclass(frozen=True)
class Texts:
    """The texts of one language; call it with a key and the values to fill in."""

    language: str

    def __call__(self, key: str, **values: object) -> str:
        """Return a text.

        Raises
        ------
        KeyError
            If the language has no such text.
        """
        return LANGUAGES[self.language][key].format(**values)

    def of(self, group: str, value: object) -> str:
        """Return the word for a stored value, or the value where there is none."""
        return LANGUAGES[self.language].get(f"{group}_{value}", str(value))

    def several(self, prefix: str) -> dict[str, str]:
        """Return all texts whose key starts with a prefix, without the prefix."""
        return {
            key.removeprefix(prefix): value
            for key, value in LANGUAGES[self.language].items()
            if key.startswith(prefix)
        }


def choose() -> Texts:
    """Return the texts in the language of this session."""
    return Texts(st.session_state.get("language") or DEFAULT)


def switch() -> None:
    """Show the switch between the languages; the session must have one."""
    st.radio(
        "Language / 언어",
        list(LANGUAGES),
        format_func=NAMES.__getitem__,
        key="language",
        horizontal=True,
    )
