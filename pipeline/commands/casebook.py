"""Verbs of `dongseon` about casebook."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.casebook.orders import Order
    from pipeline.settings import Settings

User = Annotated[
    str | None, typer.Option("--user", help="Who acts; default: the settings' user.")
]
CaseName = Annotated[str, typer.Argument(help="Pseudonym of the case.")]
OrderId = Annotated[int, typer.Argument(help="Number of the order.")]


def attach(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    from pipeline.commands import accounts, anchors, audit, safeguards

    case = typer.Typer(no_args_is_help=True, help="Confirmed patients.")
    case.command("open")(case_open)
    case.command("list")(case_list)
    case.command("isolated")(case_isolated)
    case.command("close")(case_close)
    anchors.attach(case)
    app.add_typer(case, name="case")
    order = typer.Typer(no_args_is_help=True, help="Orders that allow a trace.")
    order.command("request")(order_request)
    order.command("approve")(order_approve)
    order.command("refuse")(order_refuse)
    order.command("revoke")(order_revoke)
    order.command("list")(order_list)
    app.add_typer(order, name="order")
    audit.attach(app)
    accounts.attach(app)
    safeguards.attach(app)


def context(user: str | None) -> tuple[Settings, str]:
    """Return the settings and who acts."""
    from pipeline.casebook import identity
    from pipeline.settings import get_settings

    settings = get_settings()
    return settings, identity.acting_user(user, settings=settings)


def moment(text: str | None, option: str) -> datetime | None:
    """Return the aware datetime written on the command line."""
    from pipeline.errors import DongseonError

    if text is None:
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise DongseonError(
            f"{option} {text!r} is no ISO 8601 time; write it like "
            "2025-11-03T14:00+09:00."
        ) from None
    if value.tzinfo is None:
        raise DongseonError(
            f"{option} {text!r} has no time zone; write it like "
            f"{value.isoformat(timespec='minutes')}+09:00."
        )
    return value


def local(value: datetime | None, settings: Settings) -> str:
    """Return a moment as shown to people."""
    from zoneinfo import ZoneInfo

    if value is None:
        return "-"
    return f"{value.astimezone(ZoneInfo(settings.time_zone)):%Y-%m-%d %H:%M}"


def case_open(
    test: Annotated[
        str, typer.Option("--test", help="Fact of the positive test; kept encrypted.")
    ],
    confirmed: Annotated[
        str, typer.Option("--confirmed", metavar="TIME", help="Positive test.")
    ],
    onset: Annotated[
        str | None, typer.Option("--onset", metavar="TIME", help="First symptoms.")
    ] = None,
    isolated: Annotated[
        str | None, typer.Option("--isolated", metavar="TIME", help="Isolated since.")
    ] = None,
    pseudonym: Annotated[
        str | None, typer.Option("--pseudonym", help="Default: made at random.")
    ] = None,
    user: User = None,
) -> None:
    """Open a case for a confirmed patient. Times: 2025-11-03T14:00+09:00."""
    from pipeline.casebook import cases

    confirmed_at = moment(confirmed, "--confirmed")
    onset_at, isolated_at = moment(onset, "--onset"), moment(isolated, "--isolated")
    settings, who = context(user)
    assert confirmed_at is not None
    case = cases.open_case(
        who,
        test=test,
        confirmed_at=confirmed_at,
        onset_at=onset_at,
        isolated_at=isolated_at,
        pseudonym=pseudonym,
        settings=settings,
    )
    typer.echo(f"Case {case.pseudonym} is open.")


def case_list(user: User = None) -> None:
    """List the cases."""
    from pipeline.casebook import cases

    settings, who = context(user)
    for case in cases.list_cases(who, settings=settings):
        typer.echo(
            f"{case.pseudonym:<16} {case.status:<6}  onset "
            f"{local(case.onset_at, settings)}  confirmed "
            f"{local(case.confirmed_at, settings)}  isolated "
            f"{local(case.isolated_at, settings)}"
        )


def case_isolated(
    case: CaseName,
    at: Annotated[str, typer.Argument(metavar="TIME", help="Isolated since.")],
    user: User = None,
) -> None:
    """Enter when the patient was isolated."""
    from pipeline.casebook import cases

    isolated_at = moment(at, "TIME")
    settings, who = context(user)
    assert isolated_at is not None
    revoked = cases.set_isolated(case, who, isolated_at, settings=settings)
    typer.echo(f"Case {case} is isolated since {local(isolated_at, settings)}.")
    if revoked:
        typer.echo(f"{revoked} orders reached beyond that and are revoked.")


def case_close(case: CaseName, user: User = None) -> None:
    """Close a case: its gallery is destroyed, its orders end."""
    from pipeline.casebook import cases

    settings, who = context(user)
    gone = cases.close_case(case, who, settings=settings)
    typer.echo(f"Case {case} is closed; {gone} templates destroyed.")


def order_request(
    case: CaseName,
    legal_basis: Annotated[
        str,
        typer.Option("--legal-basis", help='Article, e.g. "IDCPA Art. 76-2 (2)".'),
    ],
    purpose: Annotated[str, typer.Option("--purpose", help="Why; recorded.")],
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Default: 2 days before onset."),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--to", metavar="TIME", help="Default: isolation, or now."),
    ] = None,
    area: Annotated[
        Path | None,
        typer.Option("--area", help="GeoJSON polygon; default: Bucheon."),
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="TIME", help="Default: 7 days.")
    ] = None,
    user: User = None,
) -> None:
    """Ask for the trace of a case; another person must approve."""
    from pipeline.casebook import areas, orders
    from pipeline.errors import DongseonError

    begins, ends = moment(start, "--from"), moment(end, "--to")
    if (begins is None) != (ends is None):
        raise DongseonError("Give both --from and --to, or neither.")
    settings, who = context(user)
    order = orders.request_order(
        case,
        who,
        legal_basis=legal_basis,
        purpose=purpose,
        window=(begins, ends) if begins and ends else None,
        area=areas.read(area) if area else None,
        expires_at=moment(expires, "--expires"),
        settings=settings,
    )
    typer.echo(_line(order, settings))
    typer.echo(
        f"Another person approves it: dongseon order approve {order.id} --user NAME"
    )


def order_approve(order: OrderId, user: User = None) -> None:
    """Approve an order that another person requested."""
    from pipeline.casebook import orders

    settings, who = context(user)
    typer.echo(_line(orders.approve(order, who, settings=settings), settings))


def order_refuse(
    order: OrderId,
    reason: Annotated[str, typer.Option("--reason", help="Why; recorded.")],
    user: User = None,
) -> None:
    """Refuse an order that another person requested."""
    from pipeline.casebook import orders

    settings, who = context(user)
    typer.echo(_line(orders.refuse(order, who, reason, settings=settings), settings))


def order_revoke(
    order: OrderId,
    reason: Annotated[str, typer.Option("--reason", help="Why; recorded.")],
    user: User = None,
) -> None:
    """End an order at once; running jobs stop."""
    from pipeline.casebook import orders

    settings, who = context(user)
    typer.echo(_line(orders.revoke(order, who, reason, settings=settings), settings))


def order_list(
    case: Annotated[
        str | None, typer.Option("--case", help="Of one case only.")
    ] = None,
    user: User = None,
) -> None:
    """List orders, newest first."""
    from pipeline.casebook import orders

    settings, who = context(user)
    for order in orders.list_orders(who, case=case, settings=settings):
        typer.echo(_line(order, settings))


def _line(order: Order, settings: Settings) -> str:
    decided = f", decided by {order.decided_by}" if order.decided_by else ""
    return (
        f"Order {order.id} of {order.case}: {order.state}, "
        f"{local(order.window_start, settings)} to {local(order.window_end, settings)}"
        f", until {local(order.expires_at, settings)}, requested by "
        f"{order.requested_by}{decided} ({order.legal_basis})"
    )
