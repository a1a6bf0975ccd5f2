"""Figures of model variants: size, sparsity, speed and accuracy as bars, and accuracy over size."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .drawing import BLUE, COLORS, GRAY, MARKERS, VERMILION, new_figure, svg_uri
from .models import ModelFacts, pareto_front
from .reported import Reported


def plot_bars(models: list[ModelFacts], reported: list[Reported]) -> str:
    """Four panels after the classifier paper's Figures 6 and 11: size, zeros, speed, accuracy; reported models hatched.

    A panel without any measured number is left out.
    """
    panels: dict[str, tuple[Sequence[float | None], Sequence[float | None], str]] = {
        "Size (MiB)": ([m.mib for m in models], [r.mib for r in reported], "{:.2f}"),
        "Zeros among the weights (%)": (
            _percent([m.sparsity for m in models]),
            _percent([r.sparsity for r in reported]),
            "{:.1f}",
        ),
        "Speed (slices a second)": ([m.fps for m in models], [r.fps for r in reported], "{:.1f}"),
        "Accuracy (%)": (
            _percent([m.accuracy["value"] if m.accuracy else None for m in models]),
            _percent([r.accuracy for r in reported]),
            "{:.1f}",
        ),
    }
    panels = {title: panel for title, panel in panels.items() if any(value is not None for value in panel[0])}
    names = [m.name for m in models] + [f"{r.name} (reported)" for r in reported]
    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)
    with new_figure(6.6 * columns, (0.95 + 0.3 * len(names)) * rows + 0.3) as figure:
        figure.get_layout_engine().set(hspace=0.06, wspace=0.04)
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for axes, (title, (ours, theirs, style)) in zip(grid.flat, panels.items(), strict=False):
            accuracies = [m.accuracy for m in models] if title == "Accuracy (%)" else []
            ends = _percent([accuracy["high"] if accuracy else None for accuracy in accuracies])
            _draw_bars(axes, names, ours, theirs, style, ends)
            axes.set_title(title)
        for axes in list(grid.flat)[len(panels) :]:
            axes.set_visible(False)
        if "Accuracy (%)" in panels:
            axes = list(grid.flat)[list(panels).index("Accuracy (%)")]
            for place, model in enumerate(models):
                if model.accuracy and model.accuracy.get("low") is not None:
                    ends = [100 * model.accuracy["low"], 100 * model.accuracy["high"]]
                    axes.plot(ends, [place, place], color="black", linewidth=1.4)
        return svg_uri(figure)


def plot_pareto(models: list[tuple[str, float, dict]]) -> str:
    """AUC, an interval as a dictionary, over size (MiB) of models by name; the line joins those that no smaller one
    equals."""
    ordered = sorted(models, key=lambda model: (model[1], -model[2]["value"]))
    points = [(mib, auc["value"]) for _, mib, auc in ordered]
    front = [points[place] for place in pareto_front(points)]
    with new_figure(9, 4.8) as figure:
        axes = figure.subplots()
        axes.plot(*zip(*front, strict=True), color=GRAY, linewidth=1.2, drawstyle="steps-post", zorder=1)
        for number, (name, mib, auc) in enumerate(ordered):
            color, marker = COLORS[number % len(COLORS)], MARKERS[number // len(COLORS) % len(MARKERS)]
            if auc.get("low") is not None:
                axes.vlines(mib, auc["low"], auc["high"], color=color, linewidth=1.2)
            axes.plot(mib, auc["value"], marker, color=color, markersize=8, label=name, linestyle="none")
        axes.set(xscale="log", xlabel="size of the file (MiB)", ylabel="AUC", title="Accuracy against size")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
        return svg_uri(figure)


def _draw_bars(axes, names: list[str], ours: Sequence, theirs: Sequence, style: str, ends: Sequence) -> None:
    """Bars with their numbers, which stand behind the `ends` of intervals."""
    values = [*ours, *theirs]
    longest = max(value for value in values if value is not None) or 1
    for place, value in enumerate(values):
        if value is None:
            axes.text(
                0.01 * longest,
                place,
                "not measured" if place < len(ours) else "not reported",
                va="center",
                fontsize=8.5,
                color=GRAY,
            )
            continue
        ours_here = place < len(ours)
        color, hatch = (BLUE, None) if ours_here else ("white", "////")
        axes.barh(
            place, value, 0.66, color=color, edgecolor=BLUE if ours_here else VERMILION, hatch=hatch, linewidth=0.8
        )
        end = max(value, ends[place] or 0) if place < len(ends) else value
        axes.text(end + 0.012 * longest, place, style.format(value), va="center", fontsize=9)
    axes.set(xlim=(0, 1.17 * longest), yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.4, -0.6))
    axes.grid(axis="y", visible=False)


def _percent(shares: Sequence[float | None]) -> list[float | None]:
    return [None if share is None else 100 * share for share in shares]
