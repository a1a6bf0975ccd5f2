"""What is said of the code that made something: its commit in a checkout, the package's version after an
installation."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from CompressionTrainerLib.export.card import model_card
from CompressionTrainerLib.provenance import code_of
from LiverTumorLib import __version__
from LiverTumorLib.models.catalogue import get_bundle

ROOT = Path(__file__).parents[2]


def test_a_package_in_somebodys_checkout_does_not_take_its_commit(tmp_path):
    """As where an environment lies in the folder of another project."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "theirs"]):
        subprocess.run([*git, *words], check=True)
    installed = tmp_path / "env" / "packages"
    shutil.copytree(ROOT / "CompressionTrainer/CompressionTrainerLib", installed / "CompressionTrainerLib")
    shutil.copytree(ROOT / "LiverTumorClassifier/LiverTumorLib", installed / "LiverTumorLib")
    code = (
        f"import sys; sys.path.insert(0, {str(installed)!r})\n"
        "from CompressionTrainerLib.provenance import code_of, commit, provenance\n"
        "print(repr(commit()), code_of(provenance('x', [])))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == f"'' package version {__version__}"


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"commit": "0123456789abcdef", "versions": {"livertumor": "1.0"}}, "commit 0123456789ab"),
        ({"commit": None, "versions": {"livertumor": "1.0"}}, "package version 1.0"),
        ({"commit": "unknown", "version": "2.0"}, "package version 2.0"),
        ({"commit": None, "versions": {"numpy": "2"}}, "unknown version"),
        ({}, "unknown version"),
    ],
)
def test_code_is_named_by_commit_or_version(record, words):
    assert code_of(record, 12) == words


def test_a_card_made_by_an_installed_package_names_its_version():
    manifest = get_bundle("tumor-slice").manifest
    assert f"- Commit {manifest.training['commit']};" in model_card(manifest, 1000)
    versions = manifest.training["versions"] | {"livertumor": "1.2.3"}
    card = model_card(replace(manifest, training=manifest.training | {"commit": None, "versions": versions}), 1000)
    assert "None" not in card and "- Package version 1.2.3; `livertumor train" in card
