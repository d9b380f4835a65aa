"""Follow-up of contacts by their tracklets, with more states and times."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pipeline.casebook.tables import SERIAL, UtcDateTime

revision = "0003"
down_revision = "0002"

_COPY = sa.text(
    'INSERT INTO followups (case_id, contact, tracklets, state, "by", at) '
    "SELECT case_id, contact, '[]', "
    "CASE state WHEN 'open' THEN 'to_notify' ELSE state END, \"by\", at "
    "FROM followups_before"
)


def upgrade() -> None:
    """Make the table anew and keep what was entered."""
    op.execute(sa.text("ALTER TABLE followups RENAME TO followups_before"))
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            sa.text(
                "ALTER TABLE followups_before "
                "RENAME CONSTRAINT pk_followups TO pk_followups_before"
            )
        )
    op.create_table(
        "followups",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("case_id", SERIAL, nullable=False),
        sa.Column("contact", sa.String(length=32), nullable=False),
        sa.Column("tracklets", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("listed_at", UtcDateTime()),
        sa.Column("reached_at", UtcDateTime()),
        sa.Column("by", sa.String(length=128), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "state IN ('to_notify', 'reached', 'unreachable', 'tested', 'closed')",
            name=op.f("ck_followups_state"),
        ),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["cases.id"],
            name=op.f("fk_followups_case_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_followups")),
        comment="what became of a contact; no row means to be notified",
    )
    op.create_index("ix_followups_case_id", "followups", ["case_id"])
    op.execute(_COPY)
    op.drop_table("followups_before")
