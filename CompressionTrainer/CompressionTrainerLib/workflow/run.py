"""A workflow, from its plan to its last stage."""

from __future__ import annotations

import contextlib
import json
import platform
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from LiverTumorLib import __version__
from LiverTumorLib.atomic import atomic_path
from LiverTumorLib.errors import Cancelled, InputError, LiverTumorError, OutputError, UsageError
from LiverTumorLib.files import write_json

from ..data.splits import load_split
from ..environment.child import run_child
from ..progress import ProgressReport
from ..provenance import provenance
from ..training.state import read_state
from . import journal
from .checks import check_files, check_packages, check_space
from .config import Workflow
from .content import MANIFEST, Content, data_content, data_manifest, digest
from .estimate import estimates
from .journal import Standing
from .plan import NETWORK, SPLIT, STUDENT, Stage, plan
from .progress import WorkflowProgress

CONFIG, ABOUT, LOGS = "compress.toml", "about.json", "logs"
_PACKAGES = ("tensorflow", "tf_keras", "tensorflow-model-optimization", "numpy", "scipy", "ai-edge-litert")


@dataclass(frozen=True)
class WorkflowStatus:
    """A workflow that has been looked through: its stages, where each stands, what is in the way, the data's manifest,
    and the stage after which it is to stop."""

    workflow: Workflow
    out: Path
    split: Path | None
    manifest: dict[str, dict]
    stages: list[Stage]
    standings: dict[str, Standing]
    left_over: dict[Path, str]
    until: str | None = None

    @property
    def to_do(self) -> list[Stage]:
        """The stages that are not done, up to the one after which it is to stop."""
        names = [stage.name for stage in self.stages]
        wanted = self.stages[: names.index(self.until) + 1] if self.until else self.stages
        return [stage for stage in wanted if self.standings[stage.name].what != "done"]


def workflow_status(
    workflow: Workflow, data: Path, split: Path | None, out: Path, cache: Path, until: str | None = None
) -> WorkflowStatus:
    """Look at all that a workflow needs and at what has been done of it; writes nothing.

    Args:
        data: folder with the labeled CT.
        split: frozen split, or None where the workflow is to make its own.
        out: the workflow's folder.
        cache: folder of prepared network slices.
        until: the stage after which it is to stop, or None for the last.

    Raises:
        LiverTumorError: something would stop the workflow later; which kind is said by what.
    """
    check_packages(workflow)
    data, out, cache = data.resolve(), out.resolve(), cache.resolve()
    frozen = load_split(split, data) if split else None
    check_files(workflow, frozen)
    known = (journal.read(out / MANIFEST) or {}).get("files", {})
    manifest = data_manifest(data, frozen, known)
    check_space(workflow, len(manifest) // 2, out, cache)
    content = Content(out / SPLIT, digest(json.loads(split.read_text(encoding="utf-8")))) if split else None
    stages = plan(workflow, data_content(data, manifest), content, out, cache)
    if until and until not in [stage.name for stage in stages]:
        raise UsageError(
            f"The workflow has no stage {until!r} to stop after; it has {', '.join(stage.name for stage in stages)}."
        )
    standings: dict[str, Standing] = {}
    for stage in stages:
        found = journal.standing(out, stage)
        if found.what == "done" and any(standings[name].what != "done" for name in stage.after):
            found = Standing("stopped")  # what it was made from is made again
        standings[stage.name] = found
    return WorkflowStatus(workflow, out, split, manifest, stages, standings, journal.left_over(out, stages), until)


def require_unchanged(status: WorkflowStatus) -> None:
    """Raises OutputError where the folder holds results of other settings; data whose check was not finished are
    none."""
    unchecked = {"prepare"} if journal.entry(status.out, "prepare") is None else set()
    changed = [
        f"{name} ({standing.why})"
        for name, standing in status.standings.items()
        if standing.what == "changed" and name not in unchecked
    ]
    changed += [f"{name} (no longer in the configuration)" for name in status.left_over.values()]
    if changed:
        raise OutputError(
            f"{status.out} holds results of other settings: {'; '.join(changed)}. Choose another --out, or --overwrite "
            "to replace them."
        )


def compress(status: WorkflowStatus, command: str, report: ProgressReport) -> None:
    """Run the stages that are not done; results of other settings are replaced.

    Args:
        command: what was asked for, for the record.
        report: told of the progress of the whole.

    Raises:
        LiverTumorError: what a stage ended with, with its own exit code; the next run continues there.
        OutputError: the folder cannot be written.
    """
    out = status.out
    for folder, name in status.left_over.items():
        journal.remove(folder)
        if name not in status.standings:
            journal.forget(out, name)
    for stage in status.stages:
        if status.standings[stage.name].what == "changed":
            journal.remove(stage.folder)
    versions = _versions()
    _write_settings(status, command, versions)
    progress = WorkflowProgress(report, status.stages, status.to_do, estimates(status.stages, out))
    for stage in status.to_do:
        progress.begin(stage)
        started = time.monotonic()
        went_on = _run_stage(stage, out / LOGS / f"{stage.name}.log", progress)
        seconds = None if went_on else round(time.monotonic() - started, 3)
        journal.finish(
            out, stage, seconds=seconds, date=datetime.now(UTC).isoformat(timespec="seconds"), versions=versions
        )
        progress.end()


def _run_stage(stage: Stage, log: Path, progress: WorkflowProgress) -> bool:
    """Run a stage; returns whether it continued with what was there."""
    goes_on = stage.resumes and (stage.folder / journal.MARK).exists()
    # Only the record is missing, and training would not begin again.
    if goes_on and stage.steps and _is_trained(stage.folder):
        if stage.name == "train":
            return True
        goes_on = False  # what comes after the training may be missing too
    if not goes_on:
        journal.remove(stage.folder)
        journal.mark(stage)
    try:
        run_child(stage.words, log, progress)
    except Cancelled:
        raise
    except LiverTumorError as error:
        sentence = str(error).rstrip(".")
        raise type(error)(
            f"{stage.name}: {sentence}. Its log is {log}; the same command continues from here."
        ) from error
    return goes_on


def _is_trained(run: Path) -> bool:
    """Whether a stopped stage's training had come to its end."""
    try:
        state = read_state(run)
    except InputError:  # damaged: the stage says so
        return False
    return state is not None and state.finished


def _write_settings(status: WorkflowStatus, command: str, versions: dict[str, str]) -> None:
    """All that says what is done, in the workflow's folder: configurations, split, data, versions, seeds."""
    workflow, out = status.workflow, status.out
    copies = {CONFIG: workflow.path, NETWORK: workflow.network.path}
    copies |= {STUDENT: workflow.student.path} if workflow.student else {}
    copies |= {SPLIT: status.split} if status.split else {}
    for name, source in copies.items():
        if source.resolve() != out / name:
            with atomic_path(out / name) as path:
                shutil.copyfile(source, path)
    write_json(out / MANIFEST, {"files": status.manifest})
    about = {
        "name": workflow.name,
        "origin": provenance(command, []),
        "versions": versions,
        "machine": platform.processor() or platform.machine(),
        "seed": workflow.network.config.seed,
        "stages": {stage.name: stage.words for stage in status.stages},
    }
    write_json(out / ABOUT, about)


def _versions() -> dict[str, str]:
    """Of this software, Python and the packages that decide what comes out."""
    found = {"livertumor": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
