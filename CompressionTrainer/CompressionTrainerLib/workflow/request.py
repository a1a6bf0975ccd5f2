"""A workflow as the panel asks for it, without a configuration file: a preset, and what is to be different."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from LiverTumorLib.errors import InputError, UsageError

from ..training.start import start_file
from .compose import workflow_text
from .config import NEEDS, Workflow, is_name, load_workflow

PATIENT, SLICE = "patient", "slice"


@dataclass(frozen=True)
class WorkflowRequest:
    """A workflow that is to be run.

    Attributes:
        config: text of its configuration.
        data: folder with the labeled CT.
        out: the workflow's folder.
        split: a frozen split, or None where the workflow makes its own.
        until: the stage after which it is to stop, or None for the last.
        overwrite: replace what is there from other settings.
    """

    config: str
    data: Path
    out: Path
    split: Path | None = None
    until: str | None = None
    overwrite: bool = False

    def words(self, config: Path) -> list[str]:
        """The command line after `livertumor`, the configuration lying in a file."""
        words = ["compress", str(config), "--data", str(self.data), "--out", str(self.out)]
        words += ["--split", str(self.split)] if self.split else []
        words += ["--until", self.until] if self.until else []
        return words + ["--overwrite"] * self.overwrite


@dataclass(frozen=True)
class WorkflowChoices:
    """What is chosen in the panel, without a configuration file.

    Attributes:
        data, out: folders.
        configuration: a workflow configuration, or the name of a shipped one.
        network: a training configuration instead of its own.
        name: id of the model that comes out, instead of the configuration's.
        split: "patient"; "slice", as the classifier paper divided; or a frozen split file.
        leave_out: stages of the configuration that are not wanted.
        skip_bad: leave out the cases that cannot be used.
        imagenet, start: weights to start from; `start` may be a model's id.
        until, overwrite: see `WorkflowRequest`.
    """

    data: str | Path
    out: str | Path
    configuration: str | Path
    network: str | Path | None = None
    name: str | None = None
    split: str | Path = PATIENT
    leave_out: Collection[str] = ()
    skip_bad: bool = False
    imagenet: str | Path | None = None
    start: str | Path | None = None
    until: str | None = None
    overwrite: bool = False


def request_workflow(asked: WorkflowChoices) -> WorkflowRequest:
    """Put a request together; looks at no data.

    Raises:
        InputError: there is no such data folder or split.
        UsageError: no folder to write to, an unknown setting, or a stage that needs one that is left out.
    """
    data, split = asked.data, asked.split
    if not data or not Path(data).is_dir():
        raise InputError(
            f"{data} is not a folder; choose the folder with the labeled CT."
            if data
            else "Choose the folder with the labeled CT."
        )
    if not str(asked.out):
        raise UsageError("Choose a folder to write to.")
    workflow = workflow_of(
        asked.configuration, asked.network, asked.leave_out, imagenet=asked.imagenet, start=asked.start
    )
    if asked.name:
        if not is_name(asked.name):
            raise UsageError(f"'{asked.name}' cannot be a model's name; use letters, digits, '-', '_' and '.' only.")
        workflow = replace(workflow, name=asked.name)
    frozen = None
    if split in (PATIENT, SLICE):
        kind = {"split": SLICE, "slices": "liver"} if split == SLICE else {"split": PATIENT}
        own = workflow.stages.get("prepare", {}) | kind | ({"skip_bad": True} if asked.skip_bad else {})
        workflow = replace(
            workflow,
            stages={"prepare": own, **{stage: each for stage, each in workflow.stages.items() if stage != "prepare"}},
        )
    else:
        frozen = Path(split).absolute()
        if not split or not frozen.is_file():
            raise InputError(f"'{split}' is not a split file; choose one that 'livertumor prepare' has written.")
    return WorkflowRequest(
        workflow_text(workflow), Path(data).absolute(), Path(asked.out).absolute(), frozen, asked.until, asked.overwrite
    )


def workflow_of(
    configuration: str | Path,
    network: str | Path | None = None,
    leave_out: Collection[str] = (),
    *,
    imagenet: str | Path | None = None,
    start: str | Path | None = None,
) -> Workflow:
    """A configuration without some of its stages; raises UsageError as `load_workflow` does, and where a stage needs
    one that is left out."""
    files: dict[str, Path] = {}
    if imagenet:
        files["imagenet"] = Path(imagenet).absolute()
    if start:
        files["start"] = start_file(str(start)).absolute()
    workflow = load_workflow(configuration, network, files)
    stages = {
        stage: settings for stage, settings in workflow.stages.items() if stage not in leave_out or stage == "train"
    }
    for stage, needed in NEEDS.items():
        if stage in stages and needed not in stages:
            raise UsageError(f"The stage '{stage}' needs what '{needed}' makes; leave it out too.")
    return replace(workflow, stages=stages)
