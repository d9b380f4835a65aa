"""Local accounts: argon2 passwords, lock-out, sessions that end.

Without any account the machine is a single person's and everybody named may act
(two persons are still needed). The first account is an administrator's; from
then on only enabled accounts act, each within its role. Accounts without a
password belong to people whom a proxy or OpenID provider has identified.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from pipeline.casebook import (
    audit,
    clock,
    database,
    first_password,
    roles,
    sessions,
    tables,
)
from pipeline.errors import DongseonError, NotAuthorisedError
from pipeline.settings import Settings

#: Wrong passwords in a row that lock an account, and for how long
#: (NIST SP 800-63B, 5.2.2, allows at most 100; we are stricter).
FAILURES = 5
LOCK = timedelta(minutes=15)
#: NIST SP 800-63B, 5.1.1.2, asks for 8 at least; no rules on characters.
SHORTEST_PASSWORD = 12
FIRST = "administrator"
#: Who is recorded where there is no such account.
UNKNOWN = "?"

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{1,126}")


class PasswordChangeNeededError(NotAuthorisedError):
    """The password was good for one time; the person must choose their own."""


@dataclass(frozen=True)
class Account:
    """Who may act; times are UTC."""

    name: str
    role: str
    local: bool  #: has a password here; others come by proxy or OpenID
    locked_until: datetime | None
    disabled_at: datetime | None
    made_at: datetime


def first_administrator(
    settings: Settings, keep: Callable[[str], object] = bool
) -> tuple[str, str] | None:
    """Make the first account on a casebook that has none.

    Parameters
    ----------
    keep : given the one-time password; if it fails, no account is made.

    Returns
    -------
    Its name and one-time password, to be shown once; None if there are accounts.
    """
    password = _one_time()
    with audit.acting(settings) as (connection, note):
        if exist(connection):
            return None
        _insert(connection, FIRST, "administrator", password, True, FIRST)
        note(FIRST, "account.add", FIRST, role="administrator", first=True)
        keep(password)
    return FIRST, password


def add(
    name: str, role: str, user: str, *, local: bool = True, settings: Settings
) -> str | None:
    """Add an account.

    Parameters
    ----------
    local : False for a person identified by a proxy or OpenID provider.

    Returns
    -------
    The one-time password of a local account, to be shown once.
    """
    if not _NAME.fullmatch(name):
        raise DongseonError(
            f"The account name {name!r} must be 2-127 small letters, digits or ._@-"
        )
    _demand_role(role)
    password = _one_time() if local else None
    with roles.acting_as(settings, user, "account.manage", name) as (connection, note):
        if not exist(connection) and role != "administrator":
            raise DongseonError(
                "The first account must be an administrator's; add that one first."
            )
        if _row(connection, name) is not None:
            raise DongseonError(f"There is an account {name} already.")
        _insert(connection, name, role, password, local, user)
        note("account.add", name, role=role, local=local)
    return password


def set_role(name: str, role: str, user: str, *, settings: Settings) -> None:
    """Give an account another role; its sessions end."""
    _demand_role(role)
    with roles.acting_as(settings, user, "account.manage", name) as (connection, note):
        before = _existing(connection, name)
        _change(connection, name, role=role)
        note("account.role", name, role=role, before=before.role)
        _demand_administrator(connection)


def disable(name: str, user: str, *, settings: Settings) -> None:
    """Take away an account's rights at once; its sessions end."""
    with roles.acting_as(settings, user, "account.manage", name) as (connection, note):
        _existing(connection, name)
        _change(connection, name, disabled_at=clock.now())
        note("account.disable", name)
        _demand_administrator(connection)


def reset(name: str, user: str, *, settings: Settings) -> str:
    """Enable and unlock an account and give it a new one-time password."""
    password = _one_time()
    with roles.acting_as(settings, user, "account.manage", name) as (connection, note):
        _existing(connection, name)
        _change(
            connection,
            name,
            password_hash=_hasher().hash(password),
            must_change=1,
            failures=0,
            locked_until=None,
            disabled_at=None,
        )
        note("account.reset", name)
    return password


def list_accounts(user: str, *, settings: Settings) -> list[Account]:
    """Return all accounts by name."""
    with roles.acting_as(settings, user, "account.manage", "*") as (connection, note):
        rows = connection.execute(
            select(tables.accounts).order_by(tables.accounts.c.name)
        ).all()
        note("account.list", "*", rows=len(rows))
    return [
        Account(
            name=row.name,
            role=row.role,
            local=row.password_hash is not None,
            locked_until=row.locked_until,
            disabled_at=row.disabled_at,
            made_at=row.made_at,
        )
        for row in rows
    ]


def log_in(name: str, password: str, *, settings: Settings) -> str:
    """Check a password and open a session.

    Returns
    -------
    The session's token; only its digest is stored.

    Raises
    ------
    PasswordChangeNeededError
        If the password was a one-time one: call `change_password` first.
    NotAuthorisedError
        If name or password are wrong, or the account is locked or disabled; it
        does not say which of name and password.
    """
    row = _checked(name, password, settings)
    if row.must_change:
        raise PasswordChangeNeededError(
            f"The one-time password of {name} is right; choose your own now "
            "(dongseon user password)."
        )
    return sessions.begin(name, "password", settings=settings)


