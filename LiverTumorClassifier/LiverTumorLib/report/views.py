"""The three cuts through a case: which voxel they meet in, and drawing them with contours in physical proportion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ct import CTVolume
from ..records.results import LIVER, TUMOR, CaseResult
from ..records.segments import SEGMENTS

WINDOW_HU = (-160.0, 240.0)  # 40/400
TRUTH_COLOR, LETTER_COLOR = (0.35, 0.85, 1.0), (1.0, 0.84, 0.37)
SEGMENT_COLOR = {segment.label: segment.color for segment in SEGMENTS}


@dataclass(frozen=True)
class Plane:
    """One cut: the array axis (k, j, i) it lies across, its name, and the letters at its left, right, top and
    bottom."""

    axis: int
    name: str
    letters: tuple[str, str, str, str]


AXIAL = Plane(0, "Axial", ("R", "L", "A", "P"))
CORONAL = Plane(1, "Coronal", ("R", "L", "S", "I"))
SAGITTAL = Plane(2, "Sagittal", ("A", "P", "S", "I"))


def focus(
    volume: CTVolume, result: CaseResult, labels: np.ndarray | None, truth: np.ndarray | None
) -> tuple[int, int, int]:
    """The voxel (k, j, i) of an axial volume where the cuts meet.

    The largest lesion; else the largest true tumor, so that a miss is seen; else the largest liver slice; else the
    slice most likely to hold tumor; else the middle.
    """
    last = np.array(volume.shape) - 1
    if result.lesions:
        lesion = max(result.lesions, key=lambda item: item.volume_ml)
        ijk = np.linalg.inv(volume.ijk_to_ras) @ [*lesion.centroid_ras, 1.0]
        k, j, i = np.clip([lesion.diameter_slice, round(ijk[1]), round(ijk[0])], 0, last)
        return int(k), int(j), int(i)
    for array, least in ((labels, TUMOR), (truth, TUMOR), (labels, LIVER)):
        if array is None:
            continue
        counts = [np.count_nonzero(plane >= least) for plane in array]  # a mask of all would take as much memory
        if any(counts):
            k = int(np.argmax(counts))
            rows, columns = np.nonzero(array[k] >= least)
            return k, int(np.median(rows)), int(np.median(columns))
    k, j, i = (int(n) for n in (last + 1) // 2)
    scored = [(record.probability, -record.index) for record in result.slices if record.probability is not None]
    if scored:
        k = min(-max(scored)[1], int(last[0]))
    return k, j, i


def body_box(volume: CTVolume) -> tuple[slice, slice]:
    """Rows and columns (j, i) that hold the body, with a small margin; everything where no body stands out from air."""
    step = (max(1, volume.shape[0] // 12), 4, 4)
    solid = volume.array[:: step[0], ::4, ::4] > -300
    box = []
    for axis, size in ((1, volume.shape[1]), (2, volume.shape[2])):
        share = solid.mean(axis=tuple(a for a in range(3) if a != axis))
        full = np.flatnonzero(share > 0.1)
        runs = np.split(full, np.flatnonzero(np.diff(full) > 1) + 1)
        run = max(runs, key=len)  # the table is a run of its own, behind a gap
        low, high = (int(run[0]) * 4, int(run[-1]) * 4 + 4) if run.size else (0, size)
        margin = max(4, size // 50)
        low, high = max(0, low - margin), min(size, high + margin)
        box.append(slice(low, high) if high - low >= size // 4 else slice(0, size))
    return box[0], box[1]


@dataclass(frozen=True)
class Cut:
    """What a cut shows, in mm from the outer corner of its first pixel.

    Attributes:
        hu: (y, x) values.
        step: pixel size (x, y).
        upward: y goes up in the picture, not down.
        outlines: masks on the pixels, their colors, and whether their lines are dashed.
        meets: (x, y) where the other cuts cross it.
        shown: first and last x, and first and last y, of the body.
        letters: at its left, right, and where it is not too flat at its top and bottom.
        title: its name and where it is.
    """

    hu: np.ndarray
    step: tuple[float, float]
    upward: bool
    outlines: list[tuple[np.ndarray, tuple[float, float, float], bool]]
    meets: tuple[float, float]
    shown: tuple[tuple[float, float], tuple[float, float]]
    letters: tuple[str, ...]
    title: str


def cut_of(
    plane: Plane, volume: CTVolume, labels: np.ndarray | None, truth: np.ndarray | None, at: tuple[int, int, int]
) -> Cut:
    """The cut of an axial volume, and labels and truth on its grid, through the voxel `at` (k, j, i)."""
    x_axis, y_axis = [axis for axis in (2, 1, 0) if axis != plane.axis]
    step_x, step_y = (float(volume.spacing[2 - axis]) for axis in (x_axis, y_axis))
    through = tuple(at[axis] if axis == plane.axis else slice(None) for axis in range(3))
    outlines = []
    for array, colors, dashed in (
        (labels, SEGMENT_COLOR, False),
        (truth, dict.fromkeys(SEGMENT_COLOR, TRUTH_COLOR), True),
    ):
        if array is not None:
            part = array[through]
            outlines += [(part >= LIVER, colors[LIVER], dashed), (part == TUMOR, colors[TUMOR], dashed)]
    rows, columns = body_box(volume)
    body = {0: slice(0, volume.shape[0]), 1: rows, 2: columns}
    wide, high = (
        (body[axis].start * step, body[axis].stop * step) for axis, step in ((x_axis, step_x), (y_axis, step_y))
    )
    flat = high[1] - high[0] < 0.2 * (wide[1] - wide[0])
    letter, position = (("S", 2), ("A", 1), ("R", 0))[plane.axis]
    where = f"{letter} {volume.ras([at[2], at[1], at[0]])[position]:.1f} mm"
    index = f", slice {at[0]} (0 to {volume.shape[0] - 1})" if plane is AXIAL else ""
    return Cut(
        hu=volume.array[through],
        step=(step_x, step_y),
        upward=y_axis == 0,
        outlines=[outline for outline in outlines if outline[0].any()],
        meets=((at[x_axis] + 0.5) * step_x, (at[y_axis] + 0.5) * step_y),
        shown=(wide, high),
        letters=plane.letters[:2] if flat else plane.letters,
        title=f"{plane.name}   {where}{index}",
    )


def draw_cut(
    axes, plane: Plane, volume: CTVolume, labels: np.ndarray | None, truth: np.ndarray | None, at: tuple[int, int, int]
) -> None:
    """Draw one cut (see `cut_of`) into matplotlib's `axes`, in mm, with contours, orientation letters and the traces of
    the other cuts."""
    cut = cut_of(plane, volume, labels, truth, at)
    rows, columns = cut.hu.shape
    width, height = columns * cut.step[0], rows * cut.step[1]
    axes.set_facecolor("black")
    axes.set_anchor("N")
    axes.imshow(
        cut.hu,
        cmap="gray",
        vmin=WINDOW_HU[0],
        vmax=WINDOW_HU[1],
        extent=(0, width, 0, height) if cut.upward else (0, width, height, 0),
        origin="lower" if cut.upward else "upper",
        aspect="equal",
        interpolation="bilinear",
    )
    xs, ys = (np.arange(columns) + 0.5) * cut.step[0], (np.arange(rows) + 0.5) * cut.step[1]
    for mask, color, dashed in cut.outlines:
        outline(axes, xs, ys, mask, color, "dashed" if dashed else "solid")
    for draw, place in ((axes.axvline, cut.meets[0]), (axes.axhline, cut.meets[1])):
        draw(place, color="white", linewidth=0.5, linestyle=(0, (1, 5)), alpha=0.6)
    (left, right), (low, high) = cut.shown
    axes.set_xlim(left, right)
    axes.set_ylim((low, high) if cut.upward else (high, low))
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    _letters(axes, cut.letters)
    axes.set_title(cut.title, fontsize=10, color="0.25", pad=5)


def outline(axes, xs: np.ndarray, ys: np.ndarray, mask: np.ndarray, color: tuple, style: str) -> None:
    if not mask.any():
        return
    # a rim of background, so that contours close at the image border and one-pixel-thick images have any
    padded = np.pad(mask, 1).astype(np.float32)
    axes.contour(with_rim(xs), with_rim(ys), padded, levels=[0.5], colors=[color], linewidths=1.3, linestyles=style)


def with_rim(centers: np.ndarray) -> np.ndarray:
    """Pixel centers in mm and one more on each side; the first pixel starts at 0, so its center is half a step."""
    step = 2 * centers[0]
    return np.concatenate(([centers[0] - step], centers, [centers[-1] + step]))


def _letters(axes, letters: tuple[str, ...]) -> None:
    left, right = (0.012, 0.5, "left", "center"), (0.988, 0.5, "right", "center")
    top, bottom = (0.5, 0.985, "center", "top"), (0.5, 0.015, "center", "bottom")
    for letter, (x, y, ha, va) in zip(letters, (left, right, top, bottom), strict=False):
        axes.text(
            x, y, letter, transform=axes.transAxes, ha=ha, va=va, color=LETTER_COLOR, fontsize=10, fontweight="bold"
        )
