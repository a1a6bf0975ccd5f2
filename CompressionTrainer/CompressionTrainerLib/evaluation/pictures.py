"""Slices of a case as pictures: the CT, the truth on it, and what was found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from LiverTumorLib.atomic import atomic_path
from LiverTumorLib.ct import CTVolume, to_axial
from LiverTumorLib.report.views import AXIAL, draw_cut

_DPI = 110
_ROW_INCH = 2.9


def draw_slices(
    path: str | Path, volume: CTVolume, labels: np.ndarray, truth: np.ndarray, count: int, seed: int = 1
) -> None:
    """Write a PNG with a row for each of `count` slices, drawn at random from those that hold liver, the same for the
    same seed.

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


def draw_saliency(
    path: str | Path, image: np.ndarray, evidence: np.ndarray, exact: bool, attribution: np.ndarray
) -> None:
    """Write a PNG: a network's input, where it sees tumor, and what each pixel adds to the probability.

    Args:
        path: the file, replaced as a whole.
        image: (rows, columns, 3) in [-1, 1]; the middle channel is shown.
        evidence: coarse map in [0, 1], see `saliency.evidence_map`; `exact` ones are drawn as the cells they are.
        attribution: (rows, columns, 3), see `saliency.integrated_gradients`.

    Raises:
        OutputError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.6, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    shown, heat, added = figure.subplots(1, 3)
    for axes in (shown, heat, added):
        axes.imshow(image[..., 1], cmap="gray", vmin=-1, vmax=1)
        axes.set_axis_off()
    rows, columns = image.shape[:2]
    over = {"extent": (-0.5, columns - 0.5, rows - 0.5, -0.5), "interpolation": "nearest" if exact else "bilinear"}
    colors = heat.imshow(evidence, cmap="inferno", vmin=0, vmax=1, alpha=0.65 * np.clip(evidence, 0, 1) ** 0.5, **over)
    figure.colorbar(
        colors, ax=heat, shrink=0.8, label="probability of tumor by cell" if exact else "share of the maximum"
    )
    values = attribution.sum(axis=-1)
    limit = max(float(np.quantile(np.abs(values), 0.995)), 1e-12)
    colors = added.imshow(
        values, cmap="RdBu_r", vmin=-limit, vmax=limit, alpha=np.clip(np.abs(values) / limit, 0, 1) ** 0.5
    )
    figure.colorbar(colors, ax=added, shrink=0.8, label="added to the probability, by pixel")
    titles = ("input", "cells" if exact else "Grad-CAM", "integrated gradients")
    for axes, title in zip((shown, heat, added), titles, strict=True):
        axes.set_title(title, fontsize=11)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)
