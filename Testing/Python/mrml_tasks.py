"""Tasks for runs in real children where the networks do not matter: liver is above -100 HU, tumor above 100 HU."""

from __future__ import annotations

import time

import numpy as np
from LiverTumorLib.ct import to_axial
from LiverTumorLib.errors import ModelError
from LiverTumorLib.pipelines.classification import slice_records
from LiverTumorLib.pipelines.lesions import measure
from LiverTumorLib.records.options import CaseOutput
from LiverTumorLib.records.results import CaseResult, CaseSummary
from scipy.ndimage import binary_erosion


def segment(volume, options, progress) -> CaseOutput:
    progress("liver", 0.2, "Looking for the liver")
    labels = (volume.array > -100).astype(np.uint8) + (options.tumor & (volume.array > 100)).astype(np.uint8)
    lesions, summary = measure(labels, volume)
    records = slice_records(to_axial(volume).volume, to_axial(volume).bring(labels)) if options.slices else []
    for record in records:
        record.probability = 0.9 if record.tumor_mm2 else 0.1
    summary.suspicious_slices = [record.index for record in records if record.tumor_mm2]
    progress("done", 1.0, "Done")
    return CaseOutput(CaseResult(volume.name, summary, lesions, records), labels)


def segment_two(volume, options, progress) -> CaseOutput:
    """As `segment`, with a second, smaller lesion three slices above the first."""
    array = volume.array.copy()
    array[7, 2:4, 2:4] = 150
    return segment(volume.with_array(array), options, progress)


def segment_with_maps(volume, options, progress) -> CaseOutput:
    """As `segment`, with probability maps that say 95 % in the middle of what they find, and 60 % at its rim."""
    output = segment(volume, options, progress)
    if options.keep_probabilities:
        found = {"liver": output.labels > 0, "tumor": output.labels == 2}
        maps = {
            name: np.where(binary_erosion(mask), 0.95, 0.6 * mask).astype(np.float16) for name, mask in found.items()
        }
        output.probabilities.update(maps)
    output.result.models = [
        {"id": f"a-{task}", "task": task, "version": "1", "sha256": "0" * 64, "threshold": 0.5}
        for task in ("liver", "tumor")
    ]
    return output


def segment_but_faint(volume, options, progress) -> CaseOutput:
    """As `segment_with_maps`, but what has 80 to 100 HU is missed: the map says 40 % there."""
    output = segment_with_maps(volume, options, progress)
    if options.keep_probabilities:
        output.probabilities["tumor"][(volume.array > 80) & (volume.array <= 100)] = 0.4
    return output


def segment_otherwise(volume, options, progress) -> CaseOutput:
    """As `segment_with_maps`, for everything two columns beside."""
    moved = volume.with_array(np.roll(volume.array, 2, axis=2))
    return segment_with_maps(moved, options, progress)


def classify(volume, options, progress, liver=None) -> CaseOutput:
    """Every slice is a suspicious one, if it has liver where that is known."""
    view = to_axial(volume)
    records = slice_records(view.volume, None if liver is None else view.bring(liver))
    for record in records:
        record.probability = 0.0 if record.field == "no liver" else 0.5 + 0.01 * record.index
    progress("slices", 1.0, "Done")
    suspicious = [record.index for record in records if record.probability]
    return CaseOutput(CaseResult(volume.name, CaseSummary(suspicious_slices=suspicious), slices=records))


def endless(volume, options, progress) -> CaseOutput:
    while True:
        progress("liver", 0.1, "Working")
        time.sleep(0.02)


def without_model(volume, options, progress) -> CaseOutput:
    raise ModelError("The model liver-roi is missing.")


def known_liver(volume, options, progress, liver) -> CaseOutput:
    """Gives back the liver that it was given."""
    lesions, summary = measure(liver, volume)
    return CaseOutput(CaseResult(volume.name, summary, lesions), liver)


def classify_tumor(volume, options, progress) -> CaseOutput:
    """Every slice has a tenth for each voxel of tumor in it."""
    records = slice_records(to_axial(volume).volume)
    for record, plane in zip(records, to_axial(volume).volume.array, strict=True):
        record.probability = 0.1 * int((plane > 100).sum())
    return CaseOutput(CaseResult(volume.name, CaseSummary(), slices=records))


def stops_at_third(volume, options, progress) -> CaseOutput:
    """The third frame of `test_panel_sequences` takes for ever."""
    return endless(volume, options, progress) if "time 4" in volume.name else segment(volume, options, progress)
