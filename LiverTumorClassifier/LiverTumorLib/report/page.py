"""The page of a study as a PDF of A4: figures, all lesions with what a reader says of them, three views of each target
lesion with its axes, the slice probabilities, notes, and what made them."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np

from .. import __version__
from ..atomic import atomic_path
from ..ct import CTVolume, to_axial
from ..records.options import CaseOutput
from ..records.results import CaseResult, Lesion
from ..records.review import UNREVIEWED, Review, hand_notes
from .blocks import curve_caption, draw_curve, main_figures, models_text, notes_text, number_text
from .figure import new_figure
from .picture import BAD, DISCLAIMER, shortened
from .views import AXIAL, CORONAL, SAGITTAL, Plane, draw_cut, focus

_SIZE_INCH, _DPI = (8.27, 11.69), 200  # of the CT; lines and letters have no pixels
_TARGETS, _TARGET_MM = 2, 10.0  # of one organ, and measurable, as in RECIST 1.1
_ROWS, _NOTE_LINES = 11, 6
_AXIS_COLORS = ((0.2, 1.0, 1.0), (1.0, 0.45, 0.9))
_LEAST_HALF_MM = 30.0  # of what is seen around a lesion
_GRAY, _LINE = "0.35", "0.85"
_COLUMNS = (  # heading, position, alignment
    ("Lesion", 0.0, "left"),
    ("Status", 0.20, "left"),
    ("Type", 0.30, "left"),
    ("Volume (ml)", 0.51, "right"),
    ("Long × short axis (mm)", 0.70, "right"),
    ("Mean (HU)", 0.90, "right"),
    ("Depth (mm)", 1.0, "right"),
)


def case_page(
    path: str | Path, volume: CTVolume, output: CaseOutput, review: Review = UNREVIEWED, patient: str = ""
) -> None:
    """Write the page, whole or not at all; without the time that the run took, so the same case makes the same file.

    Args:
        volume: the CT of the run, in any orientation.
        output: what was found.
        review: what a reader has added.
        patient: a line on the patient and the study; "" leaves it out.

    Raises:
        ValueError: labels are on another grid than the volume.
        OutputError: the page cannot be written.
        RequirementError: matplotlib is not installed.
    """
    figure = page_figure(volume, output, review, patient)
    import matplotlib

    about = {"CreationDate": None, "Title": f"LiverTumor: {output.result.name or volume.name}", "Subject": DISCLAIMER}
    # Fonts as they are, so that the text can be searched and copied.
    with matplotlib.rc_context({"pdf.fonttype": 42}), atomic_path(path) as temporary:
        figure.savefig(temporary, format="pdf", dpi=_DPI, metadata=about)


def page_figure(volume: CTVolume, output: CaseOutput, review: Review = UNREVIEWED, patient: str = ""):
    """The page as a matplotlib figure; see `case_page`."""
    figure = new_figure(_SIZE_INCH, _DPI)
    if output.labels is not None and output.labels.shape != volume.shape:
        raise ValueError(f"labels of shape {output.labels.shape} are not on the volume's grid {volume.shape}")
    view = to_axial(volume)
    labels = None if output.labels is None else view.bring(output.labels)
    result = output.result
    figure.text(
        0.05,
        0.968,
        shortened(result.name or volume.name, 46),
        fontsize=15,
        fontweight="bold",
        va="center",
        parse_math=False,
    )
    figure.text(0.95, 0.968, DISCLAIMER, fontsize=9.5, color=BAD, fontweight="bold", ha="right", va="center")
    figure.text(0.05, 0.947, shortened(patient, 110), fontsize=9.5, color=_GRAY, va="center", parse_math=False)
    _draw_tiles(figure.add_axes((0.05, 0.890, 0.90, 0.042)), result)
    _title(figure, 0.863, "Lesions")
    _draw_table(figure.add_axes((0.05, 0.648, 0.90, 0.212)), result, review)
    targets = target_lesions(result.lesions, review)
    for row, lesion in enumerate(targets):
        _draw_target(figure, 0.634 - 0.222 * row, view.volume, labels, lesion, review)
    if not targets:
        _draw_overview(figure, 0.634, view.volume, labels, result)
    _title(figure, 0.174, "Probability of tumor by slice")
    at = focus(view.volume, result, labels, None)
    draw_curve(figure.add_axes((0.08, 0.128, 0.87, 0.042)), result, float(view.volume.ras([at[2], at[1], at[0]])[2]))
    figure.text(0.95, 0.174, curve_caption(result), fontsize=7.5, color="0.4", ha="right", va="bottom")
    _footer(figure, result, volume, review)
    return figure


def target_lesions(lesions: list[Lesion], review: Review = UNREVIEWED) -> list[Lesion]:
    """The lesions that are shown: the two with the longest axes among those long enough to be measured, as RECIST 1.1
    takes of one organ; where there is none the longest. Rejected ones are not among them."""
    longest = sorted(filter(review.counts, lesions), key=lambda lesion: -lesion.longest_diameter_mm)
    return [lesion for lesion in longest if lesion.longest_diameter_mm >= _TARGET_MM][:_TARGETS] or longest[:1]


def _title(figure, y: float, text: str) -> None:
    figure.text(0.05, y, text, fontsize=10.5, fontweight="bold", va="bottom", parse_math=False)


def _draw_tiles(axes, result: CaseResult) -> None:
    """The figures of the case side by side."""
    _blank(axes)
    for column, (name, value) in enumerate(main_figures(result.summary)):
        axes.text(0.2 * column, 1.0, name, fontsize=8.5, color=_GRAY, va="top")
        axes.text(0.2 * column, 0.0, value, fontsize=14, fontweight="bold", va="bottom")


def _draw_table(axes, result: CaseResult, review: Review) -> None:
    """All lesions that there is room for, with the notes of the reader in lines of their own."""
    _blank(axes)
    lesions = result.lesions
    if not lesions:
        text = "No lesions found" if result.summary.lesion_count is not None else "Lesions were not segmented"
        axes.text(0.5, 0.5, text, ha="center", va="center", color=_GRAY, fontsize=11)
        return
    step = 1 / (_ROWS + 1)
    for heading, x, side in _COLUMNS:
        axes.text(x, 1.0, heading, fontsize=8, color=_GRAY, ha=side, va="top")
    axes.plot([0, 1], [1 - 0.8 * step] * 2, color="0.6", linewidth=0.8)
    y, shown = 1 - step, 0
    for lesion in lesions:
        note = review.judgment(lesion).note
        room = y / step - (1 if lesion is not lesions[-1] else 0)  # of a line that says how many are left out
        if room < 1 + bool(note) - 1e-6:
            break
        _draw_row(axes, y, lesion, review)
        y -= step
        if note:
            axes.text(
                0.02, y, shortened(note, 120), fontsize=7.5, color=_GRAY, style="italic", va="top", parse_math=False
            )
            y -= step
        shown += 1
    if shown < len(lesions):
        axes.text(0, y, f"… and {len(lesions) - shown} more", fontsize=8.5, color=_GRAY, va="top")


def _draw_row(axes, y: float, lesion: Lesion, review: Review) -> None:
    judgment = review.judgment(lesion)
    hand = {None: "", "long": " (long by hand)", "short": " (short by hand)"}.get(lesion.axes_by_hand, " (by hand)")
    cells = (
        shortened(review.name(lesion), 22),
        judgment.status or "–",
        judgment.kind or "–",
        f"{lesion.volume_ml:.2f}",
        f"{lesion.longest_diameter_mm:.1f} × {lesion.perpendicular_diameter_mm:.1f}",
        f"{lesion.mean_hu:.0f} ± {lesion.sd_hu:.0f}",
        number_text(lesion.distance_to_surface_mm, ".0f"),
    )
    color = "0.6" if judgment.is_rejected else "black"
    for (_heading, x, side), cell in zip(_COLUMNS, cells, strict=True):
        axes.text(x, y, cell, fontsize=8.5, color=color, ha=side, va="top", parse_math=False)
    axes.text(_COLUMNS[4][1], y, hand, fontsize=7, color=BAD, va="top")


def _draw_target(figure, top: float, volume: CTVolume, labels, lesion: Lesion, review: Review) -> None:
    """Three views around a lesion, and its axes in the axial one."""
    text = f"{review.name(lesion)}: {lesion.longest_diameter_mm:.1f} × {lesion.perpendicular_diameter_mm:.1f} mm"
    if lesion.axes_by_hand:
        text += ", measured by hand" if " and " in lesion.axes_by_hand else f", {lesion.axes_by_hand} axis by hand"
    _title(figure, top - 0.012, f"{text}, axial slice {lesion.diameter_slice}")
    to_ijk = np.linalg.inv(volume.ijk_to_ras)
    i, j, _k = (to_ijk @ [*lesion.centroid_ras, 1.0])[:3]
    last = np.array(volume.shape) - 1
    at = [int(n) for n in np.clip([lesion.diameter_slice, round(j), round(i)], 0, last)]
    half = max(_LEAST_HALF_MM, 1.1 * lesion.longest_diameter_mm)
    for column, plane in enumerate((AXIAL, CORONAL, SAGITTAL)):
        box = _box(column, top)
        axes = figure.add_axes(box)
        draw_cut(axes, plane, volume, labels, None, (at[0], at[1], at[2]))
        axes.set_title(plane.name, fontsize=8, color=_GRAY, pad=2)
        if plane is AXIAL:
            _draw_axes(axes, volume, to_ijk, lesion)
        _zoom(axes, plane, volume, at, half, box[2] * _SIZE_INCH[0] / (box[3] * _SIZE_INCH[1]))


def _draw_axes(axes, volume: CTVolume, to_ijk: np.ndarray, lesion: Lesion) -> None:
    for ends, color in zip((lesion.longest_ends_ras, lesion.perpendicular_ends_ras), _AXIS_COLORS, strict=True):
        if ends is not None:
            ijk = (to_ijk @ np.c_[np.array(ends), np.ones(2)].T)[:2].T
            x, y = ((ijk + 0.5) * volume.spacing[:2]).T
            axes.plot(x, y, color=color, linewidth=1.2, marker="|", markersize=4)


def _zoom(axes, plane: Plane, volume: CTVolume, at: list[int], half_mm: float, aspect: float) -> None:
    """Show what lies around a voxel (k, j, i), the shorter side of the box `2 * half_mm` wide."""
    x_axis, y_axis = [axis for axis in (2, 1, 0) if axis != plane.axis]
    middle = [(at[axis] + 0.5) * float(volume.spacing[2 - axis]) for axis in (x_axis, y_axis)]
    wide, high = half_mm * max(1.0, aspect), half_mm * max(1.0, 1 / aspect)
    axes.set_xlim(middle[0] - wide, middle[0] + wide)
    low, top = middle[1] - high, middle[1] + high
    axes.set_ylim((low, top) if y_axis == 0 else (top, low))


def _draw_overview(figure, top: float, volume: CTVolume, labels, result: CaseResult) -> None:
    """Three views of the whole scan, where there is no lesion to look at."""
    _title(figure, top - 0.012, "Overview")
    at = focus(volume, result, labels, None)
    for column, plane in enumerate((AXIAL, CORONAL, SAGITTAL)):
        axes = figure.add_axes(_box(column, top))
        draw_cut(axes, plane, volume, labels, None, at)
        axes.set_title(plane.name, fontsize=8, color=_GRAY, pad=2)


def _box(column: int, top: float) -> tuple[float, float, float, float]:
    """The place of a view in a row whose title begins at `top`."""
    return 0.05 + 0.305 * column, top - 0.208, 0.29, 0.178


def _footer(figure, result: CaseResult, volume: CTVolume, review: Review) -> None:
    notes = list(dict.fromkeys([*hand_notes(result.lesions, review), *result.summary.notes, *volume.notes]))
    figure.text(
        0.05,
        0.096,
        notes_text(notes, 125, _NOTE_LINES),
        fontsize=7.5,
        color=(0.6, 0.3, 0.0),
        va="top",
        parse_math=False,
    )
    size = " × ".join(str(n) for n in volume.shape[::-1])
    spacing = " × ".join(f"{step:.2f}" for step in volume.spacing)
    made = (
        f"LiverTumor {__version__}; models: {models_text(result.models)}; CT {size} voxels of {spacing} mm, window "
        f"40/400 HU. Outlines: liver brown, lesions yellow; long axis blue, short axis pink."
    )
    figure.text(0.05, 0.012, textwrap.fill(made, 135), fontsize=7.5, color="0.4", va="bottom", parse_math=False)


def _blank(axes) -> None:
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
