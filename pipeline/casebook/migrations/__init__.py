"""Steps that bring a casebook's tables up to date (Alembic)."""
