"""Cameras: the registry, imports, calibration and coverage."""
