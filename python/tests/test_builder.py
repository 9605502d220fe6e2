"""The builder as flytekit calls it: what it builds, under which name, and what it says when it cannot."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest
from conftest import REGISTRY, Docker, Program
from flytekit.constants import CopyFileDetection
from flytekit.core.context_manager import ExecutionState, FlyteContextManager
from flytekit.image_spec.image_spec import ImageBuildEngine, ImageSpec

from imgspec.flytekit import BuildError, build
from imgspec.flytekit import _planned as planned
from imgspec.flytekit import _Wanted as Wanted

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def spec(name: str = "app", **fields: Any) -> ImageSpec:
    return ImageSpec(**{"name": name, "registry": REGISTRY, "builder": "imgspec", **fields})


def test_flytekit_builds_with_the_program_under_its_own_name(
    program: Program, engine: Docker, capfd: pytest.CaptureFixture[str]
) -> None:
    app = spec(packages=["six"])
    assert app.exist() is False
    ImageBuildEngine.build(app)
    assert len(program.builds) == 1
    assert " --push " in program.builds[0]
    said = capfd.readouterr()
    assert f"Image {app.image_name()} not found. building..." in said.out
    built = rf"^app: built in [0-9.]+s: {re.escape(app.image_name())}$"
    assert re.search(built, said.err, re.MULTILINE), f"progress is passed through: {said.err}"


def test_every_field_has_the_tag_of_flytekit(workspace: Path, program: Program, engine: Docker) -> None:
    (workspace / "requirements.txt").write_text("\n# all of it\nsix==1.17.0\n\n")
    for path in ("data/a/one.txt", "data/b/c/two.txt", "src/flow.py", "src/pkg/__init__.py", "conf.json"):
        (workspace / path).parent.mkdir(parents=True, exist_ok=True)
        (workspace / path).write_text(path)
    hostile = 'a "b" \'c\' $HOME `id` {{ x }} {y} #"z"# \\n \\ \t é \u2028 ü\n// end\n/- x'
    source = str(workspace / "src")
    fields: list[dict[str, Any]] = [
        {"packages": ["six", "attrs>=23; python_version > '3.9'"]},
        {"python_version": "3.12", "apt_packages": ["git"]},
        {"conda_packages": ["numpy"], "conda_channels": ["nvidia"]},
        {"requirements": "requirements.txt"},
        {"requirements": "./data/../requirements.txt"},
        {"requirements": str(workspace / "requirements.txt")},
        {"env": {"A": "1", "B": hostile, "C": ""}},
        {"commands": ["echo 'x' \"y\" > /z", hostile.replace("\n", " ")]},
        {"entrypoint": ["/bin/sh", "-c", hostile]},
        {"entrypoint": []},
        {"base_image": "debian:12"},
        {"base_image": spec("below", packages=["six"])},
        {"platform": "linux/arm64"},
        {"platform": "linux/amd64,linux/arm64"},
        {"pip_index": "https://pip.example/simple", "pip_extra_index_url": ["https://more.example/simple"]},
        {"pip_extra_args": "--no-deps --pre"},
        {"pip_secret_mounts": [("conf.json", "/etc/conf.json")], "packages": ["six"]},
        {"registry_config": "conf.json"},
        {"tag_format": "{spec_hash}-cpu"},
        {"tag_format": "v1.{spec_hash:.8}"},
        {"source_root": source, "source_copy_mode": CopyFileDetection.ALL},
        {"source_root": source, "source_copy_mode": CopyFileDetection.ALL, "copy": ["data"]},
        {"copy": ["data", "requirements.txt", "data/a/one.txt"]},
        {"python_exec": "/usr/bin/python3", "packages": ["six"]},
        {"runtime_packages": ["six", "attrs"], "packages": ["click"]},
        {"builder_options": {"x": "y"}},
        {"builder_config": {"uv_image": "ghcr.io/acme/uv:1"}},
        {"registry": None, "packages": ["six"]},
    ]
    specs = [spec(f"app-{at}", **each) for at, each in enumerate(fields)]
    names = build(*specs)
    # And the one that another is built on.
    assert len(names) == len(specs) + 1
    assert [name for name in names if "below" not in name] == [it.image_name() for it in specs]
    assert len(program.builds) == 1


def test_the_image_has_flytekits_id_and_the_python_that_runs_it(workspace: Path, engine: Docker) -> None:
    (workspace / "requirements.txt").write_text("six\n")
    plain, named = spec(requirements="./requirements.txt"), spec("other", python_version="3.10")
    plan = planned([Wanted(plain, ["PLAIN"], None), Wanted(named, ["other"], None)])
    assert f'flytekit-id "{plain.id}"' in plan.manifest
    assert f'flytekit-id "{named.id}"' in plan.manifest
    assert plan.manifest.count(f'flytekit-python "{PYTHON}"') == 1, "the other names its own"
    assert plan.names == {"plain": plain.image_name(), "other": named.image_name()}


def test_a_base_that_flytekit_has_built_is_named(program: Program, engine: Docker) -> None:
    base = spec("base", packages=["six"])
    child = spec("child", base_image=base, packages=["attrs"])
    name, whole_id = child.image_name(), child.id
    engine.existing.add(base.image_name())
    ImageBuildEngine.build(child)
    assert len(program.builds) == 1
    wanted = spec("child", base_image=base.image_name(), packages=["attrs"])
    assert wanted.image_name() == name
    assert wanted.id != whole_id, "which is what the image has, as flytekit's own builder does it"


@pytest.mark.parametrize(("push", "expected"), [(None, True), ("true", True), ("1", True), ("0", False), ("no", False)])
def test_images_are_pushed_as_flytekit_is_told(
    push: str | None, expected: bool, program: Program, engine: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    if push is not None:
        monkeypatch.setenv("FLYTE_PUSH_IMAGE_SPEC", push)
    ImageBuildEngine.build(spec())
    assert ("--push" in program.builds[0].split()) is expected


def test_without_a_registry_nothing_is_pushed(program: Program, engine: Docker) -> None:
    ImageBuildEngine.build(spec(registry=None))
    assert "--push" not in program.builds[0].split()


def test_what_exists_is_not_built_unless_forced(
    program: Program, engine: Docker, capfd: pytest.CaptureFixture[str]
) -> None:
    app = spec()
    engine.existing.add(app.image_name())
    ImageBuildEngine.build(app)
    assert program.builds == []
    assert "found. Skip building." in capfd.readouterr().out
    forced = spec().force_push()
    assert build(forced) == [app.image_name()]
    assert "--force" in program.builds[0].split()
    assert "Overwriting existing image" in capfd.readouterr().out


def test_what_cannot_be_asked_for_is_assumed_to_exist(
    program: Program, engine: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = SimpleNamespace(status_code=403, url="/distribution", reason="Forbidden")
    engine.error = docker.errors.APIError("no access", response=refusal, explanation="no")
    ImageBuildEngine.build(spec())
    assert program.builds == []
    monkeypatch.setenv("FLYTE_IMG_FAST_FAIL", "true")
    with pytest.raises(RuntimeError, match="FLYTE_IMG_FAST_FAIL"):
        ImageBuildEngine.build(spec("other"))


def test_a_failure_has_the_words_of_the_program(
    engine: Docker, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMGSPEC_FAKE_FAIL", "app")
    with pytest.raises(BuildError, match=r"app: failed after [0-9.]+s: told to fail") as raised:
        ImageBuildEngine.build(spec())
    assert "full log: .imgspec/logs/app.log" in str(raised.value)
    assert "told to fail" in capfd.readouterr().err


def test_a_terminal_gets_live_lines_and_the_exception_its_words(workspace: Path) -> None:
    pty = pytest.importorskip("pty")
    (workspace / "one.py").write_text(
        "from imgspec.flytekit import *\nfrom flytekit import ImageSpec\n"
        "ImgspecBuilder.should_build = lambda self, spec: True\n"
        "try:\n    build(ImageSpec(name='app', registry='localhost:5000', builder='imgspec'))\n"
        "except BuildError as error:\n    print(f'<{error}>')\n"
    )
    main, terminal = pty.openpty()
    ran = subprocess.Popen(
        [sys.executable, "one.py"],
        env={**os.environ, "IMGSPEC_FAKE_FAIL": "app", "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
    )
    os.close(terminal)
    said, _ = ran.communicate(timeout=60)
    shown = b""
    try:
        while chunk := os.read(main, 65536):
            shown += chunk
    except OSError:
        pass
    os.close(main)
    assert re.search("<.*`app` failed after .*told to fail.*>", said, re.DOTALL), said
    assert b"\x1b[" in shown, shown
    assert b"told to fail" in shown, shown


def test_a_mistake_is_a_diagnostic_of_the_program(engine: Docker) -> None:
    with pytest.raises(BuildError, match=re.escape("error[together]: image `app`: `python-exec` cannot be combined")):
        ImageBuildEngine.build(spec(conda_packages=["numpy"], python_exec="/usr/bin/python3"))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"packages": []}, "`packages` is left out: it is an empty list"),
        ({"env": {"A": 1}}, "`env.A` is a number"),
        ({"env": {"A": None}}, "`env.A` is left out"),
        ({"packages": ["x @ https://me:secret@host.example/x.whl"]}, "password"),
        ({"copy": ["../x"]}, "`copy` value `../x` is left out"),
        ({"builder_options": {"deep": {"er": "x"}}}, "builder_options"),
    ],
)
def test_what_the_program_cannot_build_the_same_is_refused(
    fields: dict[str, Any], words: str, engine: Docker, program: Program
) -> None:
    with pytest.raises(BuildError, match=re.escape(words)):
        ImageBuildEngine.build(spec(**fields))
    assert program.builds == []


def test_a_secret_is_not_in_what_the_exception_says(engine: Docker) -> None:
    with pytest.raises(BuildError) as raised:
        ImageBuildEngine.build(spec(packages=["x @ https://me:hidden@host.example/x.whl"]))
    assert "hidden" not in str(raised.value)


def test_another_name_is_an_error_before_anything_is_built(engine: Docker, program: Program) -> None:
    app = spec()
    app.__dict__["tag"] = "another"
    with pytest.raises(BuildError, match=r"flytekit calls the image of `app` .*/app:another, and imgspec calls it "):
        build(app)
    assert program.builds == []


def test_loaded_modules_are_copied_and_no_others(workspace: Path, engine: Docker, program: Program) -> None:
    for path in ("lib/loaded.py", "lib/unused.py", "lib/__init__.py"):
        (workspace / path).parent.mkdir(exist_ok=True)
        (workspace / path).write_text("x = 1\n")
    (workspace / ".gitignore").write_text("loaded.py\n")
    __import__("lib.loaded")
    modules = spec(source_root=str(workspace))
    assert modules.source_copy_mode is CopyFileDetection.LOADED_MODULES
    plan = planned([Wanted(modules, ["modules"], None)])
    assert 'source-files "lib/__init__.py" "lib/loaded.py"' in plan.manifest
    ImageBuildEngine.build(modules)
    assert len(program.builds) == 1
    with pytest.raises(BuildError, match="no loaded module is below `source_root`"):
        build(spec("none", source_root="lib"))


def test_records_among_the_copied_files_are_refused(workspace: Path, engine: Docker, program: Program) -> None:
    everything: dict[str, Any] = {"source_root": str(workspace), "source_copy_mode": CopyFileDetection.ALL}
    with pytest.raises(BuildError, match=r"add the line `.imgspec` to .*\.dockerignore"):
        build(spec(**everything))
    (workspace / ".dockerignore").write_text(".imgspec\n")
    build(spec(**everything))
    before = spec(**everything).image_name()
    assert (workspace / ".imgspec").is_dir()
    build(spec("again", **everything))
    assert spec(**everything).image_name() == before, "its records change no tag"
    assert len(program.builds) == 2


def test_files_of_the_repository_above_are_found(
    workspace: Path, engine: Docker, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "requirements.txt").write_text("six\n")
    (workspace / "flows" / "data").mkdir(parents=True)
    (workspace / "flows" / "data" / "x").write_text("x")
    monkeypatch.chdir(workspace / "flows")
    above = spec(requirements="../requirements.txt", copy=["data"])
    with pytest.raises(BuildError, match="are in different places"):
        build(above)
    subprocess.run(["git", "init", "--quiet", str(workspace)], check=True)
    assert build(above) == [above.image_name()]
    assert f"-C {workspace} " in program.builds[0]


def test_nothing_is_built_in_a_task(engine: Docker, program: Program) -> None:
    context = FlyteContextManager.current_context()
    state = context.execution_state.with_params(mode=ExecutionState.Mode.TASK_EXECUTION)
    with FlyteContextManager.with_context(context.with_execution_state(state)):
        assert build(spec()) == []
    assert program.builds == []


def test_a_missing_program_is_named(engine: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGSPEC", "/nowhere/imgspec")
    with pytest.raises(FileNotFoundError, match="/nowhere/imgspec"):
        ImageBuildEngine.build(spec())


def test_an_interrupt_reaches_the_program(workspace: Path) -> None:
    (workspace / "one.py").write_text(
        "from imgspec.flytekit import *\nfrom flytekit import ImageSpec\n"
        "ImgspecBuilder.should_build = lambda self, spec: True\n"
        "build(ImageSpec(name='app', registry='localhost:5000', builder='imgspec'))\n"
    )
    ran = subprocess.Popen(
        [sys.executable, "one.py"],
        env={**os.environ, "IMGSPEC_FAKE_SECONDS": "60", "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert ran.stderr is not None
    said = ""
    while "started with fake" not in said:
        line = ran.stderr.readline()
        assert line, said
        said += line
    began = time.monotonic()
    os.killpg(ran.pid, signal.SIGINT)
    rest = ran.communicate(timeout=60)[1]
    assert ran.returncode == 1, "flytekit's code for an interrupt"
    assert "Traceback" not in rest
    assert time.monotonic() - began < 20
    with pytest.raises(ProcessLookupError):
        os.killpg(ran.pid, 0)
