"""Footage becomes observations; a signed order turns observations into a path."""

__version__ = "0.1.0"
