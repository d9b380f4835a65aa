"""Verbs of `dongseon` about sql."""

from __future__ import annotations

import typer


def attach(app: typer.Typer) -> None:
    """Add these verbs to the command."""
