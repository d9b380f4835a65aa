"""The pages Cases, SQL and Audit: what they show, to whom, and what they do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import access
from pipeline.casebook import (
    accounts,
    audit,
    cases,
    database,
    fairness,
    galleries,
    jobs,
    orders,
    reviews,
)
from pipeline.errors import NotAuthorisedError
from pipeline.settings import CHECKOUT, Settings
from pipeline.store.worked_queries import WORKED
from pipeline.trace import results
from pipeline.worker import Worker
from tests.dashboard import installation

SHELL = str(CHECKOUT / "dashboard" / "entry" / "shell.py")
CASE = installation.CASE
Open = Callable[..., AppTest]


@pytest.fixture
def look(traced: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Open a page as somebody who has logged in."""
    ordinary = access.user

    def opened(page: str | None, user: str | None = None) -> AppTest:
        monkeypatch.setattr(access, "user", ordinary)
        monkeypatch.setattr(access, "single_machine", lambda: user is None)
        if user is not None:
            monkeypatch.setattr(access, "user", lambda touch=True: user)
        path = CHECKOUT / "dashboard" / "pages" / f"{page}.py"
        made = AppTest.from_file(str(path) if page else SHELL, default_timeout=30)
        return made.run()

    yield opened
    database.dispose(traced)


@pytest.fixture
def staff(traced: Settings) -> Settings:
    """One person of every role."""
    accounts.first_administrator(traced)
    for name, role in (
        ("asker", "investigator"),
        ("approver", "approver"),
        ("counter", "analyst"),
        ("mayor", "briefing"),
    ):
        accounts.add(name, role, accounts.FIRST, local=False, settings=traced)
    return traced


def text(page: AppTest) -> str:
    parts = [*page.get("html"), *page.caption, *page.info, *page.error, *page.success]
    parts += [*page.warning, *page.markdown]
    return "\n".join(
        str(getattr(one, "value", None) or getattr(one.proto, "body", ""))
        for one in parts
    )


def fine(page: AppTest) -> AppTest:
    assert not page.exception, page.exception[0].value
    assert not page.error, page.error[0].value
    return page


class TestCases:
    def test_inbox_orders_and_work(self, look: Open) -> None:
        page = fine(look("cases"))
        shown = text(page)
        assert CASE in shown
        assert "approved" in shown
        assert "requested by asker" in shown
        assert "nobody to look for" in shown.lower()
        page.session_state["language"] = "ko"
        page.run()
        assert "승인" in text(fine(page))

    def test_from_a_new_case_to_its_end(self, look: Open, staff: Settings) -> None:
        """By two people on their own pages, with a worker in between."""
        page = fine(look("cases", "asker"))
        page.text_input(key="case-test").set_value("PCR 2")
        page.button(key="case-open").click()
        fine(page.run())
        (new,) = {c.pseudonym for c in cases.list_cases("asker", settings=staff)} - {
            CASE
        }
        assert f"Case {new} is open" in text(page)
        page.selectbox(key="cases-case").set_value(new).run()
        page.text_input(key=f"order-for-{new}").set_value("contacts of a patient")
        page.button(key=f"request-{new}").click()
        fine(page.run())
        assert "You requested this order" in text(page)
        number = orders.list_orders("asker", case=new, settings=staff)[0].id
        keys = {button.key for button in page.button}
        assert f"approve-{number}" not in keys

        other = fine(look("cases", "approver"))
        other.selectbox(key="cases-case").set_value(new).run()
        other.button(key=f"approve-{number}").click()
        fine(other.run())
        assert not {"case-open", f"start-{new}"} & {b.key for b in other.button}

        page = look("cases", "asker")
        page.selectbox(key="cases-case").set_value(new).run()
        page.text_input(key=f"gallery-tracklet-{new}").set_value("many")
        page.button(key=f"enrol-{new}").click()
        assert "is a number" in page.run().error[0].value
        page.text_input(key=f"gallery-tracklet-{new}").set_value("123")
        page.button(key=f"enrol-{new}").click()
        fine(page.run())
        assert "tracklet 123" in text(page)
        page.button(key=f"start-{new}").click()
        page.run()
        issued = orders.authorise(new, "asker", "test", settings=staff)
        assert [j.state for j in jobs.list_jobs(issued, settings=staff)] == ["queued"]
        Worker(staff, daily=False).run(once=True)
        page.run()
        assert "failed" in text(page)  # there is no such tracklet, and it is said
        page.text_input(key=f"revoke-why-{number}").set_value("found elsewhere")
        page.button(key=f"revoke-{number}").click()
        page.run()
        assert "Gallery and traces open when" in text(page)
        page.checkbox(key=f"close-sure-{new}").check().run()
        page.button(key=f"close-{new}").click()
        fine(page.run())
        assert cases.list_cases("asker", settings=staff)[-1].status == "closed" or (
            new not in page.selectbox(key="cases-case").options
        )

    def test_cancelling(self, look: Open, staff: Settings) -> None:
        issued = orders.authorise(CASE, "asker", "test", settings=staff)
        galleries.enrol_tracklet(issued, 7, settings=staff)
        number = jobs.queue(issued, {}, settings=staff)
        page = fine(look("cases", "asker"))
        page.button(key=f"cancel-{number}").click()
        fine(page.run())
        (job,) = jobs.list_jobs(issued, settings=staff)
        assert job.state == "stopped"

    def test_a_revoked_order_hides_gallery_and_jobs(
        self, look: Open, staff: Settings
    ) -> None:
        issued = orders.authorise(CASE, "asker", "test", settings=staff)
        galleries.enrol_tracklet(issued, 987, settings=staff)
        page = fine(look("cases", "asker"))
        assert "987" in text(page)
        orders.revoke(issued.order_id, "approver", "test", settings=staff)
        page.run()
        assert "987" not in text(page)


