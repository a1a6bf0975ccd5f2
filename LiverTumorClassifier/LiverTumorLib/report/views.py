"""The three cuts through a case: which voxel they meet in, and drawing them with contours in physical proportion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ct import CTVolume
from ..records.results import LIVER, TUMOR, CaseResult
from ..records.segments import SEGMENTS

WINDOW_HU = (-160.0, 240.0)  # 40/400
TRUTH_COLOR = (0.35, 0.85, 1.0)
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
    for mask in _masks(labels, truth):
        if mask.any():
            k = int(mask.sum(axis=(1, 2)).argmax())
            rows, columns = np.nonzero(mask[k])
            return k, int(np.median(rows)), int(np.median(columns))
    k, j, i = (int(n) for n in (last + 1) // 2)
    scored = [(record.probability, -record.index) for record in result.slices if record.probability is not None]
    if scored:
        k = min(-max(scored)[1], int(last[0]))
    return k, j, i


def _masks(labels: np.ndarray | None, truth: np.ndarray | None):
    for array, label in ((labels, TUMOR), (truth, TUMOR)):
        if array is not None:
            yield array == label
    if labels is not None:
        yield labels > 0


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


def draw_cut(
    axes, plane: Plane, volume: CTVolume, labels: np.ndarray | None, truth: np.ndarray | None, at: tuple[int, int, int]
) -> None:
    """Draw one cut of an axial volume into `axes`, in mm, with contours, orientation letters and the traces of the
    other cuts."""
    x_axis, y_axis = [axis for axis in (2, 1, 0) if axis != plane.axis]
    step = {0: float(volume.spacing[2]), 1: float(volume.spacing[1]), 2: float(volume.spacing[0])}

    def cut(array: np.ndarray) -> np.ndarray:
        return np.take(array, at[plane.axis], axis=plane.axis)

    width, height = volume.shape[x_axis] * step[x_axis], volume.shape[y_axis] * step[y_axis]
    upward = y_axis == 0
    extent = (0, width, 0, height) if upward else (0, width, height, 0)
    axes.set_facecolor("black")
    axes.set_anchor("N")
    axes.imshow(
        cut(volume.array),
        cmap="gray",
        vmin=WINDOW_HU[0],
        vmax=WINDOW_HU[1],
        extent=extent,
        origin="lower" if upward else "upper",
        aspect="equal",
        interpolation="bilinear",
    )
    xs = (np.arange(volume.shape[x_axis]) + 0.5) * step[x_axis]
    ys = (np.arange(volume.shape[y_axis]) + 0.5) * step[y_axis]
    for array, colors, style in (
        (labels, SEGMENT_COLOR, "solid"),
        (truth, dict.fromkeys(SEGMENT_COLOR, TRUTH_COLOR), "dashed"),
    ):
        if array is not None:
            part = cut(array)
            outline(axes, xs, ys, part >= LIVER, colors[LIVER], style)
            outline(axes, xs, ys, part == TUMOR, colors[TUMOR], style)
    for axis, draw in ((x_axis, axes.axvline), (y_axis, axes.axhline)):
        draw((at[axis] + 0.5) * step[axis], color="white", linewidth=0.5, linestyle=(0, (1, 5)), alpha=0.6)
    rows, columns = body_box(volume)
    shown = {0: slice(0, volume.shape[0]), 1: rows, 2: columns}
    axes.set_xlim(shown[x_axis].start * step[x_axis], shown[x_axis].stop * step[x_axis])
    low, high = shown[y_axis].start * step[y_axis], shown[y_axis].stop * step[y_axis]
    axes.set_ylim((low, high) if upward else (high, low))
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    thin = high - low < 0.2 * (shown[x_axis].stop - shown[x_axis].start) * step[x_axis]
    _letters(axes, plane.letters[:2] if thin else plane.letters)
    ijk = [at[2], at[1], at[0]]
    letter, position = (("S", 2), ("A", 1), ("R", 0))[plane.axis]
    where = f"{letter} {volume.ras(ijk)[position]:.1f} mm"
    index = f", slice {at[0]} (0 to {volume.shape[0] - 1})" if plane is AXIAL else ""
    axes.set_title(f"{plane.name}   {where}{index}", fontsize=10, color="0.25", pad=5)


def outline(axes, xs: np.ndarray, ys: np.ndarray, mask: np.ndarray, color: tuple, style: str) -> None:
    if not mask.any():
        return
    # a rim of background, so that contours close at the image border and one-pixel-thick images have any
    padded = np.pad(mask, 1).astype(np.float32)
    axes.contour(_with_rim(xs), _with_rim(ys), padded, levels=[0.5], colors=[color], linewidths=1.3, linestyles=style)


def _with_rim(centers: np.ndarray) -> np.ndarray:
    """Pixel centers in mm and one more on each side; the first pixel starts at 0, so its center is half a step."""
    step = 2 * centers[0]
    return np.concatenate(([centers[0] - step], centers, [centers[-1] + step]))


def _letters(axes, letters: tuple[str, ...]) -> None:
    left, right = (0.012, 0.5, "left", "center"), (0.988, 0.5, "right", "center")
    top, bottom = (0.5, 0.985, "center", "top"), (0.5, 0.015, "center", "bottom")
    for letter, (x, y, ha, va) in zip(letters, (left, right, top, bottom), strict=False):
        axes.text(x, y, letter, transform=axes.transAxes, ha=ha, va=va, color="#ffd75e", fontsize=10, fontweight="bold")
