"""A real Docker and a real registry: what the builder has pushed is found by flytekit, and is what flytekit would make.

`tests/run` sets up both, with Docker's two image stores.
"""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING, Any

import docker
import pytest
from flytekit.constants import CopyFileDetection
from flytekit.image_spec.image_spec import ImageBuildEngine, ImageSpec

from imgspec.flytekit import BuildError, build, build_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENGINES = {
    name: os.environ[variable]
    for name, variable in (
        ("classic", "IMGSPEC_TEST_DOCKER_CLASSIC"),
        ("containerd", "IMGSPEC_TEST_DOCKER_CONTAINERD"),
    )
    if os.environ.get(variable)
}
REGISTRY = os.environ.get("IMGSPEC_TEST_REGISTRY", "")

pytestmark = pytest.mark.skipif(not ENGINES or not REGISTRY, reason="there is neither a Docker nor a registry")

FLOW = """
from flytekit import ImageSpec, task, workflow

common = dict(
    registry="{registry}", builder="imgspec", python_exec="/usr/bin/python3", pip_extra_args="--no-deps",
)
base = ImageSpec(name="base", packages=["iniconfig==2.0.0"], env={{"GREETING": 'hello "you"'}}, **common)

@task(container_image=ImageSpec(name="one", base_image=base, commands=["echo one > /root/said"], **common))
def one() -> int:
    return 1

@task(container_image=ImageSpec(name="two", base_image=base, copy=["data"], **common))
def two(x: int) -> int:
    return x

@workflow
def both() -> int:
    return two(x=one())
"""


@pytest.fixture(params=list(ENGINES) or ["none"])
def client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[docker.DockerClient]:
    monkeypatch.setenv("DOCKER_HOST", ENGINES[request.param])
    monkeypatch.delenv("IMGSPEC_BUILDER")
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture
def registry() -> str:
    """A repository path that no other test has used."""
    return f"{REGISTRY}/python-{uuid.uuid4().hex[:12]}"


def printed(client: docker.DockerClient, image: str, command: str) -> str:
    said: bytes = client.containers.run(image, ["sh", "-c", command], remove=True, entrypoint="")
    return said.decode().strip()


def forget(client: docker.DockerClient, images: list[str]) -> None:
    for image in reversed(images):
        client.images.remove(image, force=True)


def test_a_pushed_image_is_found_by_flytekit(workspace: Path, client: docker.DockerClient, registry: str) -> None:
    source = workspace / "src"
    source.mkdir()
    (source / "flow.py").write_text("x = 1\n")

    def made() -> ImageSpec:
        return ImageSpec(
            name="app",
            registry=registry,
            builder="imgspec",
            python_exec="/usr/bin/python3",
            pip_extra_args="--no-deps",
            packages=["iniconfig==2.0.0"],
            source_root=str(source),
            source_copy_mode=CopyFileDetection.ALL,
            commands=["echo built > /root/said"],
        )

    spec = made()
    assert spec.exist() is False
    ImageBuildEngine.build(spec)
    assert made().exist() is True
    told = printed(client, spec.image_name(), "id -un; pwd; cat said; ls flow.py; echo $PYTHONPATH; echo $_F_IMG_ID")
    assert told == f"flytekit\n/root\nbuilt\nflow.py\n/root\n{made().id}"
    forget(client, [spec.image_name()])


def test_the_images_of_a_workflow_are_one_graph(
    workspace: Path, client: docker.DockerClient, registry: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (workspace / "data").mkdir()
    (workspace / "data" / "one.txt").write_text("1")
    (workspace / "engine_flow.py").write_text(FLOW.format(registry=registry))
    names = build_all("engine_flow")
    assert [name.split("/")[-1].split(":")[0] for name in names] == ["base", "one", "two"]
    assert capfd.readouterr().err.count("built 3, pushed 3 in") == 1
    base, one, two = names
    assert printed(client, one, "cat /root/said; echo $GREETING") == 'one\nhello "you"'
    assert printed(client, two, "cat /root/data/one.txt; stat -c %U /root/data/one.txt") == "1flytekit"
    # A machine that has none of them asks the registry.
    forget(client, names)
    assert build_all("engine_flow") == []
    flow = __import__("engine_flow")
    assert flow.base.exist() is True
    assert base == flow.base.image_name()


def test_without_a_registry_or_a_push_images_stay_here(
    client: docker.DockerClient, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields: dict[str, Any] = {"builder": "imgspec", "python_exec": "/usr/bin/python3", "pip_extra_args": "--no-deps"}
    name = f"local-{uuid.uuid4().hex[:12]}"
    local = ImageSpec(name=name, **fields)
    child = ImageSpec(name=f"{name}-child", base_image=local, commands=["true"], **fields)
    assert build(child) == [local.image_name(), child.image_name()]
    assert local.exist() is True
    assert child.exist() is True
    monkeypatch.setenv("FLYTE_PUSH_IMAGE_SPEC", "false")
    unpushed = ImageSpec(name="unpushed", registry=registry, **fields)
    ImageBuildEngine.build(unpushed)
    assert client.images.get(unpushed.image_name())
    assert unpushed.exist() is False, "the registry has none"
    forget(client, [local.image_name(), child.image_name(), unpushed.image_name()])


def test_the_words_of_a_failing_command_are_in_the_exception(client: docker.DockerClient, registry: str) -> None:
    spec = ImageSpec(
        name="bad",
        registry=registry,
        builder="imgspec",
        python_exec="/usr/bin/python3",
        pip_extra_args="--no-deps",
        commands=["echo out of luck >&2; exit 3"],
    )
    with pytest.raises(BuildError, match="failed with exit code 3") as raised:
        ImageBuildEngine.build(spec)
    assert "out of luck" in str(raised.value)
    assert spec.exist() is False
