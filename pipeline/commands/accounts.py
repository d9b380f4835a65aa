"""Verbs of `dongseon` about accounts."""

from __future__ import annotations

import os
from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(help="Name of the account.")]
User = Annotated[
    str | None, typer.Option("--user", help="Who acts; default: who is logged in.")
]


def attach(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    user = typer.Typer(no_args_is_help=True, help="Accounts and their roles.")
    user.command("add")(add)
    user.command("role")(role)
    user.command("disable")(disable)
    user.command("reset")(reset)
    user.command("list")(list_all)
    user.command("login")(login)
    user.command("logout")(logout)
    user.command("password")(password)
    app.add_typer(user, name="user")


def add(
    name: Name,
    role: Annotated[
        str,
        typer.Option(
            "--role", help="investigator, approver, analyst, briefing, administrator"
        ),
    ],
    external: Annotated[
        bool, typer.Option("--external", help="Identified by proxy or OpenID.")
    ] = False,
    user: User = None,
) -> None:
    """Add an account; the first one must be an administrator's."""
    from pipeline.casebook import accounts
    from pipeline.commands.casebook import context

    settings, who = context(user)
    once = accounts.add(name, role, who, local=not external, settings=settings)
    typer.echo(f"Account {name} ({role}) added.")
    if once:
        _show_once(once)


def role(
    name: Name,
    role: Annotated[str, typer.Argument(help="The new role.")],
    user: User = None,
) -> None:
    """Give an account another role; its sessions end."""
    from pipeline.casebook import accounts
    from pipeline.commands.casebook import context

    settings, who = context(user)
    accounts.set_role(name, role, who, settings=settings)
    typer.echo(f"{name} is {role} now.")


def disable(name: Name, user: User = None) -> None:
    """Take away an account's rights at once."""
    from pipeline.casebook import accounts
    from pipeline.commands.casebook import context

    settings, who = context(user)
    accounts.disable(name, who, settings=settings)
    typer.echo(f"{name} is disabled.")


def reset(name: Name, user: User = None) -> None:
    """Enable and unlock an account; print a new one-time password."""
    from pipeline.casebook import accounts
    from pipeline.commands.casebook import context

    settings, who = context(user)
    _show_once(accounts.reset(name, who, settings=settings))


def list_all(user: User = None) -> None:
    """List the accounts."""
    from pipeline.casebook import accounts
    from pipeline.commands.casebook import context

    settings, who = context(user)
    for one in accounts.list_accounts(who, settings=settings):
        state = "disabled" if one.disabled_at else "enabled"
        typer.echo(f"{one.name:<24} {one.role:<14} {state}")


def login(name: Name) -> None:
    """Log in on this command line; the session is kept beside the key."""
    from pipeline.casebook import accounts, identity
    from pipeline.settings import get_settings

    settings = get_settings()
    token = accounts.log_in(name, _asked("Password"), settings=settings)
    path = identity.session_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token)
    typer.echo(f"{name} is logged in.")


def logout() -> None:
    """End this command line's session."""
    from pipeline.casebook import identity, sessions
    from pipeline.settings import get_settings

    settings = get_settings()
    path = identity.session_file(settings)
    if path.exists():
        sessions.log_out(path.read_text().strip(), settings=settings)
        path.unlink()
    typer.echo("Logged out.")


def password(name: Name) -> None:
    """Choose one's own password."""
    from pipeline.casebook import accounts
    from pipeline.settings import get_settings

    old = _asked("Present password")
    new = _asked("New password", confirm=True)
    accounts.change_password(name, old, new, settings=get_settings())
    typer.echo(f"The password of {name} is changed.")


def _asked(prompt: str, confirm: bool = False) -> str:
    return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=confirm))


def _show_once(once: str) -> None:
    typer.echo(f"One-time password, shown only now: {once}")
