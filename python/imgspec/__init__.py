"""imgspec builds all container images of a repository from one file. This package brings the program.

`imgspec.flytekit` builds flytekit's ImageSpecs with it.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

__all__ = ["program"]


def program() -> str:
    """The path of the program: `IMGSPEC`, else the one of this package, else the first in `PATH`."""
    named = os.environ.get("IMGSPEC")
    if named:
        return named
    folders = [sysconfig.get_path("scripts"), str(Path(sys.executable).parent)]
    if user := sysconfig.get_preferred_scheme("user"):
        folders.append(sysconfig.get_path("scripts", scheme=user))
    # `pip install --target`: beside the package.
    folders.append(str(Path(__file__).parent.parent / "bin"))
    for folder in folders:
        found = shutil.which("imgspec", path=folder)
        if found:
            return found
    found = shutil.which("imgspec")
    if found:
        return found
    looked = ", ".join(dict.fromkeys(folders))
    raise FileNotFoundError(
        f"the program `imgspec` is neither in {looked} nor in PATH; install it, or set IMGSPEC to its path"
    )
