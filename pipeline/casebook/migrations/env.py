"""Run the steps on the connection that `casebook.database` hands over."""

from __future__ import annotations

from alembic import context

from pipeline.casebook.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,  # the caller holds the transaction
)
context.run_migrations()
