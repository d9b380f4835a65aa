"""What allows a trace: an approved order, made visible as one unforgeable object."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shapely.geometry.base import BaseGeometry

from pipeline.errors import NotAuthorisedError

_PROCESS_SECRET = secrets.token_bytes(32)


@dataclass(frozen=True)
class Authorisation:
    """Permission of one person to trace one case under one approved order.

    Made by `casebook.orders.authorise` only; one built by hand carries no valid
    seal and is refused by `require`. Times are UTC; the area is WGS84 lon/lat.
    """

    case: str  #: pseudonym of the case
    order_id: int
    user: str
    purpose: str
    window_start: datetime
    window_end: datetime
    area: BaseGeometry
    expires_at: datetime
    seal: bytes = field(default=b"", repr=False)


def require(authorisation: Authorisation) -> Authorisation:
    """Return the authorisation if the casebook issued it and it still holds.

    Raises
    ------
    NotAuthorisedError
        If it is no authorisation, was not issued by the casebook in this
        process, or has expired.
    """
    if not isinstance(authorisation, Authorisation) or not hmac.compare_digest(
        authorisation.seal, seal_of(authorisation)
    ):
        raise NotAuthorisedError(
            "This needs an authorisation issued by the casebook: request an order "
            "(dongseon order request) and have another person approve it.",
            code="order_needed",
        )
    if datetime.now(UTC) >= authorisation.expires_at:
        raise NotAuthorisedError(
            f"Order {authorisation.order_id} of case {authorisation.case} expired at "
            f"{authorisation.expires_at:%Y-%m-%d %H:%M} UTC; request a new order.",
            code="order_expired",
            order=authorisation.order_id,
            case=authorisation.case,
            at=authorisation.expires_at,
        )
    return authorisation


def seal_of(authorisation: Authorisation) -> bytes:
    """Return the seal over every field, keyed to this process."""
    text = "\x1f".join(
        [
            authorisation.case,
            str(authorisation.order_id),
            authorisation.user,
            authorisation.purpose,
            authorisation.window_start.isoformat(),
            authorisation.window_end.isoformat(),
            authorisation.area.wkb_hex,
            authorisation.expires_at.isoformat(),
        ]
    )
    return hmac.new(_PROCESS_SECRET, text.encode(), hashlib.sha256).digest()
