"""Greets, and says how much Python there is."""

import pathlib
import sys
import sysconfig

import humanize

library = pathlib.Path(sysconfig.get_path("stdlib"))
size = sum(path.stat().st_size for path in library.rglob("*.py"))
print(f"Hello, {sys.argv[1]}! My standard library is {humanize.naturalsize(size)} of Python.")
