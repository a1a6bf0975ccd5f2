"""Run a slice network along a volume: which slices, which neighbors, in small steps that can be stopped."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..ct import CTVolume
from ..ct.canvas import Canvas, InputSpec, lay_canvas, neighbor_channels, network_slices
from ..models.manifest import Calibration
from ..models.session import Session
from .run import Report
from .slicemaps import SliceMaps

# Slices closer than this are not all shown to a network; what lies between is interpolated.
SLICE_STEP_MM = 2.0
# Standard deviation of the average over neighboring slices' logits; chosen on validation patients.
LOGIT_SMOOTH_MM = 4.0
# Share of a cell of the slice classifier that must be liver for the cell to count; chosen on validation patients.
CELL_LIVER = 0.25
# Slices a step: a step must stay well under the two seconds in which a run has to stop.
STEP = 8
# Slices brought to the canvas a step, which takes them less time, and what preparing them all takes of a stage's time.
_PREPARED = 16
PREPARATION = 0.3


def map_slices(
    session: Session, volume: CTVolume, canvas: Canvas, ks: range, report: Report, offset_hu: float = 0.0
) -> SliceMaps:
    """Probability maps that stand for the axial slices `ks` (consecutive) of a volume in axial order.

    `report` is called with the done fraction and may raise to stop the run; `offset_hu` as for `network_slices`.
    """
    shown = _shown_slices(ks, volume.spacing[2])
    maps = np.empty((len(shown), *canvas.size), np.float32)
    for start, (output, *_) in _predictions(session, volume, canvas, shown, report, offset_hu):
        maps[start : start + len(output)] = output[..., 0]
    return SliceMaps(shown, maps, canvas)


def score_slices(
    session: Session, volume: CTVolume, labels: np.ndarray | None, ks: np.ndarray, report: Report
) -> NDArray[np.floating]:
    """Calibrated probability of tumor, float32, for each axial slice in `ks` (ascending), averaged over neighboring
    slices.

    `labels` (k, j, i), above 0 in the liver, lie on the volume's grid; a network of the liver region needs them.
    """
    spec = session.bundle.manifest.input
    canvas, offset_hu = lay_canvas(spec, volume, labels)
    logits = np.empty(len(ks), np.float32)
    for start, outputs in _predictions(session, volume, canvas, ks, report, offset_hu):
        block = ks[start : start + len(outputs[0])]
        liver = canvas.sample(labels[block] > 0) if spec.region == "liver" and labels is not None else None
        logits[start : start + len(block)] = slice_logits(outputs, liver)
    return calibrated(smoothed_logits(logits, float(volume.spacing[2])), session.bundle.manifest.calibration)


def slice_logits(outputs: list[NDArray[np.float32]], liver: np.ndarray | None) -> NDArray[np.floating]:
    """Logit of tumor, (n,), of a slice network's raw outputs (see `Session.predict_all`).

    Where the liver is known and the network has a map of cells, the logit is that of the most suspicious cell in the
    liver: what is suspicious beside it is not asked for.

    Args:
        liver: (n, rows, columns) in 0..1 on the network's canvas, or None.
    """
    raw = outputs[0][:, 1]
    if liver is not None and len(outputs) > 1:
        cells = outputs[1][..., 0]
        raw = np.where(liver_cells(liver, cells.shape[1:]), cells, 0).max(axis=(1, 2))
    return logit(raw)


def logit(raw: NDArray[np.floating]) -> NDArray[np.floating]:
    """Logit of raw probabilities, of which int8 knows 0 and 1."""
    inner: NDArray[np.floating] = np.clip(raw, 1e-4, 1 - 1e-4)
    return np.log(inner / (1 - inner))


def liver_cells(liver: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Which cells lie in the liver, bool (n, *size), from liver (n, rows, columns) in 0..1 on the canvas that the cells
    tile."""
    count, rows, columns = liver.shape
    share: NDArray[np.float32] = liver.reshape(count, size[0], rows // size[0], size[1], columns // size[1]).mean(
        axis=(2, 4)
    )
    # In a slice with a tip of liver only, the cell that holds most of it.
    least: NDArray[np.float32] = np.minimum(CELL_LIVER, share.max(axis=(1, 2), keepdims=True))
    return share >= least


def smoothed_logits(logits: NDArray[np.floating], slice_mm: float) -> NDArray[np.floating]:
    """Logits of consecutive slices averaged over their neighbors: a lesion is in several slices, an error often in
    one."""
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(logits, LOGIT_SMOOTH_MM / slice_mm, mode="nearest", radius=smoothing_reach(slice_mm))


def smoothing_reach(slice_mm: float) -> int:
    """How many slices to each side take part in `smoothed_logits`: those within four standard deviations."""
    return int(4 * LOGIT_SMOOTH_MM / slice_mm + 0.5)


def calibrated(logits: NDArray[np.floating], calibration: Calibration) -> NDArray[np.floating]:
    """Calibrated probability of tumor of logits (n,)."""
    exponent: NDArray[np.floating] = -(calibration.slope * logits + calibration.intercept)
    chance: NDArray[np.floating] = 1 / (1 + np.exp(exponent))
    return chance


def _shown_slices(ks: range, slice_mm: float) -> np.ndarray:
    """Every n-th slice, both ends among them, no more than SLICE_STEP_MM apart where slices are thinner than that."""
    step = max(1, int(SLICE_STEP_MM / slice_mm + 1e-6))
    shown = np.arange(ks.start, ks.stop, step)
    return shown if shown[-1] == ks.stop - 1 else np.append(shown, ks.stop - 1)


def prepared_slices(
    spec: InputSpec, volume: CTVolume, canvas: Canvas, offset_hu: float, report: Report, ks: np.ndarray | None = None
) -> NDArray[np.uint8]:
    """The slices `ks` (all when None) on a network's canvas, uint8 (n, rows, columns); `report` as for `map_slices`."""
    ks = np.arange(volume.shape[0]) if ks is None else ks
    images = np.empty((len(ks), *spec.size), np.uint8)
    for start in range(0, len(ks), _PREPARED):
        report(start / len(ks))
        block = slice(start, start + _PREPARED)
        images[block] = network_slices(volume, canvas, spec.window_hu, ks[block], offset_hu, spec.filters)
    return images


def part_of(report: Report, first: float, last: float) -> Report:
    """A report for a part of a stage, which goes from the stage's fraction `first` to `last`."""
    return lambda fraction: report(first + (last - first) * fraction)


def _predictions(
    session: Session, volume: CTVolume, canvas: Canvas, ks: np.ndarray, report: Report, offset_hu: float = 0.0
) -> Iterator[tuple[int, list[NDArray[np.float32]]]]:
    """Yield (position in ks, all raw outputs) a few slices at a time."""
    spec = session.bundle.manifest.input
    offset = spec.neighbor_mm / float(volume.spacing[2])
    reach = int(np.ceil(offset))
    first = max(0, int(ks[0]) - reach)
    last = min(volume.shape[0] - 1, int(ks[-1]) + reach)
    images = prepared_slices(
        spec, volume, canvas, offset_hu, part_of(report, 0, PREPARATION), np.arange(first, last + 1)
    )
    report = part_of(report, PREPARATION, 1)
    for start in range(0, len(ks), STEP):
        report(start / len(ks))
        yield (
            start,
            session.predict_all([neighbor_channels(images, k - first, offset) for k in ks[start : start + STEP]]),
        )
