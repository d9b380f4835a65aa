from __future__ import annotations

from functools import partial

import pytest

from pipeline.casebook import (
    accounts,
    audit,
    cases,
    first_password,
    identity,
    orders,
    roles,
    sessions,
)
from pipeline.casebook.accounts import PasswordChangeNeededError
from pipeline.errors import DongseonError, NotAuthorisedError
from pipeline.settings import CHECKOUT
from tests.pipeline.casebook.conftest import open_case, request

PASSWORD = "correct horse battery"


@pytest.fixture
def admin(book):
    name, once = accounts.first_administrator(book)
    accounts.change_password(name, once, PASSWORD, settings=book)
    return name


def test_first_administrator_is_made_once(book):
    name, once = accounts.first_administrator(book)
    assert accounts.first_administrator(book) is None
    with pytest.raises(PasswordChangeNeededError):
        accounts.log_in(name, once, settings=book)
    with pytest.raises(DongseonError, match="at least 12"):
        accounts.change_password(name, once, "short", settings=book)
    accounts.change_password(name, once, PASSWORD, settings=book)
    token = accounts.log_in(name, PASSWORD, settings=book)
    assert sessions.whose(token, settings=book) == name
    assert all(PASSWORD not in str(entry) for entry in audit.entries(book))


def test_no_first_account_without_a_place_for_its_password(book):
    first_password.file_of(book).mkdir(parents=True)
    with pytest.raises(DongseonError, match="first password cannot be written"):
        accounts.first_administrator(book, partial(first_password.write, book))
    assert accounts.role("anybody", settings=book) is None
    first_password.file_of(book).rmdir()
    accounts.first_administrator(book, partial(first_password.write, book))
    once = first_password.file_of(book).read_text().strip()
    with pytest.raises(PasswordChangeNeededError):
        accounts.log_in(accounts.FIRST, once, settings=book)


def test_session_ends(book, admin, later):
    token = accounts.log_in(admin, PASSWORD, settings=book)
    later(sessions.IDLE / 2)
    assert sessions.whose(token, settings=book) == admin
    later(sessions.IDLE)
    assert sessions.whose(token, settings=book) == admin
    later(sessions.IDLE * 3)
    with pytest.raises(NotAuthorisedError, match="ended"):
        sessions.whose(token, settings=book)
    with pytest.raises(NotAuthorisedError, match="Nobody"):
        sessions.whose(token, settings=book)


def test_session_ends_though_somebody_acts(book, admin, later):
    token = accounts.log_in(admin, PASSWORD, settings=book)
    step = sessions.IDLE * 0.9
    for turn in range(1, int(sessions.SESSION / step) + 1):
        later(step * turn)
        sessions.whose(token, settings=book)
    later(sessions.SESSION)
    with pytest.raises(NotAuthorisedError, match="ended"):
        sessions.whose(token, settings=book)


def test_lock_out_and_reset(book, admin, later):
    for _ in range(accounts.FAILURES):
        with pytest.raises(NotAuthorisedError, match="name or the password"):
            accounts.log_in(admin, "wrong", settings=book)
    with pytest.raises(NotAuthorisedError, match="locked"):
        accounts.log_in(admin, PASSWORD, settings=book)
    later(accounts.LOCK)
    assert accounts.log_in(admin, PASSWORD, settings=book)
    refused = [e for e in audit.entries(book) if e["act"] == "refused"]
    assert len(refused) == accounts.FAILURES + 1


def test_unknown_name_reads_like_a_wrong_password(book, admin):
    with pytest.raises(NotAuthorisedError, match="name or the password"):
        accounts.log_in("nobody", PASSWORD, settings=book)


def test_disabled_account_is_out_at_once(book, admin):
    once = accounts.add("ana", "investigator", admin, settings=book)
    accounts.change_password("ana", once, PASSWORD, settings=book)
    token = accounts.log_in("ana", PASSWORD, settings=book)
    accounts.disable("ana", admin, settings=book)
    with pytest.raises(NotAuthorisedError):
        sessions.whose(token, settings=book)
    with pytest.raises(NotAuthorisedError, match="no enabled account"):
        cases.list_cases("ana", settings=book)
    assert accounts.reset("ana", admin, settings=book)


def test_last_administrator_stays(book, admin):
    with pytest.raises(DongseonError, match="last enabled administrator"):
        accounts.disable(admin, admin, settings=book)
    with pytest.raises(DongseonError, match="last enabled administrator"):
        accounts.set_role(admin, "analyst", admin, settings=book)
    assert accounts.role(admin, settings=book) == "administrator"


def test_first_account_must_be_an_administrator(book):
    with pytest.raises(DongseonError, match="first account"):
        accounts.add("ana", "investigator", "local", settings=book)
    with pytest.raises(DongseonError, match="must be one of"):
        accounts.add("ana", "king", "local", settings=book)


def test_command_line_acts_as_who_is_logged_in(book, admin, monkeypatch):
    with pytest.raises(NotAuthorisedError, match="Nobody"):
        identity.acting_user("ana", settings=book)
    token = accounts.log_in(admin, PASSWORD, settings=book)
    monkeypatch.setenv(identity.SESSION_VARIABLE, token)
    assert identity.acting_user(None, settings=book) == admin
    with pytest.raises(NotAuthorisedError, match="cannot act as"):
        identity.acting_user("ana", settings=book)


@pytest.fixture
def everybody(book, admin):
    for role in roles.ROLES:
        accounts.add(f"the-{role}", role, admin, local=False, settings=book)
    return book


@pytest.mark.parametrize("role", roles.ROLES)
def test_role_by_action_matrix(everybody, role):
    for action, allowed in roles.MATRIX.items():
        if role in allowed:
            roles.check(everybody, f"the-{role}", action)
        else:
            with pytest.raises(NotAuthorisedError, match=action):
                roles.check(everybody, f"the-{role}", action)


def test_matrix_holds_what_the_safeguards_promise():
    cases_ = {
        a for a in roles.MATRIX if a.split(".")[0] in ("case", "order", "gallery")
    }
    for role in ("administrator", "analyst", "briefing"):
        assert not any(role in roles.MATRIX[action] for action in cases_)
        for action in ("trace", "still", "export", "review", "result.read"):
            assert role not in roles.MATRIX[action]
    public = {"aggregate.read", "usage.read"}  # no case, no person
    assert {a for a, r in roles.MATRIX.items() if "briefing" in r} == public
    assert not roles.MATRIX["order.request"] & roles.MATRIX["order.approve"]


def test_roles_hold_in_the_acts_themselves(everybody, monkeypatch):
    book = everybody
    with pytest.raises(NotAuthorisedError):
        open_case(book, "P-NO")
    accounts.add("ana", "investigator", accounts.FIRST, local=False, settings=book)
    case = open_case(book, "P-YES")
    order = request(book, case)
    for role in ("investigator", "analyst", "briefing", "administrator"):
        with pytest.raises(NotAuthorisedError, match=r"order\.approve"):
            orders.approve(order.id, f"the-{role}", settings=book)
    orders.approve(order.id, "the-approver", settings=book)
    issued = orders.authorise(case, "ana", "test", settings=book)
    for role in ("analyst", "briefing", "administrator"):
        with pytest.raises(NotAuthorisedError):
            orders.authorise(case, f"the-{role}", "test", settings=book)
    accounts.disable("ana", accounts.FIRST, settings=book)
    assert not orders.still_valid(issued, book)


def test_matrix_in_the_document_is_the_code_s():
    document = (CHECKOUT / "docs" / "safeguards.md").read_text(encoding="utf-8")
    assert roles.as_markdown() in document
