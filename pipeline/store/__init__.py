"""Observation store: immutable Parquet segments under views in DuckDB."""
