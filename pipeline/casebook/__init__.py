"""Casebook: cases, orders, approvals, galleries, audit. The only door to trace."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """Load `demo_order` when asked for, so that importing the package is light."""
    if name == "demo_order":
        from pipeline.casebook.demo import demo_order

        return demo_order
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
