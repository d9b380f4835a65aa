"""Verbs of `dongseon` about evaluation."""

from __future__ import annotations

import typer


def attach(app: typer.Typer) -> None:
    """Add these verbs to the command."""