def admit(name: str, how: str, *, settings: Settings) -> str:
    """Open a session for somebody whom a provider has identified; return its token.

    Raises
    ------
    NotAuthorisedError
        If there is no enabled account of this name that was added as external: a
        provider cannot speak for an account with a password here.
    """
    demand_external(name, how, settings=settings)
    return sessions.begin(name, how, settings=settings)


def demand_external(name: str, how: str, *, settings: Settings) -> None:
    """Refuse a name that no enabled external account has; the refusal is recorded."""
    with database.reading(settings) as connection:
        row = _row(connection, name)
    if row is None or row.disabled_at is not None or row.password_hash is not None:
        detail = {"action": "login", "how": how, "because": "no external account"}
        known = name if row is not None else UNKNOWN
        audit.record(settings, known, "refused", known, "", detail)
        raise NotAuthorisedError(
            f"{name!r} was identified, but has no enabled external account here; ask "
            "an administrator (dongseon user add NAME --role ROLE --external).",
            code="account_external",
            name=name,
        )


def change_password(name: str, old: str, new: str, *, settings: Settings) -> None:
    """Set one's own password; every session of the account ends."""
    _checked(name, old, settings)
    if len(new) < SHORTEST_PASSWORD:
        raise DongseonError(
            f"The new password has {len(new)} characters; take at least "
            f"{SHORTEST_PASSWORD}, for example four words.",
            code="password_short",
            length=len(new),
            least=SHORTEST_PASSWORD,
        )
    if new == old:
        raise DongseonError(
            "The new password is the old one; choose another.", code="password_same"
        )
    with audit.acting(settings) as (connection, note):
        _change(connection, name, password_hash=_hasher().hash(new), must_change=0)
        note(name, "account.password", name)
    if name == FIRST:
        first_password.forget(settings)


def role(user: str, *, settings: Settings) -> str | None:
    """Return a user's role; None on a machine without accounts.

    Raises
    ------
    NotAuthorisedError
        If there are accounts, but no enabled one of this name.
    """
    with database.reading(settings) as connection:
        return roles.role_of(connection, user)


def _checked(name: str, password: str, settings: Settings) -> Row:
    """Check a password; count failures in a transaction of their own."""
    now = clock.now()
    with audit.acting(settings) as (connection, note):
        row = _row(connection, name)
        locked = row is not None and row.locked_until and row.locked_until > now
        good = _matches(row.password_hash if row is not None else None, password)
        if row is None or locked or row.disabled_at or not good:
            reason = "locked" if locked else "wrong name, password or disabled"
            # What was typed as an unknown name may be a password: it is not kept.
            known = name if row is not None else UNKNOWN
            note(known, "refused", known, action="login", because=reason)
            if row is not None and not locked:
                failures = row.failures + 1
                lock = now + LOCK if failures >= FAILURES else None
                _set(
                    connection,
                    name,
                    failures=0 if lock else failures,
                    locked_until=lock,
                )
        elif row.failures or row.locked_until:
            _set(connection, name, failures=0, locked_until=None)
    if row is not None and locked:
        raise NotAuthorisedError(
            f"{name} is locked until {row.locked_until:%H:%M} UTC after {FAILURES} "
            "wrong passwords; wait, or ask an administrator (dongseon user reset).",
            code="account_locked",
            name=name,
            until=row.locked_until,
            failures=FAILURES,
        )
    if row is None or row.disabled_at or not good:
        raise NotAuthorisedError(
            "The name or the password is wrong.", code="login_wrong"
        )
    return row


def _matches(stored: str | None, password: str) -> bool:
    """Compare; takes as long for an account that does not exist."""
    try:
        _hasher().verify(stored or _decoy(), password)
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _decoy() -> str:
    return _hasher().hash(secrets.token_hex(16))


def _one_time() -> str:
    return secrets.token_urlsafe(12)


def _demand_role(role: str) -> None:
    if role not in roles.ROLES:
        raise DongseonError(
            f"The role {role!r} must be one of {', '.join(roles.ROLES)}."
        )


def exist(connection: Connection) -> bool:
    """Tell whether there is any account: if so, only accounts act."""
    query = select(func.count()).select_from(tables.accounts)
    return bool(connection.execute(query).scalar_one())


def _row(connection: Connection, name: str) -> Row | None:
    query = select(tables.accounts).where(tables.accounts.c.name == name)
    return connection.execute(query).first()


def _existing(connection: Connection, name: str) -> Row:
    row = _row(connection, name)
    if row is None:
        raise DongseonError(f"There is no account {name}; see dongseon user list.")
    return row


def _insert(
    connection: Connection,
    name: str,
    role: str,
    password: str | None,
    must_change: bool,
    user: str,
) -> None:
    connection.execute(
        insert(tables.accounts).values(
            name=name,
            role=role,
            password_hash=_hasher().hash(password) if password else None,
            must_change=int(must_change),
            failures=0,
            made_by=user,
            made_at=clock.now(),
        )
    )


def _set(connection: Connection, name: str, **values: Any) -> None:
    connection.execute(
        update(tables.accounts).where(tables.accounts.c.name == name).values(**values)
    )


def _change(connection: Connection, name: str, **values: Any) -> None:
    _set(connection, name, **values)
    connection.execute(delete(tables.sessions).where(tables.sessions.c.account == name))


def _demand_administrator(connection: Connection) -> None:
    table = tables.accounts
    query = select(func.count()).where(
        table.c.role == "administrator", table.c.disabled_at.is_(None)
    )
    if not connection.execute(query).scalar_one():
        raise DongseonError(
            "The last enabled administrator cannot go; add another one first."
        )
