"""Scores all customers at once."""
