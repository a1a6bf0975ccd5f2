"""A file that CMake does not list is silently not installed, so the lists must be the files on disk."""

import subprocess
from pathlib import Path

import pytest
from read_extension import ROOT, read_extension

MODULES = ["LiverTumorClassifier", "LiverSegmentationMobileUNet", "CompressionTrainer"]


@pytest.fixture(scope="module")
def extension():
    return read_extension()


def on_disk(folder: str) -> set[str]:
    """Files of a module that belong to the repository or are about to; without git, all files that Python did not
    make."""
    command = ["git", "-C", str(ROOT / folder), "ls-files", "--cached", "--others", "--exclude-standard", "-z", "."]
    try:
        names = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        names = [
            path.relative_to(ROOT / folder).as_posix()
            for path in (ROOT / folder).rglob("*")
            if "__pycache__" not in path.parts
        ]
    return {name for name in names if name and (ROOT / folder / name).is_file() and Path(name).name != "CMakeLists.txt"}


@pytest.mark.parametrize("module", MODULES)
def test_every_file_is_listed(extension, module):
    """Once each, or `read_extension` would refuse."""
    listed = {place for place, path in extension.files.items() if path == ROOT / module / place}
    files = on_disk(module)
    assert {"not listed": files - listed, "not there": listed - files} == {"not listed": set(), "not there": set()}


def test_every_module_is_part_of_the_extension(extension):
    assert extension.modules == MODULES
    assert {path.relative_to(ROOT).parts[0] for path in extension.files.values()} == set(MODULES)


def test_every_test_for_slicer_is_run_by_ctest(extension):
    tests = {path.relative_to(ROOT).as_posix() for path in extension.tests}
    assert tests == {f"{module}/{module}.py" for module in MODULES} | {
        f"Testing/Slicer/{path.name}" for path in (ROOT / "Testing" / "Slicer").glob("*Test.py")
    }
