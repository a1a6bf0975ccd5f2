"""What would make a training useless, looked for before it begins."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from LiverTumorLib.errors import InputError, UsageError

from ..data.samples import every_slice
from ..data.slices import CaseSlices
from ..data.splits import LabeledCase, Split
from .config import TrainConfig


def usable_cases(config: TrainConfig, cases: Sequence[LabeledCase]) -> list[LabeledCase]:
    """The cases that can teach or test a network: where tumor is unknown only the liver's, where there is no liver
    those of whole scans."""
    usable = {"tumor"}
    if config.task == "liver":
        usable.add("liver")
    if config.input.region == "body":
        usable.add("none")
    return [case for case in cases if case.holds in usable]


def require_usable(config: TrainConfig, split: Split, subset: str) -> None:
    """Raises InputError where none of a subset's cases says anything to the network of a configuration."""
    if not usable_cases(config, split.cases[subset]):
        wanted = "liver" if config.task == "liver" else "tumor"
        raise InputError(
            f"None of the {subset} cases of the split '{split.name}' has {wanted} labels, so the network cannot be "
            "trained with it; choose another split, or train another network."
        )


def check_classes(config: TrainConfig, slices: dict[str, Sequence[CaseSlices]]) -> None:
    """Raises InputError where the train or the val patients show one class only."""
    structure = "liver" if config.task == "liver" else "tumor"
    for subset, cases in slices.items():
        if config.refit and subset == "val":
            continue
        flags = [case.has_liver if config.task == "liver" else case.has_tumor for case in cases]
        counted = [
            position
            for position in every_slice(cases)
            if config.task != "slice" or cases[position.case].has_liver[position.k]
        ]
        marks = {bool(flags[position.case][position.k]) for position in counted}
        shown, bare = True in marks, False in marks
        if not shown or (config.task == "slice" and not bare):
            missing = "without" if shown else "with"
            where = "of the liver " if config.task == "slice" else ""
            raise InputError(
                f"The {subset} patients have no slice {where}{missing} {structure}, so that nothing can be learned or "
                "measured; check the masks' label values, or choose another split."
            )


def check_imagenet(config: TrainConfig, path: Path | None) -> None:
    """Raises InputError where the file with the ImageNet weights is missing or damaged, UsageError where they do not
    fit the network."""
    if path is None:
        if config.network.freeze:
            raise UsageError(
                "[network] freeze holds the layers with ImageNet weights, so give the file of these with --imagenet."
            )
        return
    if config.architecture not in ("mobile_unet", "mobilenet_v2") or config.network.width != 1.0:
        raise UsageError(
            f"The ImageNet weights fit MobileNetV2 and the Mobile U-Net of width 1.0, not {config.architecture} of "
            f"width {config.network.width}; leave out --imagenet to start from random weights."
        )
    if not path.is_file():
        raise InputError(
            f"{path}, which should hold the ImageNet weights, is missing; check its name, or leave out --imagenet "
            "to start from random weights."
        )
    damaged: str | Exception | None
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (OSError, zipfile.BadZipFile) as error:
        damaged = error
    if damaged:
        raise InputError(
            f"{path} is not a complete file of ImageNet weights ({damaged}), as an interrupted download leaves it; "
            "download it again, or leave out --imagenet to start from random weights."
        )


def check_canvas(teacher: TrainConfig, student: TrainConfig) -> None:
    """Raises UsageError where a teacher's answers are not answers to what the student is asked."""
    if teacher.task != student.task:
        raise UsageError(
            f"The teacher's task is '{teacher.task}' and the student's '{student.task}'; they must be the same."
        )
    if teacher.network.head != student.network.head:
        raise UsageError(
            f"The teacher's head is '{teacher.network.head}' and the student's '{student.network.head}'; they must be "
            "the same."
        )
    for name, value in asdict(teacher.input).items():
        if name not in ("size", "spacing_mm") and getattr(student.input, name) != value:
            raise UsageError(
                f"The student's {name} is {getattr(student.input, name)} and the teacher's {value}; they must be the "
                "same."
            )
    for large, small in zip(teacher.input.size, student.input.size, strict=True):
        ends = large * teacher.input.spacing_mm, small * student.input.spacing_mm
        if small > large or not math.isclose(*ends, rel_tol=1e-3):
            raise UsageError(
                f"The student's canvas is {ends[1]:.1f} mm ({small} pixels) where the teacher's is {ends[0]:.1f} mm "
                f"({large} pixels); it must cover the same, with no more pixels: change the student's size or "
                "spacing_mm."
            )
