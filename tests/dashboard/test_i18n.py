"""The catalogues: the same texts in every language, none missing, none left over."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest

from dashboard.i18n import LANGUAGES, ko_dictionary
from pipeline.casebook import analysis
from pipeline.settings import CHECKOUT
from pipeline.store import dictionary

ROOMS = [CHECKOUT / "dashboard", CHECKOUT / "pipeline"]
PAGES = [
    path
    for path in (CHECKOUT / "dashboard").rglob("*.py")
    if path.parent.name != "i18n"
]
#: Signs that only one of the languages is written in.
HANGUL = re.compile("[가-힣]")
#: The same in both: names, formats, units.
SHARED = 0.08


def calls() -> list[ast.Call]:
    return [
        node
        for path in PAGES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and node.args
    ]


def constant(node: ast.AST) -> str | None:
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node.value if is_text else None


def asked() -> set[str]:
    """Keys that the pages name outright: texts("key")."""
    return {
        key
        for call in calls()
        if isinstance(call.func, ast.Name) and call.func.id == "texts"
        if (key := constant(call.args[0])) is not None
    }


def patterns() -> list[re.Pattern[str]]:
    """Forms of keys that the pages put together: f"page_{name}", of("role", x)."""
    found = {"condition_(.+)", "mask_(.+)", "width_(.+)"}  # asked by a stored name
    for path in PAGES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                form = "".join(
                    re.escape(constant(p) or "") or "(.+)" for p in node.values
                )
                found.add(form)
    for call in calls():
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        first = constant(call.args[0])
        if first and name in ("of", "several"):
            found.add(first.rstrip("_") + "_(.+)")
    # A form that begins with a gap would fit everything.
    return [re.compile(form) for form in found if re.match(r"[a-z]+_", form)]


def words() -> set[str]:
    """Every word of the program's sources, but for the catalogues'."""
    found: set[str] = set()
    for room in ROOMS:
        for path in [*room.rglob("*.py"), *room.rglob("*.js")]:
            if path.parent.name != "i18n":
                found |= set(re.findall(r"\w+", path.read_text(encoding="utf-8")))
    return found


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_the_languages_have_the_same_texts_with_the_same_values() -> None:
    english, korean = LANGUAGES["en"], LANGUAGES["ko"]
    assert set(english) ^ set(korean) == set()
    assert [k for k in english if fields(english[k]) != fields(korean[k])] == []


def test_no_text_is_missing() -> None:
    found = asked()
    assert len(found) > 150
    assert sorted(found - set(LANGUAGES["ko"])) == []


def test_no_text_is_left_over() -> None:
    known, forms, everywhere = asked(), patterns(), words()
    literals = {
        text
        for path in PAGES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (text := constant(node)) is not None
    }

    def used(key: str) -> bool:
        if key in known or key in literals:
            return True
        fits = [fit for form in forms if (fit := form.fullmatch(key))]
        return any(
            part in everywhere or set(re.split(r"[\W_]+", part)) <= everywhere
            for fit in fits
            for part in fit.groups()
        )

    left = [key for key in LANGUAGES["en"] if not used(key)]
    assert left == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_is_written_in_its_own_signs(language: str) -> None:
    texts = LANGUAGES[language]
    korean = {key for key, text in texts.items() if HANGUL.search(text)}
    if language == "en":
        assert korean == set()
    else:
        other = LANGUAGES["en"]
        same = [k for k in set(texts) - korean if re.search("[a-z]{3}", other[k])]
        assert len(same) < SHARED * len(texts), sorted(same)


def test_the_catalogues_are_read_from_files_of_one_language_each() -> None:
    for path in (CHECKOUT / "dashboard" / "i18n").glob("*.py"):
        language = path.stem.split("_")[0]
        assert language in (*LANGUAGES, "")
        assert Path(path).stat().st_size > 100


def test_the_data_dictionary_is_whole_in_korean() -> None:
    told = set(analysis.MEANINGS.values()) | set(analysis.ABOUT.values())
    for _, about, columns in dictionary.entries():
        told |= {about, *(meaning for _, _, meaning in columns)}
    assert told == set(ko_dictionary.MEANINGS)
