"""Measurements of Dongseon beside baselines run on the same data."""
