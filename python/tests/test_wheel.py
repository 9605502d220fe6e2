"""The package as users install it: a wheel for this machine, and the sources.

maturin must be there. cargo compiles for it what `tests/run` has compiled already: with the same profile, features and
target directory, so that little is left to do. The wheel's program takes the place of the tested one there, until
cargo is asked for that again; so these tests run when no others do.
"""

from __future__ import annotations

import email
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
MATURIN = Path(sys.executable).parent / "maturin"
FEATURES = os.environ.get("IMGSPEC_TEST_FEATURES", "")
UV = os.environ.get("IMGSPEC_TEST_UV", "none")

pytestmark = pytest.mark.skipif(not MATURIN.exists(), reason="this Python has no maturin")


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """Runs a program, with this user's Rust."""
    ran = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


@pytest.fixture(scope="session")
def wheel(rust: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    features = ("--features", FEATURES) if FEATURES else ()
    run(MATURIN, "build", "--locked", "--profile", "dev", *features, "--compatibility", "linux", "--out", folder)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(autouse=True, scope="session")
def rust() -> None:
    """The directory of each test is its home; that of Rust is not."""
    home = Path.home()
    os.environ.setdefault("CARGO_HOME", str(home / ".cargo"))
    os.environ.setdefault("RUSTUP_HOME", str(home / ".rustup"))


def packages(edges: str) -> set[tuple[str, ...]]:
    """The packages that cargo compiles, with their versions and features."""
    form = ("--prefix", "none", "--format", "{p} {f}")
    tree = run("cargo", "tree", "--locked", "--features", "one-program", "--edges", edges, *form)
    return {tuple(line.removesuffix(" (*)").split()) for line in tree.splitlines()}


def test_the_tests_ask_for_no_other_features_of_what_is_in_a_wheel(rust: None) -> None:
    """Otherwise cargo would compile it all once more: what differs belongs to the feature `one-program`."""
    wheel, tested = packages("normal,build"), packages("normal,build,dev")
    names = {package[:2] for package in wheel}
    assert {package for package in tested if package[:2] in names} == wheel


def test_the_wheel_has_the_program_the_module_and_its_metadata(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        fields = email.message_from_bytes(archive.read(metadata))
        entry_points = archive.read(metadata.replace("METADATA", "entry_points.txt")).decode()
        licences = [name for name in archive.namelist() if "LICENSE" in name]
    (script,) = (name for name in names if name.endswith(".data/scripts/imgspec"))
    assert sorted(set(names) - {script}) == [
        "imgspec/__init__.py",
        "imgspec/__main__.py",
        "imgspec/_collect.py",
        "imgspec/_program.py",
        "imgspec/flytekit.py",
        "imgspec/py.typed",
    ]
    assert "[flytekit.plugins]\nimgspec=imgspec.flytekit" in entry_points.replace(" = ", "=")
    assert fields["Name"] == "imgspec"
    assert fields["License-Expression"] == "MIT OR Apache-2.0"
    assert fields["Requires-Python"] == ">=3.10"
    assert len(licences) == 2
    assert str(fields.get_payload()).startswith("# imgspec")


def test_an_installed_wheel_is_the_program(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    install(wheel, "--python", python)
    program = tmp_path / "venv" / "bin" / "imgspec"
    version = run(program, "--version")
    assert version.startswith("imgspec ")
    # Nothing of this checkout.
    alone: dict[str, Any] = {"cwd": tmp_path, "PATH": "/nowhere", "PYTHONPATH": "", "IMGSPEC": ""}
    assert run(python, "-m", "imgspec", "--version", **alone) == version
    assert run(python, "-c", "import imgspec; print(imgspec.program())", **alone).strip() == str(program)
    (tmp_path / "work" / "imgspec.kdl").write_text('image "app" { base-image "scratch"; env A="1" }\n')
    alone["cwd"] = tmp_path / "work"
    assert run(program, "graph", "plan", **alone).startswith("app  build  never built\n")


@pytest.mark.skipif(UV == "none", reason="there is no uv with a package index")
def test_uv_tool_installs_a_checkout(tmp_path: Path) -> None:
    features = f" --features {FEATURES}" if FEATURES else ""
    run(
        *(UV, "tool", "install", "--quiet", "--python", sys.executable, "."),
        MATURIN_PEP517_ARGS=f"--locked --profile dev{features}",
        UV_TOOL_DIR=str(tmp_path / "tools"),
        UV_TOOL_BIN_DIR=str(tmp_path / "bin"),
        UV_CACHE_DIR=str(tmp_path / "cache"),
    )
    program = tmp_path / "bin" / "imgspec"
    assert run(program, "--version", cwd=tmp_path, PATH="/nowhere", IMGSPEC="").startswith("imgspec ")


def test_flytekit_loads_the_builder_of_an_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    install(wheel, "--target", folder)
    script = (
        "import flytekit\nfrom flytekit.image_spec.image_spec import ImageBuildEngine, ImageSpec\n"
        "print(*ImageBuildEngine.get_registry())\nprint(ImageSpec(name='x').builder)\n"
        "ImageBuildEngine._get_builder('imgspec').should_build = lambda spec: True\n"
        "ImageBuildEngine.build(ImageSpec(name='x', registry='localhost:5000', builder='imgspec'))\n"
    )
    said = run(sys.executable, "-c", script, cwd=tmp_path / "work", PYTHONPATH=str(folder), IMGSPEC="", PATH="/nowhere")
    lines = said.splitlines()
    assert "imgspec" in lines[0].split()
    assert lines[1] == "default", "it is the builder of those who ask for it"


def test_the_sdist_is_what_is_compiled(tmp_path: Path) -> None:
    run(MATURIN, "sdist", "--out", tmp_path)
    (made,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(made) as archive:
        names = [name.split("/", 1)[1] for name in archive.getnames() if "/" in name]
    for needed in ("Cargo.toml", "Cargo.lock", "pyproject.toml", "README.md", "src/main.rs", "LICENSE-MIT"):
        assert needed in names, needed
    assert "python/imgspec/_collect.py" in names, "which is compiled into the program"
    for unneeded in ("tests/engine/", ".ci/", ".github/", "docs/pictures/", "python/tests/", "target/", "stack/"):
        assert not [name for name in names if name.startswith(unneeded)], unneeded
    # What Cargo.toml names is there: it would refuse to build anything.
    folder = tmp_path / "unpacked"
    with tarfile.open(made) as archive:
        archive.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    run("cargo", "metadata", "--offline", "--locked", "--no-deps", "--format-version", "1", cwd=source)


def install(wheel: Path, *where: str | Path) -> None:
    """Installs a wheel, and nothing else; `uv` is beside the Python of `tests/run`, or pip is."""
    if UV != "none":
        run(UV, "pip", "install", "--quiet", "--no-deps", "--offline", *where, wheel)
        return
    where = tuple("--prefix" if word == "--python" else word for word in where)
    where = tuple(word.parent.parent if isinstance(word, Path) and word.name == "python" else word for word in where)
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", *where, wheel)