class TestSql:
    def test_worked_queries_and_log(self, look: Open, traced: Settings) -> None:
        page = fine(look("sql"))
        names = page.selectbox(key="sql-worked-en").options
        page.selectbox(key="sql-worked-en").select(names[10]).run()
        assert "case_contacts" in page.session_state["sql-query"]
        # A chosen query is named in the page's language, unless it was changed.
        page.session_state["language"] = "ko"
        page.run()
        assert page.selectbox(key="sql-worked-ko").value == WORKED[10].name
        assert page.selectbox(key="sql-worked-ko").options[10] == (
            "사례별 밀접·일상 접촉자는 몇 명인가?"
        )
        query = page.session_state["sql-query"]
        page.session_state["sql-query"] = query + " LIMIT 1"
        page.session_state["language"] = "en"
        page.run()
        assert page.selectbox(key="sql-worked-en").value is None
        page.session_state["sql-query"] = query
        page.button(key="sql-run").click()
        fine(page.run())
        frame = page.dataframe[0].value
        assert list(frame.columns) == [
            "case_code",
            "class",
            "contacts",
            "most_minutes",
        ]
        assert frame["contacts"].sum() == 12
        assert CASE not in frame.to_csv()
        assert "case_contacts" in text(page)  # in the log beside it

    def test_refusals_are_sentences(self, look: Open) -> None:
        page = fine(look("sql"))
        for sql in ("DROP VIEW tracklets", "SELECT * FROM read_text('/etc/passwd')"):
            page.session_state["sql-query"] = sql
            page.button(key="sql-run").click()
            page.run()
            assert not page.exception
            assert "allowed" in page.error[0].value
            assert not page.dataframe
        page.text_input(key="sql-purpose").set_value("")
        page.button(key="sql-run").click()
        assert "purpose" in page.run().error[0].value

    def test_two_columns_of_one_name(self, look: Open) -> None:
        page = fine(look("sql"))
        sql = "SELECT 1 AS a, 2 AS a, now() AS t, NULL AS n, [1, 2] AS l"
        page.session_state["sql-query"] = sql
        page.button(key="sql-run").click()
        assert len(fine(page.run()).dataframe[0].value.columns) == 5


class TestAudit:
    def test_log_verification_and_figures(self, look: Open, traced: Settings) -> None:
        page = fine(look("audit"))
        shown = text(page)
        assert "order.approve" in shown
        assert "orders approved" in shown
        assert "observations" in shown
        page.button(key="audit-verify").click()
        page.run()
        assert "Sound" in page.success[0].value
        assert audit.verify(traced).sound
        page.selectbox(key="audit-act").set_value("order.approve").run()
        page.button(key="audit-export").click()
        fine(page.run())
        assert page.get("download_button")
        page.checkbox(key="audit-purge-sure").check().run()
        page.button(key="audit-purge").click()
        fine(page.run())
        assert "signed here" in text(page)

    def test_mismatch_by_condition(self, look: Open, traced: Settings) -> None:
        given = 0
        for user in ("asker", "approver", "third"):
            issued = orders.authorise(CASE, user, "test", settings=traced)
            rows = results.read(issued, "sighting", settings=traced).to_pylist()
            for row in rows:
                verdict = "reject" if row["mask_state"] == "worn" else "accept"
                reviews.review(issued, row["tracklet_id"], verdict, settings=traced)
                given += 1
        found = fairness.by_condition("asker", settings=traced)
        mask = {r["group"]: r["share"] for r in found if r["condition"] == "mask"}
        assert mask == {"none": 0.0, "worn": 1.0, "unknown": 0.0}
        assert {r["verdicts"] for r in found} <= set(range(fairness.SMALLEST, given))
        assert "100%" in text(fine(look("audit")))


#: Who may open which page.
ALLOWED = {
    "asker": {"trace", "cases"},
    "approver": {"trace", "cases"},
    "counter": {"sql"},
    "mayor": set(),
    accounts.FIRST: {"audit"},
}


@pytest.mark.parametrize("user", ALLOWED)
def test_pages_by_role(look: Open, staff: Settings, user: str) -> None:
    """Others are not in the menu, and running them by their file shows nothing."""
    look(None, user)
    menu = AppTest.from_file(SHELL, default_timeout=30).run()
    scripts = [info.get("script_path") for info in menu._registered_pages.values()]
    menu_of = {Path(str(path)).stem for path in scripts if path}
    assert menu_of & {"trace", "cases", "sql", "audit"} == ALLOWED[user]
    for name in ("cases", "sql", "audit", "trace"):
        if name in ALLOWED[user]:
            continue
        path = CHECKOUT / "dashboard" / "pages" / f"{name}.py"
        direct = AppTest.from_file(str(path), default_timeout=30).run()
        assert not direct.exception
        shown = text(direct)
        assert "may not do" in shown
        assert CASE not in shown
        assert "requested by" not in shown
        assert not direct.dataframe


def test_an_ended_session_clears_the_page(
    look: Open, staff: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(None, "asker")
    shell = AppTest.from_file(SHELL, default_timeout=30).run()
    page = look("cases", "asker")
    assert CASE in text(page)
    assert shell.selectbox(key="case").value == CASE

    def over(touch: bool = True) -> str:
        raise NotAuthorisedError("The session of asker has ended; log in again.")

    monkeypatch.setattr(access, "user", over)
    for one in (page, shell):
        one.run()
        shown = text(one)
        assert CASE not in shown
        assert "log in again" in shown
        assert not one.selectbox
    assert "/login" in text(AppTest.from_file(SHELL, default_timeout=30).run())
