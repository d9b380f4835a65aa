"""The Exposure page: one case in words, all together only as far as may be told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.i18n import Texts
from dashboard.maps import exposure_map
from dashboard.panels import exposure_tables
from pipeline.settings import CHECKOUT, Settings
from pipeline.trace import cells
from tests.dashboard import installation

EN = Texts("en")


def test_one_case_and_then_all_of_them(
    traced: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[exposure_map.Heat] = []
    whole = exposure_map.show

    def show(heat: exposure_map.Heat, *rest: object, **more: object) -> object:
        shown.append(heat)
        return replace(whole(heat, *rest, **more), range=(0.0, 3600.0))  # type: ignore[arg-type]

    monkeypatch.setattr(exposure_map, "show", show)
    page = AppTest.from_file(str(CHECKOUT / "dashboard/pages/exposure.py"))
    page.session_state["language"] = "en"
    page.run(timeout=60)
    assert not page.exception
    values = {one.label: one.value for one in page.metric}
    assert values["Contacts (close)"] == "12 (6)"
    assert values["Contact time"] == "3 min 24 s"
    assert values["Dose (5–95 %)"] == "0.1 (0.051–0.2)"
    (heat,) = shown
    assert sum(amount for _, _, amount in heat.amounts) == pytest.approx(204 / 60)
    assert heat.ranks[0] in {cell for cell, _, _ in heat.amounts}
    text = " ".join(str(one.proto.body) for one in page.get("html"))
    assert "K-001" in text
    assert "심곡동 · BC-00001" in text

    # One case alone may not be told: its cells are withheld, and nobody is named.
    page.radio(key="exposure_scope-en").set_value("all").run(timeout=60)
    assert not page.exception
    text = " ".join(str(one.proto.body) for one in page.get("html"))
    assert "Withheld: " in text
    for never in ("K-0", "BC-0", installation.CASE):
        assert never not in text
    assert [one.value for one in page.info] == ["Nothing may be shown yet."]
    page.session_state["language"] = "ko"  # what was chosen stays chosen
    page.run(timeout=60)
    assert page.radio(key="exposure_scope-ko").value == "all"


def test_what_is_not_known_is_a_dash() -> None:
    old = cells.Sum(90.0, None, (None, 0.5, None), (), ("K-1",))
    time, close, casual, dose = exposure_tables.beside(old, 1.0, EN)
    assert (time, close, casual) == ("1 min 30 s", "–", "–")
    assert "0.5<" in dose
    many = replace(old, close_seconds=0.0, casual=tuple(f"K-{n}" for n in range(12)))
    assert exposure_tables.beside(many, 1.0, EN)[1] == "0"
    assert exposure_tables.names(many).endswith(" +4")
