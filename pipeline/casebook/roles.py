"""Who may do what; asked in every act, whatever page or command it came from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from sqlalchemy import Connection, func, select

from pipeline.casebook import audit, tables
from pipeline.errors import NotAuthorisedError
from pipeline.settings import Settings

ROLES = ("investigator", "approver", "analyst", "briefing", "administrator")

#: action -> roles that may. The administrator keeps the system, and sees no case.
MATRIX: dict[str, frozenset[str]] = {
    action: frozenset(roles.split())
    for action, roles in {
        "case.open": "investigator",
        "case.list": "investigator approver",
        "case.close": "investigator",
        "order.request": "investigator",
        "order.list": "investigator approver",
        "order.approve": "approver",
        "order.refuse": "approver",
        "order.revoke": "investigator approver",
        "trace": "investigator approver",
        "gallery.enrol": "investigator",
        "gallery.read": "investigator approver",
        "review": "investigator approver",
        "result.read": "investigator approver",
        "still": "investigator approver",
        "export": "investigator",
        "contact.followup": "investigator",
        "disclose": "investigator",
        "job.queue": "investigator",
        "aggregate.read": "investigator approver analyst briefing",
        "exposure.read": "investigator approver analyst",
        "usage.read": "investigator approver analyst briefing administrator",
        "sql": "analyst",
        "network.read": "investigator approver analyst administrator",
        "audit.read": "administrator",
        "audit.verify": "administrator approver",
        "account.manage": "administrator",
        "purge": "administrator",
        "key.rotate": "administrator",
    }.items()
}


def role_of(connection: Connection, user: str) -> str | None:
    """Return the role of an enabled account, or None if there is no account at all.

    Raises
    ------
    NotAuthorisedError
        If accounts exist and this user has none, or a disabled one.
    """
    table = tables.accounts
    row = connection.execute(
        select(table.c.role, table.c.disabled_at).where(table.c.name == user)
    ).first()
    if row is not None and row.disabled_at is None:
        return str(row.role)
    if (
        row is None
        and connection.execute(select(func.count()).select_from(table)).scalar_one()
        == 0
    ):
        return None
    raise NotAuthorisedError(
        f"{user!r} has no enabled account; ask an administrator (dongseon user add).",
        code="account_none",
        user=user,
    )


def may(role: str | None, action: str) -> bool:
    """Tell whether a role may do this; None is a single machine without accounts."""
    return role is None or role in MATRIX[action]


def demand(connection: Connection, user: str, action: str) -> None:
    """Refuse the act unless the user's role may do it.

    Raises
    ------
    NotAuthorisedError
        If the role may not, naming who could.
    """
    role = role_of(connection, user)
    if not may(role, action):
        others = " or ".join(sorted(MATRIX[action]))
        raise NotAuthorisedError(
            f"{user!r} is {role} and may not do {action}; ask the {others}.",
            code="role_forbids",
            role=role,
            roles=sorted(MATRIX[action]),
        )


def as_markdown() -> str:
    """Return the matrix as a Markdown table, for docs/safeguards.md."""
    lines = [f"| action | {' | '.join(ROLES)} |", "|---" * (len(ROLES) + 1) + "|"]
    for action, allowed in MATRIX.items():
        cells = ("yes" if role in allowed else "" for role in ROLES)
        lines.append(f"| {action} | {' | '.join(cells)} |")
    return "\n".join(lines)


def check(settings: Settings, user: str, action: str, subject: str = "") -> None:
    """Refuse and record the act unless the user's role may do it."""
    with acting_as(settings, user, action, subject):
        pass


@contextmanager
def acting_as(
    settings: Settings, user: str, action: str, subject: str, purpose: str = ""
) -> Iterator[tuple[Connection, audit.Note]]:
    """Give a transaction and its `note(act, subject, purpose, **detail)`.

    The role is checked first; a refusal, also one raised inside, undoes the
    change and is itself recorded.
    """
    try:
        with audit.acting(settings) as (connection, note):
            demand(connection, user, action)
            yield connection, partial(note, user)
    except NotAuthorisedError as error:
        audit.record(
            settings,
            user,
            "refused",
            subject,
            purpose,
            {"action": action, "because": str(error)},
        )
        raise
