"""Finds flytekit's ImageSpecs in modules, and writes them as JSON.

As a program, `_collect.py FILE RESULT`, it is part of `imgspec import`: run by the user's own Python, with the user's
own flytekit, it imports a file and builds nothing. The result goes to a file, so that whatever the user's code prints
cannot get into it. As a module it is part of `imgspec.flytekit`.
"""

from __future__ import annotations

import sys

# Not the working directory yet: a `json.py` there would shadow the standard library's.
if __name__ == "__main__" and sys.path and sys.path[0] == "":
    del sys.path[0]

import ast
import importlib
import importlib.machinery
import importlib.util
import json
import os
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType


def text(value: str) -> str:
    return value.encode("utf-8", "replace").decode("utf-8")


class Collected:
    """Specs with the names of variables that hold them, the tasks that use them, and the index of the base."""

    def __init__(self, image_spec: type, lines: dict[str, int]) -> None:
        self.image_spec = image_spec
        self.lines = lines
        self.specs: list[tuple[Any, list[str], list[str], int | None]] = []

    def number(self, spec: Any, name: str | None = None, used_by: str | None = None) -> int:
        """The number of a spec, which is added if it is new; equal specs are one."""
        known = (at for at, (other, _, _, _) in enumerate(self.specs) if other is spec or self.equal(other, spec))
        number = next(known, None)
        if number is None:
            base = getattr(spec, "base_image", None)
            base = self.number(base) if isinstance(base, self.image_spec) else None
            number = len(self.specs)
            self.specs.append((spec, [], [], base))
        _, names, users, _ = self.specs[number]
        if name is not None:
            names.append(name)
        if used_by is not None and used_by not in users:
            users.append(used_by)
        return number

    @staticmethod
    def equal(one: Any, other: Any) -> bool:
        try:
            return type(one) is type(other) and bool(one == other)
        except Exception:
            return False

    def module(self, module: ModuleType) -> None:
        """Adds the specs that a module's variables and tasks have."""
        values = list(vars(module).items())
        for name, value in values:
            if not name.startswith("__"):
                self.look(name, value)
        for _, value in values:
            if part(value, "_container_image") is not None:
                self.entity(value)

    def look(self, name: str, value: Any, depth: int = 0) -> None:
        """Adds the specs that a variable holds."""
        if isinstance(value, self.image_spec):
            self.number(value, name=name)
        elif depth < 3 and isinstance(value, dict):
            for key, item in list(value.items()):
                self.look("%s_%s" % (name, key), item, depth + 1)
        elif depth < 3 and isinstance(value, (list, tuple)):
            for at, item in enumerate(value):
                self.look("%s_%s" % (name, at), item, depth + 1)

    def entity(self, entity: Any) -> None:
        """Adds the specs that a task or workflow runs in."""
        name = text(str(getattr(entity, "name", None) or type(entity).__name__))
        if name.endswith("-arraynode"):
            # A map over a task, which is an entity of its own.
            return
        for attribute in ("_container_image", "container_image", "_image"):
            self.used(name, part(entity, attribute))
        template = part(entity, "pod_template") or part(part(entity, "task_config"), "pod_template")
        pod = part(template, "pod_spec")
        for kind in ("containers", "init_containers"):
            containers = part(pod, kind)
            for container in containers if isinstance(containers, (list, tuple)) else ():
                self.used(name, part(container, "image"))
        for inner in ("_run_task", "run_task"):
            if part(entity, inner) is not None:
                self.used(name, part(part(entity, inner), "_container_image"))

    def used(self, name: str, image: Any) -> None:
        if isinstance(image, self.image_spec):
            self.number(image, used_by=name)

    def written(self) -> list[dict[str, Any]]:
        return [self.spec(*spec) for spec in self.specs]

    def spec(self, spec: Any, names: list[str], users: list[str], base: int | None) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for name in getattr(spec, "__dataclass_fields__", None) or vars(spec):
            if not name.startswith("_"):
                fields[text(name)] = self.value(getattr(spec, name, None), 0)
        names = [text(name) for name in names]
        return {
            "names": names,
            "used_by": users,
            "base": base,
            "line": next((self.lines[name] for name in names if name in self.lines), None),
            "force": bool(getattr(spec, "_is_force_push", False)),
            "fields": fields,
        }

    def value(self, value: Any, depth: int) -> Any:
        if value is None:
            return None
        if isinstance(value, str):
            return text(str.__str__(value))
        if isinstance(value, self.image_spec):
            return {"spec": self.number(value)}
        if depth > 8:
            return {"other": "a value nested too deeply", "text": ""}
        if isinstance(value, (list, tuple)):
            return [self.value(item, depth + 1) for item in value]
        if isinstance(value, dict):
            return {"map": [[self.value(key, depth + 1), self.value(item, depth + 1)] for key, item in value.items()]}
        if isinstance(value, bool):
            return {"other": "a boolean", "text": str(value)}
        if isinstance(value, (int, float)):
            return {"other": "a number", "text": str(value)}
        if type(value).__name__ == "CopyFileDetection":
            return "CopyFileDetection." + text(value.name)
        if isinstance(value, os.PathLike):
            return text(str(os.fspath(value)))
        return {"other": "a `%s`" % type(value).__name__, "text": text(str(value))}


