"""One page that shows a case: three cuts with contours, the figures, the lesions, the slice probabilities, what made
them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from .. import __version__
from ..atomic import atomic_path
from ..ct import CTVolume, to_axial
from ..records.options import CaseOutput
from ..records.results import LIVER, TUMOR
from .blocks import curve_caption, draw_curve, draw_figures, draw_lesions, models_text, notes_text
from .figure import new_figure
from .views import AXIAL, CORONAL, SAGITTAL, SEGMENT_COLOR, TRUTH_COLOR, draw_cut, focus

SIZE_INCH, DPI = (14.0, 8.6), 110  # 1540 x 946 pixels
DISCLAIMER = "Research use only, not for diagnosis"
BAD = (0.7, 0.15, 0.1)  # the color of what must not be overlooked
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
        RequirementError: matplotlib is not installed.
    """
    figure = case_figure(volume, output, truth)
    with atomic_path(path) as temporary:
        # Less effort than Pillow's own: of a CT, whose noise is nearly all of the file, it makes one as small.
        figure.savefig(temporary, format="png", dpi=DPI, pil_kwargs={"compress_level": 3})


def case_figure(volume: CTVolume, output: CaseOutput, truth: np.ndarray | None = None):
    """The picture as a matplotlib figure; see `case_picture`."""
    for name, array in (("labels", output.labels), ("truth", truth)):
        if array is not None and array.shape != volume.shape:
            raise ValueError(f"{name} of shape {array.shape} are not on the volume's grid {volume.shape}")
    view = to_axial(volume)
    labels, truth = (None if array is None else view.bring(array) for array in (output.labels, truth))
    result = output.result
    at = focus(view.volume, result, labels, truth)

    figure = new_figure(SIZE_INCH, DPI)
    _header(figure, result.name or volume.name)
    for plane, box in (
        (AXIAL, (0.02, 0.42, 0.36, 0.455)),
        (CORONAL, (0.39, 0.42, 0.31, 0.455)),
        (SAGITTAL, (0.71, 0.42, 0.27, 0.455)),
    ):
        draw_cut(figure.add_axes(box), plane, view.volume, labels, truth, at)
    _legend(figure, labels is not None, truth is not None)

    for x, title in ((0.02, "Case"), (0.20, "Lesions"), (0.595, "Probability of tumor by slice")):
        figure.text(x, 0.372, title, fontsize=11.5, fontweight="bold", va="bottom")
    draw_figures(figure.add_axes((0.02, 0.135, 0.145, 0.225)), result)
    draw_lesions(figure.add_axes((0.20, 0.115, 0.355, 0.245)), result.lesions, result.summary.lesion_count is not None)
    draw_curve(figure.add_axes((0.625, 0.155, 0.355, 0.20)), result, float(view.volume.ras([at[2], at[1], at[0]])[2]))
    figure.text(0.98, 0.117, curve_caption(result), fontsize=8.5, color="0.4", ha="right", va="center")
    _footer(figure, output, volume)
    return figure


def _header(figure, name: str) -> None:
    figure.text(
        0.02, 0.965, shortened(name, _NAME_LENGTH), fontsize=16, fontweight="bold", va="center", parse_math=False
    )
    figure.text(0.98, 0.965, DISCLAIMER, fontsize=11, color=BAD, fontweight="bold", ha="right", va="center")


def shortened(text: str, length: int) -> str:
    """A text that is cut, and says so, where it is too long."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _legend(figure, has_labels: bool, has_truth: bool) -> None:
    from matplotlib.lines import Line2D

    entries: list[tuple[str, tuple[float, float, float] | str, Literal["solid", "dashed"]]] = []
    if has_labels:
        entries += [("Liver", SEGMENT_COLOR[LIVER], "solid"), ("Lesion", SEGMENT_COLOR[TUMOR], "solid")]
    if has_truth:
        entries.append(("Truth", TRUTH_COLOR, "dashed"))
    if entries:
        handles = [
            Line2D([], [], color=color, linestyle=style, linewidth=2.2, label=name) for name, color, style in entries
        ]
        figure.legend(
            handles=handles,
            loc="lower right",
            bbox_to_anchor=(0.985, 0.905),
            ncols=len(entries),
            frameon=False,
            fontsize=9.5,
        )


def _footer(figure, output: CaseOutput, volume: CTVolume) -> None:
    result = output.result
    notes = list(dict.fromkeys([*result.summary.notes, *volume.notes]))  # doubts first: the last ones may be cut off
    figure.text(0.02, 0.102, notes_text(notes, 190), fontsize=8.5, color=(0.6, 0.3, 0.0), va="top", parse_math=False)
    size = " × ".join(str(n) for n in volume.shape[::-1])
    spacing = " × ".join(f"{step:.2f}" for step in volume.spacing)
    seconds = f"; {sum(result.seconds.values()):.1f} s" if result.seconds else ""
    made = (
        f"LiverTumor {__version__}; models: {models_text(result.models)}; CT {size} voxels of {spacing} mm, window "
        f"40/400 HU{seconds}"
    )
    figure.text(0.02, 0.014, made, fontsize=8.5, color="0.4", va="bottom", parse_math=False)
