"""Installs the trainer's packages: `python -m CompressionTrainerLib.environment.install REQUIREMENTS`, run by Slicer's
Python.

Into a virtual environment that it makes (--venv), or into the running Python; there, pip may change no package that it
finds.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distributions
from pathlib import Path

from LiverTumorLib.errors import LiverTumorError, OutputError, RequirementError

from ..progress import ProgressReport, reporting
from .choice import UNFINISHED

_TAIL = 3  # lines of pip that say what went wrong


def main(arguments: list[str]) -> int:
    """Make the environment, run pip, tell of both by events; returns the exit code."""
    parser = argparse.ArgumentParser(prog="install", description=__doc__)
    parser.add_argument("requirements", type=Path)
    parser.add_argument("--venv", type=Path, help="make a virtual environment there and install into it")
    parser.add_argument("--wheels", type=Path, help="take the packages from this folder, not from the internet")
    given = parser.parse_args(arguments)
    try:
        with reporting(True, given.venv or Path(sys.prefix)) as report:
            if given.venv:
                _install_into(given.venv, given.requirements, given.wheels, report)
            else:
                with _as_they_are() as constraints:
                    _pip(
                        [sys.executable, "-m", "pip", "install", "-c", str(constraints)],
                        given.requirements,
                        given.wheels,
                        report,
                    )
    except LiverTumorError as error:
        return error.exit_code
    return 0


def _install_into(venv: Path, requirements: Path, wheels: Path | None, report: ProgressReport) -> None:
    """Raises OutputError where the environment cannot be made, RequirementError where pip fails."""
    report("environment", 0.0, f"Making a virtual environment in {venv}", None)
    try:
        venv.mkdir(parents=True, exist_ok=True)
        (venv / UNFINISHED).touch()
    except OSError as error:
        raise OutputError(
            f"{venv} cannot be written: {error.strerror or error}; choose another Python for the trainer."
        ) from error
    # Without pip of its own: Slicer's Python finds its standard library by PYTHONHOME, which venv's own way to install
    # pip takes away.
    for line in _lines([sys.executable, "-m", "venv", "--without-pip", "--clear", str(venv)]):
        print(line)
    (venv / UNFINISHED).touch()
    python = venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    # Or pip would take the packages of the running Python for those of the environment.
    os.environ.pop("PYTHONPATH", None)
    _pip([sys.executable, "-m", "pip", "--python", str(python), "install"], requirements, wheels, report)
    (venv / UNFINISHED).unlink()


@contextmanager
def _as_they_are() -> Iterator[Path]:
    """A constraints file of all packages that the running Python has."""
    present = sorted(
        {f"{found.metadata['Name']}=={found.version}" for found in distributions() if found.metadata["Name"]}
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "constraints.txt"
        path.write_text("\n".join(present), encoding="utf-8")
        yield path


def _pip(command: list[str], requirements: Path, wheels: Path | None, report: ProgressReport) -> None:
    options = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "-r", str(requirements)]
    options += ["--no-index", "--find-links", str(wheels)] if wheels else []
    for line in _lines([*command, *options]):
        print(line)
        if re.match(r"Collecting|Downloading|Installing|Successfully", line.strip()):
            report("install", 0.0, line.strip()[:100], None)


def _lines(command: list[str]) -> Iterator[str]:
    """What a program prints, as it comes; it is ended when the reader goes. Raises RequirementError where it fails."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    assert process.stdout is not None  # as asked for
    told: list[str] = []
    try:
        for line in process.stdout:
            told = [*told, line.strip()][-_TAIL:]
            yield line.rstrip()
        if process.wait():
            raise RequirementError(
                f"The trainer's packages could not be installed: {' / '.join(filter(None, told))[-400:]}"
            )
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
