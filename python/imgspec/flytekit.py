"""Builds flytekit's ImageSpecs with imgspec.

flytekit loads this module as a plugin: `ImageSpec(..., builder="imgspec")` is then built by the program, under the name
that flytekit computes. `build_all("workflows")` builds all such images of a package at once: bases first, in parallel.

This module only says what the specs are. What an image consists of, and its tag, is the program's business; the tag is
compared with flytekit's, and a difference is an error.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import json
import os
import pkgutil
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from flytekit.constants import CopyFileDetection
from flytekit.core.context_manager import FlyteContextManager
from flytekit.image_spec.image_spec import ImageBuildEngine, ImageSpec, ImageSpecBuilder
from flytekit.tools.ignore import DockerIgnore
from flytekit.tools.script_mode import ls_files

from imgspec import _program
from imgspec._collect import Collected, registered
from imgspec._program import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["BuildError", "ImgspecBuilder", "build", "build_all", "main"]

#: The name of the builder in `ImageSpec(builder=…)`.
NAME = "imgspec"

#: The directory in which the program keeps its records.
STATE = ".imgspec"


class ImgspecBuilder(ImageSpecBuilder):
    """Builds one ImageSpec. Whether to build it is decided as for all of flytekit's builders."""

    builder_type = NAME

    def build_image(self, image_spec: ImageSpec) -> str | None:
        # Its base, if that is an ImageSpec, has been built by flytekit, and is named here.
        _build([_Wanted(image_spec, [image_spec.name], None)])
        return None


class _Wanted(NamedTuple):
    """A spec to be built."""

    spec: ImageSpec
    #: What to call it: the name of a variable that holds it, or of a task that runs in it, or its own.
    names: list[str]
    #: The place of its base among those to be built; one that is not among them is named in the spec.
    base: int | None


def build(*specs: ImageSpec) -> list[str]:
    """Builds specs, with the specs that they are built on, as one graph: what does not exist, bases first, in parallel.

    Only those with `builder="imgspec"`; a base of another builder is built by that one. Returns the names of the images
    that were built. Fails with `BuildError` if one of them was not.
    """
    collected = Collected(ImageSpec, {})
    for spec in specs:
        collected.number(spec)
    return _build_missing(collected)


def build_all(*modules: str | ModuleType) -> list[str]:
    """Builds the specs of modules as `build` does: those in variables, and those of tasks and workflows.

    Modules are given by name, or imported. Of a package, all modules are imported.
    """
    collected = Collected(ImageSpec, {})
    for module in _with_submodules(modules):
        collected.module(module)
    for entity in registered():
        collected.entity(entity)
    return _build_missing(collected)


def main(arguments: list[str] | None = None) -> int:
    """`python -m imgspec.flytekit MODULE…` builds the images of modules of the working directory."""
    names = sys.argv[1:] if arguments is None else arguments
    if not names or any(name.startswith("-") for name in names):
        print("usage: python -m imgspec.flytekit MODULE…", file=sys.stderr)
        return 2
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        # What flytekit says of each image is no result.
        with contextlib.redirect_stdout(sys.stderr):
            built = build_all(*names)
    except BuildError as error:
        if not error.is_shown:
            print(error, file=sys.stderr)
        return 1
    for name in built:
        print(name)
    return 0


def _with_submodules(modules: Iterable[str | ModuleType]) -> Iterable[ModuleType]:
    for given in modules:
        module = importlib.import_module(given) if isinstance(given, str) else given
        yield module
        path = getattr(module, "__path__", None)
        if path is not None:
            for found in pkgutil.walk_packages(path, f"{module.__name__}."):
                # A `__main__` is a program.
                if not found.name.endswith(".__main__"):
                    yield importlib.import_module(found.name)


