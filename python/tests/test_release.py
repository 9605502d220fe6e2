"""The workflow that releases: what it can be checked for without the service that runs it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / ".github" / "workflows" / "release.yml").read_text()
JOBS: dict[str, Any] = yaml.safe_load(TEXT)["jobs"]
STEPS = [(job, step) for job, body in JOBS.items() for step in body["steps"]]


def test_every_platform_has_a_wheel() -> None:
    rows = JOBS["wheel"]["strategy"]["matrix"]["include"]
    assert {(row["target"], row["manylinux"].split("_")[0]) for row in rows} == {
        ("x86_64-unknown-linux-gnu", "2"),
        ("aarch64-unknown-linux-gnu", "2"),
        ("x86_64-unknown-linux-musl", "musllinux"),
        ("aarch64-unknown-linux-musl", "musllinux"),
        ("x86_64-apple-darwin", "off"),
        ("aarch64-apple-darwin", "off"),
    }
    assert f"wc -l) == {len(rows)} " in TEXT, "the number of wheels that the checksums are made of"


@pytest.mark.parametrize("step", [step for _, step in STEPS if "run" in step], ids=lambda step: step["name"])
def test_shell_parts_parse(step: dict[str, Any]) -> None:
    checked = subprocess.run(["bash", "-n", "-c", step["run"]], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    # What others write, such as the name of a tag, is data in the environment, and no part of a script.
    assert "${{" not in step["run"]


def test_actions_are_pinned_by_commit_and_say_their_version() -> None:
    lines = re.findall(r"uses: (.*)", TEXT)
    assert len(lines) == len([step for _, step in STEPS if "uses" in step])
    for line in lines:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_permissions_are_given_to_those_who_need_them() -> None:
    workflow = yaml.safe_load(TEXT)
    assert workflow["permissions"] == {}
    writes = {
        (job, name) for job, body in JOBS.items() for name, value in body["permissions"].items() if value == "write"
    }
    assert writes == {
        ("provenance", "attestations"),
        ("provenance", "id-token"),
        ("pypi", "id-token"),
        ("crates", "id-token"),
        ("release", "contents"),
    }
    published = [body for job, body in JOBS.items() if job in ("pypi", "crates", "release")]
    assert all(body["if"] == "github.ref_type == 'tag'" for body in published)
    assert "secrets." not in TEXT, "no token is stored"


def test_a_tag_of_another_version_is_refused(tmp_path: Path) -> None:
    (step,) = (step for _, step in STEPS if step.get("name") == "Compare")
    version = re.search(r'(?m)^version = "(.*)"$', (ROOT / "Cargo.toml").read_text())
    assert version is not None
    for tag, code in ((f"v{version[1]}", 0), ("v99.0.0", 1), (version[1], 1)):
        ran = subprocess.run(["bash", "-e", "-c", step["run"]], cwd=ROOT, env={"TAG": tag, "PATH": "/usr/bin:/bin"})
        assert ran.returncode == code, tag
    # The compiler of the release is the one that the package asks for.
    wanted = re.search(r'(?m)^rust-version = "(.*)"$', (ROOT / "Cargo.toml").read_text())
    assert wanted is not None
    assert yaml.safe_load(TEXT)["env"]["RUST"].startswith(wanted[1])
