"""What the extension consists of, as its CMakeLists.txt files say it to CMake."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READER = Path(__file__).with_name("read_extension.cmake")
CATALOG_ENTRY = Path(__file__).with_name("LiverTumor.json")


@dataclass(frozen=True)
class Extension:
    """The extension.

    Attributes:
        name: CMake's project name, by which Slicer knows the extension.
        metadata: the EXTENSION_ variables, without that prefix and in lower case.
        modules: the scripted modules.
        files: what CMake installs into the folder of scripted modules: place there, and where the file is now.
        tests: scripts that ctest runs in Slicer.
    """

    name: str
    metadata: dict[str, str]
    modules: list[str]
    files: dict[str, Path]
    tests: list[Path]


def read_extension(root: Path = ROOT) -> Extension:
    """Have CMake read the CMakeLists.txt files below `root`.

    Raises:
        RuntimeError: there is no CMake, it finds an error (a file that is not there, a misspelled keyword), or two
            files of the modules would be installed at one place.
    """
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record.txt"
        command = [find_cmake(), f"-DROOT={root.as_posix()}", f"-DRECORD={record.as_posix()}", "-P", str(READER)]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode != 0:
            raise RuntimeError(f"CMake cannot read the extension:\n{run.stderr.strip()}")
        lines = [line.partition("=") for line in record.read_text(encoding="utf-8").splitlines()]
    files: dict[str, Path] = {}
    for _, source, place in (value.split("|") for name, _, value in lines if name == "FILE"):
        if place in files:
            raise RuntimeError(f"{files[place]} and {source} would both be installed as {place}.")
        files[place] = Path(source)
    prefix = "EXTENSION_"
    return Extension(
        name=next(value for name, _, value in lines if name == "PROJECT_NAME"),
        metadata={name.removeprefix(prefix).lower(): value for name, _, value in lines if name.startswith(prefix)},
        modules=[value for name, _, value in lines if name == "MODULE"],
        files=files,
        tests=[Path(value) for name, _, value in lines if name == "TEST"],
    )


def catalog_entry() -> dict:
    """The extension's entry for Slicer's ExtensionsIndex, to be submitted there as it is."""
    return json.loads(CATALOG_ENTRY.read_text(encoding="utf-8"))


def find_cmake() -> str:
    """CMake of this Python's environment, else of the system. Raises RuntimeError if there is none."""
    beside = shutil.which("cmake", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("cmake")
    if found is None:
        raise RuntimeError("CMake is needed to read the CMakeLists.txt files; install it with: pip install cmake")
    return found
