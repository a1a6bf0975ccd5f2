"""What would stop a workflow after hours, looked for before it begins."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from LiverTumorLib.errors import InputError, OutputError, UsageError

from ..data.slices import BORDER
from ..data.splits import Split
from ..requirement import need_trainer_packages
from ..training.checks import check_canvas, check_imagenet, require_usable
from ..training.start import check_start, check_unseen_start
from .config import Workflow

# What stages need beside the trainer's packages.
_PACKAGES = {"onnx": ("onnx", "onnxruntime", "tf2onnx"), "report": ("jinja2", "matplotlib")}
# An abdominal CT has about this many slices; a prepared one is image, liver and tumor at a byte a pixel.
_SLICES_PER_CASE, _BYTES_PER_PIXEL = 400, 3
# Weights, their optimizer's state, the models in every number format and the logs.
_RESULTS_BYTES = 1_000_000_000


def check_packages(workflow: Workflow) -> None:
    """Raises RequirementError where a package is missing that a stage needs."""
    need_trainer_packages(
        *(package for stage, packages in _PACKAGES.items() if stage in workflow.stages for package in packages)
    )


def check_files(workflow: Workflow, split: Split | None) -> None:
    """Raises InputError or UsageError where the split has nothing to train on or choose by, the weights to start from
    do not fit or know its val or test patients, or what the network answers is not what its student is asked."""
    if workflow.network.config.refit or (workflow.student and workflow.student.config.refit):
        raise UsageError(
            "A workflow chooses by its val patients, so refit has no place in it; 'livertumor train' takes such a "
            "configuration."
        )
    if split:
        for subset in ("train", "val"):
            if not split.cases[subset]:
                raise InputError(
                    f"The split '{split.name}' has no patients in '{subset}'; training needs both, so make it again."
                )
            require_usable(workflow.network.config, split, subset)
    check_imagenet(workflow.network.config, workflow.stages["train"].get("imagenet"))
    for start in (workflow.stages.get(stage, {}).get("start") for stage in ("train", "distill")):
        check_start(start)
        if split:
            check_unseen_start(start, split)
    if workflow.student:
        check_canvas(workflow.network.config, workflow.student.config)


def check_space(workflow: Workflow, cases: int, out: Path, cache: Path) -> None:
    """Raises OutputError where `out` cannot be written, or has less space than the workflow needs beside what is there
    already."""
    specs = {network.config.input for network in (workflow.network, workflow.student) if network}
    prepared = sum(cases * _SLICES_PER_CASE * _BYTES_PER_PIXEL * _pixels(spec) for spec in specs)
    needed: dict[int, float] = {}  # by disk
    for folder, more in ((out, _RESULTS_BYTES), (cache, 0 if cache.exists() else prepared)):
        present = next(path for path in (folder, *folder.parents) if path.exists())
        if not present.is_dir():
            raise OutputError(f"{present} is a file; choose another folder.")
        if not os.access(present, os.W_OK):
            raise OutputError(f"{present} cannot be written: no permission; choose another folder.")
        disk, free = present.stat().st_dev, shutil.disk_usage(present).free
        needed[disk] = needed.get(disk, 0) + more
        if free < needed[disk]:
            raise OutputError(
                f"{present} has {free / 1e9:.1f} GB left, and the workflow needs about {needed[disk] / 1e9:.1f} GB "
                "there; free some, or choose another folder."
            )


def _pixels(spec) -> int:
    return (spec.size[0] + 2 * BORDER) * (spec.size[1] + 2 * BORDER)
