"""A file that CMake does not list is silently not installed, so the lists must be the files on disk."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = ("LiverTumorClassifier", "LiverSegmentationMobileUNet", "CompressionTrainer")


def listed(folder: str, variable: str) -> list[str]:
    """A list variable of a module's CMakeLists.txt, with the module's name filled in."""
    text = (ROOT / folder / "CMakeLists.txt").read_text(encoding="utf-8")
    found = re.search(rf"set\({variable}\s([^)]*)\)", text)
    assert found, f"{folder}/CMakeLists.txt sets no {variable}"
    return found.group(1).replace("${MODULE_NAME}", folder).split()


def on_disk(folder: str) -> set[str]:
    """Files of a module that belong to the repository or are about to; without git, all files that Python did not make."""
    command = ["git", "-C", str(ROOT / folder), "ls-files", "--cached", "--others", "--exclude-standard", "-z", "."]
    try:
        names = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        names = [path.relative_to(ROOT / folder).as_posix() for path in (ROOT / folder).rglob("*") if "__pycache__" not in path.parts]
    return {name for name in names if name and (ROOT / folder / name).is_file() and Path(name).name != "CMakeLists.txt"}


@pytest.mark.parametrize("module", MODULES)
def test_every_file_is_listed_once(module):
    scripts, resources = listed(module, "MODULE_PYTHON_SCRIPTS"), listed(module, "MODULE_PYTHON_RESOURCES")
    assert len(scripts + resources) == len(set(scripts + resources))
    files = on_disk(module)
    assert {"not listed": files - set(scripts + resources), "not there": set(scripts + resources) - files} == {
        "not listed": set(),
        "not there": set(),
    }
    assert all(name.endswith(".py") for name in scripts)
    assert not any(name.endswith(".py") for name in resources)


def test_every_module_is_part_of_the_extension():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert set(re.findall(r"add_subdirectory\((\w+)\)", text)) == {*MODULES, "Testing"}
    assert re.search(r"^project\(LiverTumor\)$", text, re.MULTILINE)


def test_every_test_for_slicer_is_run_by_ctest():
    text = (ROOT / "Testing" / "Slicer" / "CMakeLists.txt").read_text(encoding="utf-8")
    scripts = re.findall(r"slicer_add_python_unittest\(SCRIPT (\S+)\)", text)
    assert sorted(scripts) == sorted(path.name for path in (ROOT / "Testing" / "Slicer").glob("*.py"))
