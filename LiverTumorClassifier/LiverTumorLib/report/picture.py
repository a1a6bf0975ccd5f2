"""One page that shows a case: three cuts with contours, the figures, the lesions, the slice probabilities, what made
them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .. import __version__
from ..atomic import atomic_path
from ..ct import CTVolume, to_axial
from ..records.options import CaseOutput
from ..records.results import LIVER, TUMOR
from .blocks import curve_caption, models_text, notes_text
from .paper import Color, Paper
from .picture_blocks import draw_curve, draw_cut, draw_figures, draw_lesions
from .views import AXIAL, CORONAL, SAGITTAL, SEGMENT_COLOR, TRUTH_COLOR, cut_of, focus

SIZE_INCH = (14.0, 8.6)  # 1540 x 946 pixels
DISCLAIMER = "Research use only, not for diagnosis"
BAD = (0.7, 0.15, 0.1)  # the color of what must not be overlooked
_PALE = (0.4, 0.4, 0.4)
_NAME_LENGTH = 70


def case_picture(path: str | Path, volume: CTVolume, output: CaseOutput, truth: np.ndarray | None = None) -> None:
    """Write the picture of a case as PNG, whole or not at all; missing folders are made, an existing file is replaced.

    Args:
        path: where the picture goes.
        volume: the CT of the run, in any orientation.
        output: what the run found; labels None (classification only) draws no contours.
        truth: labels on the volume's grid (1 liver, 2 tumor), drawn dashed.

    Raises:
        ValueError: labels or truth are on another grid than the volume.
        OutputError: the picture cannot be written.
        RequirementError: Pillow or matplotlib, which has the fonts, is not installed.
    """
    paper = Paper(SIZE_INCH)
    draw_case(paper, volume, output, truth)
    with atomic_path(path) as temporary:
        paper.save(temporary)


def draw_case(paper: Paper, volume: CTVolume, output: CaseOutput, truth: np.ndarray | None = None) -> None:
    """Draw the picture on a page; see `case_picture`."""
    for name, array in (("labels", output.labels), ("truth", truth)):
        if array is not None and array.shape != volume.shape:
            raise ValueError(f"{name} of shape {array.shape} are not on the volume's grid {volume.shape}")
    view = to_axial(volume)
    labels, truth = (None if array is None else view.bring(array) for array in (output.labels, truth))
    result, page = output.result, paper.area
    at = focus(view.volume, result, labels, truth)

    _header(paper, result.name or volume.name)
    for plane, box in (
        (AXIAL, (0.02, 0.42, 0.36, 0.455)),
        (CORONAL, (0.39, 0.42, 0.31, 0.455)),
        (SAGITTAL, (0.71, 0.42, 0.27, 0.455)),
    ):
        draw_cut(paper, page.part(*box), cut_of(plane, view.volume, labels, truth, at))
    _legend(paper, labels is not None, truth is not None)

    for x, title in ((0.02, "Case"), (0.20, "Lesions"), (0.595, "Probability of tumor by slice")):
        paper.text(page.at(x, 0.372), title, 11.5, bold=True, down="bottom")
    draw_figures(paper, page.part(0.02, 0.135, 0.145, 0.225), result)
    searched = result.summary.lesion_count is not None
    draw_lesions(paper, page.part(0.20, 0.115, 0.355, 0.245), result.lesions, searched)
    shown_s = float(view.volume.ras([at[2], at[1], at[0]])[2])
    draw_curve(paper, page.part(0.625, 0.155, 0.355, 0.20), result, shown_s)
    paper.text(page.at(0.98, 0.117), curve_caption(result), 8.5, _PALE, across="right", down="center")
    _footer(paper, output, volume)


def _header(paper: Paper, name: str) -> None:
    page = paper.area
    paper.text(page.at(0.02, 0.965), shortened(name, _NAME_LENGTH), 16, bold=True, down="center")
    paper.text(page.at(0.98, 0.965), DISCLAIMER, 11, BAD, bold=True, across="right", down="center")


def shortened(text: str, length: int) -> str:
    """A text that is cut, and says so, where it is too long."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _legend(paper: Paper, has_labels: bool, has_truth: bool) -> None:
    entries: list[tuple[str, Color, tuple[float, float] | None]] = []
    if has_labels:
        entries += [("Liver", SEGMENT_COLOR[LIVER], None), ("Lesion", SEGMENT_COLOR[TUMOR], None)]
    if has_truth:
        entries.append(("Truth", TRUTH_COLOR, (3.7, 1.6)))
    for place, (name, color, dashes) in enumerate(reversed(entries)):
        x = 0.94 - 0.07 * place
        paper.lines([paper.area.at([x - 0.026, x - 0.006], [0.928] * 2)], color, 2.2, dashes)
        paper.text(paper.area.at(x, 0.928), name, 9.5, down="center")


def _footer(paper: Paper, output: CaseOutput, volume: CTVolume) -> None:
    result, page = output.result, paper.area
    notes = list(dict.fromkeys([*result.summary.notes, *volume.notes]))  # doubts first: the last ones may be cut off
    paper.text(page.at(0.02, 0.102), notes_text(notes, 190), 8.5, (0.6, 0.3, 0.0))
    size = " × ".join(str(n) for n in volume.shape[::-1])
    spacing = " × ".join(f"{step:.2f}" for step in volume.spacing)
    seconds = f"; {sum(result.seconds.values()):.1f} s" if result.seconds else ""
    made = (
        f"LiverTumor {__version__}; models: {models_text(result.models)}; CT {size} voxels of {spacing} mm, window "
        f"40/400 HU{seconds}"
    )
    paper.text(page.at(0.02, 0.014), made, 8.5, _PALE, down="bottom")
