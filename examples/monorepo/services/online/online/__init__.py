"""Scores one customer at a time."""
