"""A workflow over stages that are small real processes, for the tests of `livertumor compress`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import fake_stages
import pytest
from CompressionTrainerLib.environment import child
from CompressionTrainerLib.workflow.config import load_workflow
from CompressionTrainerLib.workflow.run import compress, require_unchanged, workflow_status
from tiny_training import TINY

FAKE = (sys.executable, fake_stages.__file__)
PRUNE = "[prune]\nsparsity = 0.3\n[quantize]\nepochs = 2\n[export]\n"


class Setup:
    """A folder with a workflow's configuration, data that are not images, and a split of them; stages are
    `fake_stages`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data, self.out, self.notes = folder, folder / "data", folder / "out", folder / "notes"
        self.data.mkdir()
        self.notes.mkdir()
        for case in range(3):
            for name in ("volume", "segmentation"):
                (self.data / f"{name}-{case}.nii.gz").write_text(f"{name} {case}")
        split = {
            "patients": {"train": [[0], [1]], "val": [[2]]},
            "files": {"ct": "volume-{case}.nii.gz", "mask": "segmentation-{case}.nii.gz"},
        }
        (folder / "split.json").write_text(json.dumps(split))
        self.network()
        self.workflow()

    def network(self, more: str = "") -> None:
        (self.folder / "tiny.toml").write_text(more + TINY.format(task="liver", region="body"))

    def workflow(self, sections: str = PRUNE) -> None:
        (self.folder / "workflow.toml").write_text(f'name = "tiny-model"\nnetwork = "tiny.toml"\n{sections}')

    def look(self, split: bool = True):
        workflow = load_workflow(self.folder / "workflow.toml")
        return workflow_status(
            workflow, self.data, self.folder / "split.json" if split else None, self.out, self.out / "cache"
        )

    def run(self, told: list | None = None) -> list[str]:
        """Run the workflow; returns the commands that ran, "+" where there was a half-made result."""
        require_unchanged(self.look())
        return self.overwrite(told)

    def overwrite(self, told: list | None = None) -> list[str]:
        (self.notes / "calls.txt").write_text("")
        told = [] if told is None else told
        compress(self.look(), "livertumor compress workflow.toml", lambda *event: told.append(event))
        return self.calls()

    def calls(self) -> list[str]:
        return (self.notes / "calls.txt").read_text().split()

    def states(self) -> dict[str, str]:
        return {name: state.what for name, state in self.look().standings.items()}

    def will(self, stage: str, what: str) -> None:
        (self.notes / stage).write_text(what)


@pytest.fixture(name="setup")
def setup_fixture(tmp_path, monkeypatch) -> Setup:
    monkeypatch.setattr(child, "PROGRAM", FAKE)
    made = Setup(tmp_path)
    monkeypatch.setenv("LIVERTUMOR_FAKE", str(made.notes))
    return made
