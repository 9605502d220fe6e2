"""What a task runs."""


def train() -> str:
    return "trained"
