"""All images of a package as one graph."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from conftest import Docker, Program
from flytekit.image_spec.image_spec import ImageBuildEngine, ImageSpec

from imgspec.flytekit import BuildError, build, build_all, main

if TYPE_CHECKING:
    from pathlib import Path

SHARED = """
from flytekit import ImageSpec
common = dict(registry="localhost:5000/team", builder="imgspec")
base = ImageSpec(name="base", apt_packages=["git"], **common)
"""

FLOWS = """
from flytekit import ImageSpec, task, workflow
from flows.shared import base, common

others = {"pod": ImageSpec(name="pod", base_image=base, packages=["click"], **common)}

@task(container_image=ImageSpec(name="train", base_image=base, packages=["six"], **common))
def train() -> int:
    return 1

@task(container_image=ImageSpec(name="serve", base_image=base, packages=["attrs"], **common))
def serve(x: int) -> int:
    return x

@task(container_image=others["pod"])
def batch(x: int) -> int:
    return x

@task(container_image=ImageSpec(name="theirs", registry="localhost:5000/team", builder="default"))
def theirs() -> int:
    return 1

@workflow
def all_of_it() -> int:
    return batch(x=serve(x=train()))
"""


@pytest.fixture
def flows(workspace: Path) -> Path:
    folder = workspace / "flows"
    (folder / "deep").mkdir(parents=True)
    for path, text in [
        ("__init__.py", ""),
        ("shared.py", SHARED),
        ("deep/__init__.py", ""),
        ("deep/flow.py", FLOWS),
        ("deep/__main__.py", "raise SystemExit('this is a program')"),
    ]:
        (folder / path).write_text(text)
    return folder


def test_a_package_is_one_graph_built_in_parallel(
    flows: Path, program: Program, engine: Docker, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMGSPEC_FAKE_SECONDS", "0.7")
    names = build_all("flows")
    said = capfd.readouterr().err
    assert len(program.builds) == 1
    assert sorted(name.split("/")[-1].split(":")[0] for name in names) == ["base", "pod", "serve", "train"]
    lines = said.splitlines()

    def at(start: str) -> int:
        return next(number for number, line in enumerate(lines) if line.startswith(start))

    others = ["others-pod", "train", "serve"]
    assert all(at("base: built") < at(f"{other}: started") for other in others), said
    assert max(at(f"{other}: started") for other in others) < min(at(f"{other}: built") for other in others), said
    # What flytekit then does for each of them while it registers the workflow.
    engine.existing.update(names)
    for spec in sys.modules["flows.deep.flow"].others["pod"], sys.modules["flows.shared"].base:
        ImageBuildEngine.build(spec)
    assert len(program.builds) == 1


def test_what_exists_is_not_built_and_is_a_base_by_name(flows: Path, program: Program, engine: Docker) -> None:
    base = __import__("flows.shared").shared.base
    engine.existing.add(base.image_name())
    names = build_all("flows")
    assert len(names) == 3
    assert base.image_name() not in names
    engine.existing.update(names)
    assert build_all("flows") == []
    assert len(program.builds) == 1


def test_modules_can_be_given_as_such(flows: Path, program: Program, engine: Docker) -> None:
    shared = __import__("flows.shared").shared
    assert build_all(shared) == [shared.base.image_name()]


def test_a_base_of_another_builder_is_built_by_that_one(program: Program, engine: Docker) -> None:
    theirs = ImageSpec(base_image="ghcr.io/acme/theirs:1", builder="noop")
    ours = ImageSpec(name="ours", registry="localhost:5000", base_image=theirs, builder="imgspec")
    assert build(ours) == [ours.image_name()]
    assert theirs.image_name() == "ghcr.io/acme/theirs:1"


def test_equal_names_are_one_image(program: Program, engine: Docker) -> None:
    one = ImageSpec(name="one", registry="localhost:5000", packages=["six"], builder="imgspec")
    same = one.with_runtime_packages(["attrs"])
    child = ImageSpec(name="child", registry="localhost:5000", base_image=same, builder="imgspec")
    assert build(one, child) == [one.image_name(), child.image_name()]
    assert len(program.builds) == 1


def test_what_does_not_need_the_failed_one_is_built(
    flows: Path, engine: Docker, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMGSPEC_FAKE_FAIL", "train")
    with pytest.raises(BuildError, match="train: failed after"):
        build_all("flows")
    said = capfd.readouterr().err
    assert "serve: built" in said
    assert "others-pod: built" in said


def test_no_image_is_nothing_to_do(workspace: Path, program: Program, engine: Docker) -> None:
    (workspace / "empty.py").write_text("x = 1\n")
    assert build_all("empty") == []
    assert program.builds == []


def test_the_command_prints_what_it_has_built(
    flows: Path, engine: Docker, program: Program, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["flows"]) == 0
    names = capfd.readouterr().out.splitlines()
    assert len(names) == 4
    assert all(name.startswith("localhost:5000/team/") for name in names), names
    assert main([]) == 2
    assert main(["--help"]) == 2
    assert "usage: python -m imgspec.flytekit MODULE" in capfd.readouterr().err
    monkeypatch.setenv("IMGSPEC_FAKE_FAIL", "base")
    monkeypatch.setenv("FLYTE_FORCE_PUSH_IMAGE_SPEC", "1")
    assert main(["flows"]) == 1
    assert capfd.readouterr().err.count("base: failed after") == 1, "told once"


def test_it_is_a_program(workspace: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-m", "imgspec.flytekit"], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert ran.stderr == "usage: python -m imgspec.flytekit MODULE…\n"
    ran = subprocess.run(
        [sys.executable, "-m", "imgspec", "--version"], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.stdout.startswith("imgspec ")
