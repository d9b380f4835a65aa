"""Evaluation: how well the pipeline sees, measured on labelled pictures and clips."""
