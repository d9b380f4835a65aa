"""A city with known truth, written as observations."""