def _build_missing(collected: Collected) -> list[str]:
    context = FlyteContextManager.current_context().execution_state
    if context is not None and context.mode is not None:
        # In a task's container, as flytekit does.
        return []
    wanted: list[_Wanted] = []
    places: dict[int, int] = {}
    by_name: dict[str, int] = {}
    builder = ImageBuildEngine.get_registry()[NAME][0]
    # Bases come first.
    for number, (spec, variables, users, base) in enumerate(collected.specs):
        if spec.builder != NAME:
            continue
        place = None if base is None else places.get(base)
        if base is not None and place is None and collected.specs[base][0].builder != NAME:
            ImageBuildEngine.build(collected.specs[base][0])
        # Computed before the base is replaced: tasks in the image compare it with the id of the whole spec.
        name, _ = spec.image_name(), spec.id
        if name in by_name:
            # flytekit takes them for one image.
            places[number] = by_name[name]
            continue
        if not builder.should_build(spec):
            continue
        on_base = copy.copy(spec)
        if base is not None:
            on_base.base_image = spec.base_image.image_name() if place is None else wanted[place].spec
        places[number] = by_name[name] = len(wanted)
        called = [*variables, *(user.rsplit(".", 1)[-1] for user in users), spec.name]
        wanted.append(_Wanted(on_base, called[:1], place))
    return _build(wanted) if wanted else []


def _build(wanted: list[_Wanted]) -> list[str]:
    """Builds these specs, whether or not they exist."""
    plan = _planned(wanted)
    for flags, images in ((["--force"], plan.forced), ([], [it for it in plan.names if it not in plan.forced])):
        if images:
            built = _program.build([*plan.flags, *flags, *images], plan.directory, plan.manifest)
            # A file may have changed since the tags were compared.
            expected = {image: plan.names[image] for image in images}
            _compare(expected, {image: it["reference"] for image, it in built.items()})
    return list(plan.names.values())


class _Plan(NamedTuple):
    """What the program gets."""

    directory: str
    manifest: str
    #: The names of the images, by their ids in the manifest.
    names: dict[str, str]
    #: The ids of images that replace existing ones.
    forced: list[str]
    flags: list[str]


def _planned(wanted: list[_Wanted]) -> _Plan:
    """Makes a manifest of specs, and checks that the program calls the images as flytekit does."""
    specs = [each.spec for each in wanted]
    directory = _directory(specs)
    for spec in specs:
        _check_state(spec, directory)
    imported = _program.answer(
        ["import", "--from", "specs", "-", "--format", "json", "--flytekit", _version()],
        directory,
        _json(wanted),
    )
    if imported["notes"]:
        raise BuildError(_notes(imported))
    manifest, ids = imported["manifest"], imported["images"]
    names = {image: spec.image_name() for image, spec in zip(ids, specs)}
    found = _program.answer(["-f", "-", "tag", "--format", "json"], directory, manifest)
    _compare(names, {each["image"]: each["reference"] for each in found})
    forced = [image for image, spec in zip(ids, specs) if getattr(spec, "_is_force_push", False)]
    return _Plan(directory, manifest, names, forced, _flags(specs))


def _flags(specs: list[ImageSpec]) -> list[str]:
    flags = []
    push = os.getenv("FLYTE_PUSH_IMAGE_SPEC", "True").lower() in ("true", "1")
    if push and any(spec.registry for spec in specs):
        flags.append("--push")
    if builder := os.environ.get("IMGSPEC_BUILDER"):
        flags.append(f"--builder={builder}")
    return flags


def _compare(expected: dict[str, str], found: dict[str, str]) -> None:
    """Fails if flytekit and the program call an image by different names: tasks would look for another."""
    differences = [
        f"flytekit calls the image of `{image}` {name}, and imgspec calls it {found.get(image, 'nothing at all')}"
        for image, name in expected.items()
        if found.get(image) != name
    ]
    if differences:
        why = 'a file that changed meanwhile, or one of the inputs in docs/flytekit.md, "When the tags differ"'
        raise BuildError("\n".join([*differences, f"nothing can use such an image; the reason is {why}"]))


