"""Figures of slice classification: ROC and precision-recall curves, confusion matrices, reliability."""

from __future__ import annotations

import math

from LiverTumorLib.metrics import Counts, Curve, Reliability

from ..evaluation.text import number
from .drawing import BLUE, COLORS, GRAY, LINES, VERMILION, new_figure, svg_uri

# More than these in one figure cannot be told apart.
MOST_CURVES = len(COLORS)
MOST_BANDS = 3


def plot_curves(roc: dict[str, Curve], precision_recall: dict[str, Curve], prevalence: float | None) -> str:
    """ROC and precision-recall curves side by side, each with its band; `prevalence` is the precision of calling
    everything tumor."""
    with new_figure(11, 5.3 + 0.2 * len(roc)) as figure:
        panels = figure.subplots(1, 2)
        for axes, curves, area in zip(panels, (roc, precision_recall), ("AUC", "AP"), strict=True):
            for (name, curve), color, line in zip(curves.items(), COLORS, LINES, strict=False):
                if len(curves) <= MOST_BANDS:
                    axes.fill_between(curve.x, curve.low, curve.high, color=color, alpha=0.16, linewidth=0)
                label = (
                    f"{name}: {area} {number(curve.area.value, 2)} ({number(curve.area.low, 2)} to "
                    f"{number(curve.area.high, 2)})"
                )
                axes.plot(curve.x, curve.y, color=color, linestyle=line, label=label)
            axes.set_xlim(-0.01, 1.01)
            axes.set_ylim(-0.01, 1.01)
            axes.set_aspect("equal")
        panels[0].plot([0, 1], [0, 1], color=GRAY, linewidth=1, linestyle=(0, (4, 3)), label="chance")
        panels[0].set(title="ROC", xlabel="1 − specificity (false alarms)", ylabel="sensitivity (recall)")
        if prevalence is not None:
            panels[1].axhline(
                prevalence, color=GRAY, linewidth=1, linestyle=(0, (4, 3)), label="share of slices with tumor"
            )
        panels[1].set(title="Precision and recall", xlabel="recall (sensitivity)", ylabel="precision")
        for axes in panels:
            axes.legend(loc="upper left", bbox_to_anchor=(0, -0.13))
        return svg_uri(figure)


def plot_confusion(counts: dict[str, Counts], threshold: float | None) -> str:
    """A confusion matrix for each name: in each field the slices, and their share of the true class."""
    classes = ("no tumor", "tumor")
    columns = min(3, len(counts))
    rows = math.ceil(len(counts) / columns)
    with new_figure(3.7 * columns, 3.7 * rows) as figure:
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in list(grid.flat)[len(counts) :]:
            axes.set_visible(False)
        for axes, (name, each) in zip(grid.flat, counts.items(), strict=False):
            table = [[each.tn, each.fp], [each.fn, each.tp]]
            shares = [[cell / max(sum(row), 1) for cell in row] for row in table]
            axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
            axes.grid(False)
            axes.set(xticks=(0, 1), yticks=(0, 1), xticklabels=classes, yticklabels=classes, ylabel="true")
            axes.set_xlabel(f"called (from a probability of {number(threshold, 2)} on)")
            axes.set_title(name, fontsize=10)
            for row in (0, 1):
                for column in (0, 1):
                    color = "white" if shares[row][column] > 0.55 else "black"
                    axes.text(
                        column, row - 0.06, table[row][column], ha="center", va="center", fontsize=15, color=color
                    )
                    axes.text(
                        column,
                        row + 0.18,
                        f"{shares[row][column]:.1%}",
                        ha="center",
                        va="center",
                        fontsize=10,
                        color=color,
                    )
        return svg_uri(figure)


def plot_reliability(result: Reliability) -> str:
    """Observed share of tumor over predicted probability, with intervals, and how many slices each bin holds."""
    with new_figure(5.6, 6) as figure:
        axes, below = figure.subplots(2, 1, height_ratios=(3.2, 1), sharex=True)
        axes.plot([0, 1], [0, 1], color=GRAY, linewidth=1, linestyle=(0, (4, 3)))
        axes.text(0.66, 0.61, "as predicted", color=GRAY, fontsize=9, rotation=40, rotation_mode="anchor")
        axes.vlines(result.predicted, result.low, result.high, color=BLUE, linewidth=1.6)
        axes.plot(result.predicted, result.observed, "o-", color=BLUE, markersize=6, linewidth=1.2)
        axes.set(title="Reliability", ylabel="observed share with tumor", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        below.bar(result.predicted, result.count, width=0.05, color=VERMILION)
        below.set(xlabel="predicted probability", ylabel="slices", yscale="log", ylim=(0.8, None))
        return svg_uri(figure)
