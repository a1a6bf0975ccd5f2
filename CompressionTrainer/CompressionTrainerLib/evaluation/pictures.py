"""Slices of a case as pictures: the CT, the truth on it, and what was found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from LiverTumorLib.ct import CTVolume, to_axial
from LiverTumorLib.files.atomic import atomic_path
from LiverTumorLib.report.views import AXIAL, draw_cut

_DPI = 110
_ROW_INCH = 2.9


def draw_slices(path: str | Path, volume: CTVolume, labels: np.ndarray, truth: np.ndarray, count: int, seed: int = 1) -> None:
    """Write a PNG with a row for each of `count` slices, drawn at random from those that hold liver, the same for the same seed.

    Args:
        path: the file, replaced as a whole.
        volume: the CT.
        labels, truth: what was found and what there is, (k, j, i) on the volume's grid: 1 liver, 2 tumor.

    Raises:
        OutputError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    view = to_axial(volume)
    labels, truth = view.bring(labels), view.bring(truth)
    chosen = _draw(truth if truth.any() else np.ones_like(truth), count, seed)
    figure = Figure(figsize=(3 * 3.6, _ROW_INCH * len(chosen)), layout="constrained")
    FigureCanvasAgg(figure)
    columns = {"CT": (None, None), "truth": (None, truth), "found": (labels, None)}
    middle = (view.volume.shape[1] // 2, view.volume.shape[2] // 2)
    for row, k in zip(figure.subplots(len(chosen), 3, squeeze=False), chosen, strict=True):
        for axes, (name, (found, true)) in zip(row, columns.items(), strict=True):
            draw_cut(axes, AXIAL, view.volume, found, true, (int(k), *middle))
            axes.set_title(f"{name}, slice {k}", fontsize=10)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)


def _draw(mask: np.ndarray, count: int, seed: int) -> np.ndarray:
    ks = np.flatnonzero(mask.any(axis=(1, 2)))
    return np.sort(np.random.default_rng(seed).choice(ks, min(count, len(ks)), replace=False))
