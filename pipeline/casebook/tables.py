"""Tables of the casebook (SQLAlchemy Core): SQLite or PostgreSQL alike."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: aware UTC in Python, `timestamptz` or ISO text in the database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse moments without a zone; hand over UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value


#: Serial keys: SQLite numbers only a column declared INTEGER by itself.
SERIAL = BigInteger().with_variant(Integer, "sqlite")

ORDER_STATES = ("requested", "approved", "refused", "revoked")
VERDICTS = ("accept", "reject", "unsure")
FOLLOWUP_STATES = ("to_notify", "reached", "unreachable", "tested", "closed")


def _one_of(column: str, values: tuple[str, ...], name: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=name)


about = Table(
    "about",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
    comment="its random id, which starts the audit chain",
)

cases = Table(
    "cases",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("pseudonym", String(32), nullable=False, unique=True),
    Column("status", String(16), nullable=False),
    Column("onset_at", UtcDateTime),
    Column("confirmed_at", UtcDateTime, nullable=False),
    Column("isolated_at", UtcDateTime),
    Column("test_sealed", LargeBinary),
    Column("opened_by", String(128), nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("closed_by", String(128)),
    Column("closed_at", UtcDateTime),
    _one_of("status", ("open", "closed"), "status"),
    sqlite_autoincrement=True,  # a number is never used twice
    comment="confirmed patients under pseudonyms; no name, number or address",
)

orders = Table(
    "orders",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("case_id", ForeignKey("cases.id", ondelete="CASCADE"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("legal_basis", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("requested_by", String(128), nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("decided_by", String(128)),
    Column("decided_at", UtcDateTime),
    Column("revoked_by", String(128)),
    Column("revoked_at", UtcDateTime),
    Column("reason", Text),
    Column("window_start", UtcDateTime, nullable=False),
    Column("window_end", UtcDateTime, nullable=False),
    Column("area", Text, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    _one_of("state", ORDER_STATES, "state"),
    CheckConstraint(
        "decided_by IS NULL OR decided_by <> requested_by", name="two_persons"
    ),
    CheckConstraint(
        "state NOT IN ('approved', 'refused') OR decided_by IS NOT NULL",
        name="decided",
    ),
    CheckConstraint("window_start < window_end", name="window"),
    Index("ix_orders_case_id", "case_id"),
    sqlite_autoincrement=True,
    comment="orders; area is WGS84 WKT; one past expires_at allows nothing",
)

galleries = Table(
    "galleries",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("case_id", ForeignKey("cases.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("order_id", SERIAL, nullable=False),
    Column("added_by", String(128), nullable=False),
    Column("added_at", UtcDateTime, nullable=False),
    _one_of("kind", ("photo", "tracklet"), "kind"),
    Index("ix_galleries_case_id", "case_id"),
    comment="encrypted templates; they die with their case",
)

anchors = Table(
    "anchors",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("case_id", ForeignKey("cases.id", ondelete="CASCADE"), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("order_id", SERIAL, nullable=False),
    Column("added_by", String(128), nullable=False),
    Column("added_at", UtcDateTime, nullable=False),
    Index("ix_anchors_case_id", "case_id"),
    comment="encrypted statements of where a patient was; they die with their case",
)

reviews = Table(
    "reviews",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("case_id", ForeignKey("cases.id", ondelete="CASCADE"), nullable=False),
    Column("tracklet_id", BigInteger, nullable=False),
    Column("reviewer", String(128), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    _one_of("verdict", VERDICTS, "verdict"),
    Index("ix_reviews_case_tracklet", "case_id", "tracklet_id"),
    comment="verdicts on sightings; of one person the last counts",
)

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
    Column("actor", Text, nullable=False),
    Column("act", String(64), nullable=False),
    Column("subject", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    comment="append-only, each entry's digest covers the one before",
)

accounts = Table(
    "accounts",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("role", String(32), nullable=False),
    Column("password_hash", Text),
    Column("must_change", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("locked_until", UtcDateTime),
    Column("disabled_at", UtcDateTime),
    Column("made_by", String(128), nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    comment="who may act; none at all means a single machine without log-in",
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_digest", String(64), primary_key=True),
    Column("account", ForeignKey("accounts.name", ondelete="CASCADE"), nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    comment="log-ins; only the SHA-256 of the token is kept",
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("case_id", ForeignKey("cases.id", ondelete="CASCADE"), nullable=False),
    Column("order_id", SERIAL, nullable=False),
    Column("options", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("stage", String(64), nullable=False),
    Column("progress", Integer, nullable=False),
    Column("queued_by", String(128), nullable=False),
    Column("queued_at", UtcDateTime, nullable=False),
    Column("worker", String(128)),
    Column("started_at", UtcDateTime),
    Column("beat_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("run", String(64)),
    Column("error", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    _one_of("state", ("queued", "running", "done", "failed", "stopped"), "state"),
    Index("ix_jobs_state", "state"),
    comment="traces that wait, run or have ended; progress in per cent",
)

disclosures = Table(
    "disclosures",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("case_id", ForeignKey("cases.id", ondelete="CASCADE"), nullable=False),
    Column("made_by", String(128), nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("places", Text, nullable=False),
    comment="place lists made public (JSON), each with its end",
)

followups = Table(
    "followups",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("case_id", ForeignKey("cases.id", ondelete="CASCADE"), nullable=False),
    Column("contact", String(32), nullable=False),
    Column("tracklets", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("listed_at", UtcDateTime),
    Column("reached_at", UtcDateTime),
    Column("by", String(128), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    _one_of("state", FOLLOWUP_STATES, "state"),
    Index("ix_followups_case_id", "case_id"),
    comment="what became of a contact; no row means to be notified",
)
