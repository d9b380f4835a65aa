"""What patients remember: where they were, and when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pipeline.casebook.tables import SERIAL, UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "anchors",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("case_id", SERIAL, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("order_id", SERIAL, nullable=False),
        sa.Column("added_by", sa.String(length=128), nullable=False),
        sa.Column("added_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"],
            ["cases.id"],
            name=op.f("fk_anchors_case_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_anchors")),
        comment="encrypted statements of where a patient was; they die with their case",
    )
    op.create_index("ix_anchors_case_id", "anchors", ["case_id"])