def _notes(imported: dict[str, Any]) -> str:
    """What could not be taken over from the specs: the images would be others."""
    lines = [f"{note['image']}: {note['message']}" for note in imported["notes"]]
    return "\n".join(["imgspec cannot build these images as flytekit's builder would:", *lines])


def _version() -> str:
    """The version of flytekit that the images get, as in images of flytekit's own builder."""
    return metadata.version("flytekit")


def _json(wanted: list[_Wanted]) -> str:
    """The specs as `imgspec import` reads them."""
    collected = Collected(ImageSpec, {})
    for each in wanted:
        collected.specs.append((each.spec, each.names, [], each.base))
    specs = collected.written()
    for written, each in zip(specs, wanted):
        # Forced builds are up to `graph build`.
        written["force"] = False
        written["id"] = each.spec.id
        written["python"] = f"{sys.version_info.major}.{sys.version_info.minor}"
        written["files"] = _loaded_modules(each.spec)
    return json.dumps({"specs": specs, "flytekit": _version(), "directory": os.getcwd()})


def _loaded_modules(spec: ImageSpec) -> list[str]:
    """The files that flytekit copies in its default mode, which only this process knows."""
    if spec.source_copy_mode is not CopyFileDetection.LOADED_MODULES:
        return []
    root = str(spec.source_root)
    files, _ = ls_files(root, spec.source_copy_mode, deref_symlinks=False, ignore_group=None)
    if not files:
        raise BuildError(
            f"no loaded module is below `source_root` (`{root}`) of `{spec.name}`: nothing would be copied; "
            "give an absolute path, or `source_copy_mode=CopyFileDetection.ALL`"
        )
    return [os.path.relpath(file, root) for file in files]


def _copies_all(spec: ImageSpec) -> bool:
    others = (None, CopyFileDetection.NO_COPY, CopyFileDetection.LOADED_MODULES)
    return spec.source_copy_mode not in others


def _directory(specs: list[ImageSpec]) -> str:
    """The directory of the workspace: the working directory, or one above it that has all the files."""
    here = Path.cwd().resolve()
    roots = [
        Path(spec.source_root).resolve()
        for spec in specs
        if spec.source_root is not None and spec.source_copy_mode is not CopyFileDetection.NO_COPY
    ]
    files = [path for spec in specs for path in (spec.requirements, spec.registry_config) if path]
    folders = [here, *roots, *(Path(file).resolve().parent for file in files)]
    common = Path(os.path.commonpath(folders))
    tops = [here, *roots, *(folder for folder in _and_above(here) if (folder / ".git").exists())]
    if not any(common.is_relative_to(top) for top in tops):
        raise BuildError(
            f"the files of these images are in different places: {', '.join(sorted({str(it) for it in folders}))}; "
            f"run from a directory that has them all, or keep them in one git repository"
        )
    return str(common)


def _and_above(folder: Path) -> list[Path]:
    return [folder, *folder.parents]


def _check_state(spec: ImageSpec, directory: str) -> None:
    """Fails if the program's records would be among the copied files: each build would change the next one's tag."""
    if spec.source_root is None or not _copies_all(spec):
        return
    root, state = Path(spec.source_root).resolve(), Path(directory, STATE)
    # In a repository, git ignores it.
    if not state.is_relative_to(root) or any((folder / ".git").exists() for folder in _and_above(root)):
        return
    if not DockerIgnore(root).is_ignored(str(state.relative_to(root) / "records")):
        raise BuildError(
            f"`source_root` of `{spec.name}` contains {state}, in which imgspec keeps its records, and flytekit would "
            f"copy it: add the line `{STATE}` to {root / '.dockerignore'}"
        )


ImageBuildEngine.register(NAME, ImgspecBuilder(), priority=0)

if __name__ == "__main__":
    sys.exit(main())
