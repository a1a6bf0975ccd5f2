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
# Slices between two reports: they must take well under the two seconds in which a run has to stop.
STEP = 8
# No liver in a scan is shorter than this, nor does smoothing along slices reach farther than it.
LOOK_MM = 12.0


def map_slices(
    session: Session,
    volume: CTVolume,
    canvas: Canvas,
    ks: range,
    report: Report,
    offset_hu: float = 0.0,
    organ: float | None = None,
) -> SliceMaps:
    """Probability maps that stand for the axial slices `ks` (consecutive) of a volume in axial order.

    Args:
        report: called with the done fraction, and may raise to stop the run.
        offset_hu: as for `network_slices`.
        organ: a probability, where only one thing is looked for, which reaches it and is longer than LOOK_MM: of
            slices far from all that reach it the maps stay 0, and the network sees but a few.
    """
    shown = _shown_slices(ks, volume.spacing[2])
    maps = np.zeros((len(shown), *canvas.size), np.float32)  # what stays 0 takes no memory
    images = PreparedSlices(session.bundle.manifest.input, volume, canvas, offset_hu)

    def look(places: NDArray[np.intp], report: Report) -> None:
        for place, (output, *_) in zip(
            places, _predictions(session, volume, images, shown[places], report), strict=True
        ):
            maps[place] = output[..., 0]

    everywhere = np.arange(len(shown))
    if organ is None or len(shown) < 2:
        look(everywhere, report)
        return SliceMaps(shown, maps, canvas)
    step = max(1, int(LOOK_MM / (volume.spacing[2] * (shown[1] - shown[0]))))
    first = np.union1d(everywhere[::step], everywhere[-1:])
    look(first, part_of(report, 0, len(first) / len(shown)))
    found = first[maps[first].max(axis=(1, 2)) >= organ]
    near = np.abs(everywhere[:, None] - found).min(axis=1, initial=len(shown)) <= 2 * step
    look(np.setdiff1d(everywhere[near], first), part_of(report, len(first) / len(shown), 1))
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
    images = PreparedSlices(spec, volume, canvas, offset_hu)
    for place, outputs in enumerate(_predictions(session, volume, images, ks, report)):
        liver = None
        if spec.region == "liver" and labels is not None:
            liver = canvas.sample([labels[ks[place]] > 0])
        logits[place] = slice_logits([output[None] for output in outputs], liver)[0]
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
    reach = smoothing_reach(slice_mm)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) * slice_mm / LOGIT_SMOOTH_MM) ** 2)
    return np.convolve(np.pad(logits, reach, mode="edge"), weights / weights.sum(), mode="valid").astype(logits.dtype)


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


def part_of(report: Report, first: float, last: float) -> Report:
    """A report for a part of a stage, which goes from the stage's fraction `first` to `last`."""
    return lambda fraction: report(first + (last - first) * fraction)


class PreparedSlices:
    """The slices of a volume on a network's canvas, each made when it is asked for; see `ct.canvas.Slices`."""

    def __init__(self, spec: InputSpec, volume: CTVolume, canvas: Canvas, offset_hu: float) -> None:
        self._spec, self._volume, self._canvas, self._offset_hu = spec, volume, canvas, offset_hu
        self._made: dict[int, NDArray[np.uint8]] = {}

    def __len__(self) -> int:
        return self._volume.shape[0]

    def __getitem__(self, k: int, /) -> NDArray[np.uint8]:
        if k not in self._made:
            spec, ks = self._spec, np.array([k])
            made = network_slices(self._volume, self._canvas, spec.window_hu, ks, self._offset_hu, spec.filters)
            self._made[k] = made[0]
        return self._made[k]


def _predictions(
    session: Session, volume: CTVolume, images: PreparedSlices, ks: np.ndarray, report: Report
) -> Iterator[list[NDArray[np.float32]]]:
    """Yield all raw outputs of one slice after the other; the next slices are prepared meanwhile."""
    offset = session.bundle.manifest.input.neighbor_mm / float(volume.spacing[2])

    def shown() -> Iterator[np.ndarray]:
        for place, k in enumerate(ks):
            if place % STEP == 0:
                report(place / len(ks))
            yield neighbor_channels(images, float(k), offset)

    return session.predict_each(shown())
