"""Verdicts on the Trace page, and the trace made again with them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from pipeline.casebook import jobs, orders, reviews
from pipeline.casebook.authorisation import Authorisation
from pipeline.settings import CHECKOUT, Settings
from pipeline.trace import results, tables
from tests.dashboard import installation

SHELL = CHECKOUT / "dashboard" / "entry" / "shell.py"


def opened() -> AppTest:
    page = AppTest.from_file(str(SHELL), default_timeout=30).run()
    assert not page.exception
    return page


def acting(settings: Settings, user: str) -> Authorisation:
    return orders.authorise(installation.CASE, user, "test", settings=settings)


def buttons(page: AppTest) -> set[str]:
    return {button.key for button in page.button}


def written(page: AppTest) -> str:
    return " ".join(str(element.body) for element in page.get("html"))


def test_a_verdict_is_entered_and_asks_for_a_new_trace(traced: Settings) -> None:
    page = opened()
    assert "retrace-now" not in buttons(page)
    page.session_state[f"picked-{installation.RUN}"] = 3
    page.run()  # the chosen sighting's verdicts have keys
    assert not page.exception
    page.button(key="reject-3").click().run()
    assert not page.exception
    mine = acting(traced, traced.user)
    (given,) = reviews.verdicts(mine, settings=traced).values()
    assert given == {traced.user: "reject"}
    assert "1 verdict(s) came after this trace" in written(page)
    assert "rejected · you: rejected" in written(page)

    page.button(key="retrace-now").click().run()
    assert not page.exception
    (job,) = jobs.list_jobs(mine, settings=traced)
    assert (job.state, job.options) == ("queued", {})
    assert "retrace-now" not in buttons(page)  # not twice


def test_two_people_confirm_and_the_second_finds_what_waits(traced: Settings) -> None:
    sighting = results.read(
        acting(traced, "asker"), "sighting", installation.RUN, settings=traced
    ).to_pylist()[2]
    reviews.review(
        acting(traced, "asker"), sighting["tracklet_id"], "accept", settings=traced
    )
    page = opened()
    waiting = page.checkbox(key="only-waiting")
    assert "(1)" in waiting.label
    waiting.check().run()
    shown = {key for key in buttons(page) if key.startswith("accept-")}
    assert shown == {f"accept-{sighting['sighting']}"}
    page.button(key=shown.pop()).click().run()
    assert not page.exception
    states = reviews.states(acting(traced, "asker"), settings=traced)
    assert states == {sighting["tracklet_id"]: "confirmed"}
    assert "confirmed · you: accepted · 1 other: accepted" in written(page)


def test_what_a_new_trace_changed_is_said(traced: Settings) -> None:
    page = opened()
    page.button(key="reject-3").click().run()
    page.button(key="retrace-now").click().run()
    mine = acting(traced, traced.user)
    claimed = jobs.claim("w", settings=traced)
    assert claimed is not None
    job, _ = claimed
    (order,) = orders.list_orders(traced.user, settings=traced)
    made = installation.result_tables(order)
    later = "20251103T150000Z-89abcdef"
    run = made["run"].to_pylist()[0]
    run |= {"run": later, "made_at": run["made_at"] + timedelta(hours=1)}
    made["run"] = pa.Table.from_pylist([run], schema=tables.TABLES["run"])
    made["sighting"] = made["sighting"].slice(0, 3)
    results.write(mine, made, run=later, settings=traced)
    jobs.finish(job, run=later, settings=traced)
    page.run()
    page.run()
    assert not page.exception
    assert page.selectbox(key=f"run-{installation.CASE}").value == later
    assert "left the path: BC-00004" in written(page)


def test_who_may_not_review_sees_no_buttons(
    traced: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dashboard import access

    monkeypatch.setattr(access, "may", lambda action: action == "result.read")
    page = opened()
    assert not {key for key in buttons(page) if key.startswith("accept-")}
    assert Path(traced.registry).is_file()