def part(thing: Any, name: str) -> Any:
    """An attribute, if there is one and it can be read."""
    try:
        return getattr(thing, name, None)
    except Exception:
        return None


def lines(path: str) -> dict[str, int]:
    """The lines on which variables are first set, by name."""
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except Exception:
        return {}
    found: dict[str, int] = {}
    for node in tree.body:
        targets: list[Any] = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Name):
                found.setdefault(target.id, node.lineno)
    return found


def load(path: str) -> ModuleType:
    """Imports the file under the full name that its packages give it."""
    directory, name = os.path.dirname(path), os.path.splitext(os.path.basename(path))[0]
    packages: list[str] = []
    while os.path.isfile(os.path.join(directory, "__init__.py")) and os.path.dirname(directory) != directory:
        packages.insert(0, os.path.basename(directory))
        directory = os.path.dirname(directory)
    sys.path.insert(0, directory)
    sys.path.append(os.getcwd())
    sys.argv = [path]
    for depth in range(len(packages)):
        importlib.import_module(".".join(packages[: depth + 1]))
    name = ".".join(packages + [name])
    loader = importlib.machinery.SourceFileLoader(name, path)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None:
        raise ImportError("%s cannot be imported" % path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


def registered() -> list[Any]:
    """The tasks and workflows that the import defined."""
    try:
        from flytekit.core.context_manager import FlyteEntities

        return list(FlyteEntities.entities)
    except Exception:
        return []


def collect(path: str) -> dict[str, Any]:
    try:
        from flytekit.image_spec.image_spec import ImageSpec
    except ImportError as error:
        missing = (getattr(error, "name", None) or "").split(".")[0]
        if missing not in ("", "flytekit"):
            raise
        return {"error": "no-flytekit", "message": text(str(error))}
    import flytekit

    module = load(path)
    collected = Collected(ImageSpec, lines(path))
    collected.module(module)
    for entity in registered():
        collected.entity(entity)
    return {
        "specs": collected.written(),
        "flytekit": text(str(getattr(flytekit, "__version__", ""))),
        "newer": "flyte" in sys.modules,
    }


def failed(path: str, error: BaseException) -> dict[str, Any]:
    """The error, and the line of the user's file."""
    line = None
    if isinstance(error, SyntaxError) and error.filename == path:
        line = error.lineno
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == path:
            line = frame.lineno
    words = text("".join(traceback.format_exception_only(type(error), error)).strip().splitlines()[-1])
    return {"error": "failed", "message": words, "line": line}


def main(path: str, result: str) -> None:
    try:
        found = collect(path)
    except BaseException as error:
        found = failed(path, error)
    with open(result, "w", encoding="utf-8") as file:
        json.dump(found, file)
    sys.stdout.flush()
    sys.stderr.flush()
    # Also ends threads that the user's code has started.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
