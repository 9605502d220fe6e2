"""What Acme's programs share: events, features, models, and a small JSON service."""
