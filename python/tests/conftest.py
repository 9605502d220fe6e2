"""A working directory of its own for each test, a program that notes how it is called, and a stand-in for Docker."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import docker
import docker.errors
import pytest
from flytekit.core.context_manager import FlyteEntities
from flytekit.image_spec.image_spec import ImageBuildEngine

import imgspec
import imgspec.flytekit

if TYPE_CHECKING:
    from collections.abc import Iterator

REGISTRY = "localhost:5000/team"


class Program:
    """The real program, behind a script that notes its arguments."""

    def __init__(self, folder: Path) -> None:
        self.calls_file = folder / "calls"
        self.path = folder / "imgspec"
        real, calls = shlex.quote(imgspec.program()), shlex.quote(str(self.calls_file))
        self.path.write_text(f'#!/bin/sh\nprintf \'%s \' "$@" >> {calls}\necho >> {calls}\nexec {real} "$@"\n')
        self.path.chmod(0o755)

    @property
    def builds(self) -> list[str]:
        """The calls of `graph build`."""
        calls = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        return [call for call in calls if " graph build " in call]


class Docker:
    """Knows which images exist, as the client that flytekit asks."""

    def __init__(self) -> None:
        self.existing: set[str] = set()
        self.error: Exception | None = None
        self.images = SimpleNamespace(get=self.get, get_registry_data=self.get)

    def get(self, name: str) -> str:
        if self.error is not None:
            raise self.error
        if name not in self.existing:
            raise docker.errors.ImageNotFound("no such image", response=SimpleNamespace(status_code=404))
        return name


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory, whose images are only pretended to be built."""
    for name in list(os.environ):
        if name.startswith(("FLYTE_", "IMGSPEC_")) and not name.startswith("IMGSPEC_TEST_"):
            monkeypatch.delenv(name)
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("IMGSPEC_BUILDER", "fake")
    monkeypatch.setenv("IMGSPEC_FAKE_SECONDS", "0.2")
    modules = set(sys.modules)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    yield folder
    for name in set(sys.modules) - modules:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    ImageBuildEngine.build.cache_clear()
    ImageBuildEngine._IMAGE_NAME_TO_REAL_NAME.clear()
    FlyteEntities.entities.clear()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    made = Program(tmp_path)
    monkeypatch.setenv("IMGSPEC", str(made.path))
    return made


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Docker:
    """A stand-in for Docker that has no images yet."""
    stand_in = Docker()
    monkeypatch.setattr(docker, "from_env", lambda: stand_in)
    return stand_in
