"""The answer of a query as a table, a chart and a map."""

from __future__ import annotations

import h3
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.panels import answer
from pipeline.store.query import Answer

CELL = h3.latlng_to_cell(37.4846, 126.7825, 9)


def test_columns_of_one_name_are_numbered_and_odd_values_become_text() -> None:
    shown = answer.frame(Answer(["n", "n"], [(1, [1, 2]), (2, None)], False))
    assert list(shown.columns) == ["n", "n (2)"]
    assert shown["n (2)"][0] == "[1, 2]"
    assert pd.isna(shown["n (2)"][1])


def test_places_come_from_degrees_or_cells() -> None:
    degrees = pd.DataFrame({"Lon": [126.78, 999.0], "lat": [37.48, 37.5]})
    found = answer.places(degrees)
    assert found is not None
    assert found["_lon"].tolist() == [126.78]
    cells = answer.places(pd.DataFrame({"h3_9": [CELL, None], "n": [3, 4]}))
    assert cells is not None
    assert len(cells) == 1
    assert cells["_lat"].iloc[0] == pytest.approx(37.4846, abs=0.002)
    assert answer.places(pd.DataFrame({"name": ["a"], "n": [1]})) is None


def test_a_third_column_of_few_words_gives_the_colours() -> None:
    table = pd.DataFrame({"code": ["a", "a", "b"], "class": ["x", "y", "x"], "n": 1})
    assert answer._kinds(table, {"code", "n"}) == "class"
    assert answer._kinds(table, {"code", "class"}) is None
    many = pd.DataFrame({"code": "a", "class": [str(i) for i in range(11)], "n": 1})
    assert answer._kinds(many, {"code", "n"}) is None


def _page() -> None:
    import streamlit as st

    from dashboard import i18n
    from dashboard.panels import answer

    answer.show(st.session_state["answer"], i18n.choose())


@pytest.mark.parametrize(
    ("columns", "rows", "view", "refused"),
    [
        (["cell", "n"], [(CELL, 3)], "map", False),
        (["cell", "n"], [(CELL, 3)], "chart", False),
        (["hour", "n"], [(8, 3), (9, 4)], "chart", False),
        (["hour", "n", "k"], [("8", 3, "x"), ("8", 4, "y")], "chart", False),
        (["name", "n"], [("a", 3)], "map", True),
        (["name"], [("a",)], "chart", True),
        ([], [], "chart", True),
    ],
)
def test_each_view_draws_or_says_what_it_needs(
    columns: list[str], rows: list[tuple], view: str, refused: bool
) -> None:
    page = AppTest.from_function(_page, default_timeout=20)
    page.session_state["answer"] = Answer(columns, rows, False)
    page.session_state["sql-view"] = view
    page.run()
    assert not page.exception
    assert bool(page.info) == refused
    assert bool(page.get("vega_lite_chart")) != refused
