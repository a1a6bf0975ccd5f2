"""What would stop a chain after hours, looked for before it begins."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from LiverTumorLib.errors import InputError, OutputError, UsageError

from ..data.slices import BORDER
from ..data.splits import Split
from ..requirement import need_trainer_packages
from ..training.checks import check_canvas, check_imagenet
from ..training.start import check_start, check_unseen_start
from .config import Chain

# What stages need beside the trainer's packages.
_PACKAGES = {"onnx": ("onnx", "onnxruntime", "tf2onnx"), "report": ("jinja2", "matplotlib")}
# An abdominal CT has about this many slices; a prepared one is image, liver and tumor at a byte a pixel.
_SLICES_PER_CASE, _BYTES_PER_PIXEL = 400, 3
# Weights, their optimizer's state, the models in every number format and the logs.
_RESULTS_BYTES = 1_000_000_000


def check_packages(chain: Chain) -> None:
    """Raises RequirementError where a package is missing that a stage needs."""
    need_trainer_packages(
        *(package for stage, packages in _PACKAGES.items() if stage in chain.stages for package in packages)
    )


def check_files(chain: Chain, split: Split | None) -> None:
    """Raises InputError or UsageError where the split has nothing to train on or choose by, the weights to start from
    do not fit or know its val or test patients, or what the network answers is not what its student is asked."""
    if chain.network.config.refit or (chain.student and chain.student.config.refit):
        raise UsageError(
            "A chain chooses by its val patients, so refit has no place in it; 'livertumor train' takes such a "
            "configuration."
        )
    if split:
        for subset in ("train", "val"):
            if not split.cases[subset]:
                raise InputError(
                    f"The split '{split.name}' has no patients in '{subset}'; training needs both, so make it again."
                )
    check_imagenet(chain.network.config, chain.stages["train"].get("imagenet"))
    for start in (chain.stages.get(stage, {}).get("start") for stage in ("train", "distill")):
        check_start(start)
        if split:
            check_unseen_start(start, split)
    if chain.student:
        check_canvas(chain.network.config, chain.student.config)


def check_space(chain: Chain, cases: int, out: Path, cache: Path) -> None:
    """Raises OutputError where `out` cannot be written, or has less space than the chain needs beside what is there
    already."""
    specs = {network.config.input for network in (chain.network, chain.student) if network}
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
                f"{present} has {free / 1e9:.1f} GB left, and the chain needs about {needed[disk] / 1e9:.1f} GB there; "
                "free some, or choose another folder."
            )


def _pixels(spec) -> int:
    return (spec.size[0] + 2 * BORDER) * (spec.size[1] + 2 * BORDER)
