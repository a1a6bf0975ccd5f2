"""A pip install carries every file of the two packages: what is not a Python file has to be named in pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"LiverTumorLib": "LiverTumorClassifier", "CompressionTrainerLib": "CompressionTrainer"}


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_that_is_no_python_is_package_data(project, package):
    folder = ROOT / PACKAGES[package] / package
    patterns = project["tool"]["setuptools"]["package-data"][package]
    carried = {path for pattern in patterns for path in folder.glob(pattern)}
    present = {
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
    }
    assert present - carried == set()
    if package == "CompressionTrainerLib":
        assert {path.suffix for path in carried} == {".json", ".toml", ".j2", ".typed"}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_with_python_files_is_a_package(package):
    folder = ROOT / PACKAGES[package] / package
    assert [path for path in folder.rglob("*.py") if not (path.parent / "__init__.py").exists()] == []


def test_the_shipped_models_are_carried(project):
    names = ("model.tflite", "manifest.json", "card.md")
    patterns = project["tool"]["setuptools"]["package-data"]["LiverTumorLib"]
    for name in names:
        path = Path("models/shipped/liver-roi") / name
        assert any(path.match(pattern.replace("**", "*")) for pattern in patterns), name


def test_pre_commit_checks_with_the_versions_of_the_tests():
    pins = re.findall(r"[\w-]+==[\d.]+", (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    locked = (ROOT / "Testing" / "requirements-lock.txt").read_text(encoding="utf-8").split()
    assert "mypy" in {pin.partition("==")[0] for pin in pins}
    assert set(pins) - set(locked) == set()
