"""Casebook: cases, orders, approvals, galleries, audit. The only door to trace."""
