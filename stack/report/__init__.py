"""Trains a very small model and reports how it went."""
