"""Runs the program for other code. What it says goes to standard error as it comes, and into exceptions."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from imgspec import program

#: How long an interrupted program may take to end what it has started, in seconds.
GRACE = 10.0


class BuildError(RuntimeError):
    """Images were not built. The message has what the program said."""

    def __init__(self, message: str, *, is_shown: bool = False) -> None:
        super().__init__(message)
        #: Whether standard error has it already.
        self.is_shown = is_shown


def answer(arguments: list[str], directory: str, text: str) -> Any:
    """Runs the program with this standard input, and reads the JSON on its standard output."""
    ran = subprocess.run(
        [program(), "-C", directory, "--color=never", "--quiet", *arguments],
        input=text,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if ran.returncode != 0:
        raise BuildError(ran.stderr.strip() or f"`imgspec` ended with exit code {ran.returncode} and said nothing")
    return json.loads(ran.stdout)


def build(arguments: list[str], directory: str, text: str) -> dict[str, Any]:
    """Runs `graph build` on the manifest `text`, shows its progress, and returns its metadata of the images."""
    with tempfile.TemporaryDirectory(prefix="imgspec-") as private:
        metadata, summary = Path(private, "metadata.json"), Path(private, "summary.md")
        command = [program(), "-C", directory, "-f", "-", "graph", "build", *arguments]
        command += ["--metadata-file", str(metadata)]
        if _is_terminal():
            # Live lines need the terminal itself, so the exception takes its words from a file.
            code, said = _watched([*command, "--summary", str(summary)], text), ""
        else:
            code, said = _told(command, text)
        if code != 0:
            said = said.strip() or _failures(summary) or f"`imgspec graph build` ended with exit code {code}"
            raise BuildError(said, is_shown=True)
        images: dict[str, Any] = json.loads(metadata.read_text(encoding="utf-8"))
        return images


def _is_terminal() -> bool:
    try:
        return sys.stderr.isatty() and sys.stderr.fileno() == 2
    except (AttributeError, OSError, ValueError):
        return False


def _watched(command: list[str], text: str) -> int:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=2, encoding="utf-8") as process:
        try:
            _hand_over(process, text)
            return process.wait()
        except BaseException:
            _end(process)
            raise


def _told(command: list[str], text: str) -> tuple[int, str]:
    lines: list[str] = []
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            _hand_over(process, text)
            for line in process.stdout or ():
                lines.append(line)
                sys.stderr.write(line)
                sys.stderr.flush()
            return process.wait(), "".join(lines)
        except BaseException:
            _end(process)
            raise


def _hand_over(process: subprocess.Popen[str], text: str) -> None:
    """Writes all of standard input, which the program reads before it says anything."""
    if process.stdin is None:
        return
    try:
        process.stdin.write(text)
        process.stdin.close()
    except BrokenPipeError:
        # It has ended, and its exit code says why.
        pass


def _end(process: subprocess.Popen[str]) -> None:
    """Waits for a program that Ctrl-C has reached too, and ends one that it has not."""
    # flytekit makes an exit of it.
    is_interrupt = isinstance(sys.exc_info()[1], (KeyboardInterrupt, SystemExit))
    try:
        process.wait(GRACE if is_interrupt else 0.1)
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()


def _failures(summary: Path) -> str:
    """What the summary, in Markdown, says of images that failed."""
    try:
        text = summary.read_text(encoding="utf-8")
    except OSError:
        return ""
    parts = text.split("\n### ")[1:]
    text = "\n".join(parts).split("```mermaid")[0]
    return html.unescape(re.sub("</?code>", "`", text)).strip()
