"""Trains one model of the sample data."""
