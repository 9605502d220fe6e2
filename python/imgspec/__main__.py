"""Runs the program: `python -m imgspec …`."""

import os
import sys

from imgspec import program

if __name__ == "__main__":
    path = program()
    os.execv(path, [path, *sys.argv[1:]])  # noqa: S606
