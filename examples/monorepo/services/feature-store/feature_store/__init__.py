"""Keeps the features of customers for services that need them now."""
