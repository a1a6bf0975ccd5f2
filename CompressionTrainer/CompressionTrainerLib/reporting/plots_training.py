"""Figures of training: loss and accuracy or Dice by epoch, through all stages that led to a network; how many slices
there are."""

from __future__ import annotations

from .drawing import BLUE, GRAY, VERMILION, new_figure, svg_uri


def plot_training(stages: list[list[dict[str, float]]], score: str) -> str:
    """Loss, and the figure named `score` ("accuracy" or "dice"), over the epochs of several stages in a row, which are
    numbered.

    Args:
        stages: epochs of each, in their order; a log's columns may carry an output's name before the figure's.
        score: the second panel's figure.
    """
    with new_figure(11, 4.2) as figure:
        panels = figure.subplots(1, 2)
        for axes, kind in zip(panels, ("loss", score), strict=True):
            _draw(axes, stages, kind)
            axes.set_title({"dice": "Dice"}.get(kind, kind.capitalize()), pad=18 if len(stages) > 1 else 6)
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
        panels[0].set_ylim(bottom=0)
        panels[1].set_ylim(max(0, panels[1].dataLim.y0 - 0.05), 1.01)
        figure.legend(*panels[1].get_legend_handles_labels(), loc="outside lower center", ncols=2)
        return svg_uri(figure)


def column_of(epochs: list[dict[str, float]], kind: str, prefix: str = "") -> str | None:
    """The log's column of a figure: "val_dice", or "val_probability_accuracy" in logs of earlier versions; None without
    it."""
    names = [
        name
        for name in epochs[0]
        if name.startswith("val_") == bool(prefix) and name.removeprefix("val_").endswith(kind)
    ]
    return min(names, key=len, default=None)


def _draw(axes, stages: list[list[dict[str, float]]], kind: str) -> None:
    first = 1
    for stage, epochs in enumerate(stages, start=1):
        numbers = range(first, first + len(epochs))
        for prefix, color, line, label in (
            ("", BLUE, "solid", "training"),
            ("val_", VERMILION, (0, (5, 2)), "validation"),
        ):
            column = column_of(epochs, kind, prefix)
            if column:
                values = [epoch.get(column, float("nan")) for epoch in epochs]
                dot = "o" if len(epochs) < 12 else None
                axes.plot(
                    numbers,
                    values,
                    color=color,
                    linestyle=line,
                    marker=dot,
                    markersize=4,
                    label=label if stage == 1 else None,
                )
        if first > 1:
            axes.axvline(first - 0.5, color=GRAY, linewidth=0.9)
        if len(stages) > 1:
            middle, above = first + (len(epochs) - 1) / 2, axes.get_xaxis_transform()
            axes.text(
                middle, 1.02, str(stage), transform=above, ha="center", color=GRAY, fontsize=10, fontweight="bold"
            )
        first += len(epochs)
    axes.set_xlim(0.5, first - 0.5)


def plot_counts(rows: list[dict]) -> str:
    """Slices with and without tumor of each part of each split, from the rows of counts.csv."""
    names = [f"{row['split']}, {row['part']}" if len({r["split"] for r in rows}) > 1 else row["part"] for row in rows]
    tumor = [int(row["slices with tumor"]) for row in rows]
    other = [int(row["slices"]) - found for row, found in zip(rows, tumor, strict=True)]
    with new_figure(8.5, 1.1 + 0.42 * len(rows)) as figure:
        axes = figure.subplots()
        places = range(len(rows))
        axes.barh(places, tumor, color=VERMILION, label="with tumor")
        axes.barh(
            places, other, left=tumor, color=BLUE, hatch="///", edgecolor="white", linewidth=0, label="without tumor"
        )
        for place, found, rest in zip(places, tumor, other, strict=True):
            total = max(found + rest, 1)
            axes.text(found + rest, place, f"  {found} of {total} ({found / total:.0%})", va="center", fontsize=9)
        axes.set(yticks=list(places), yticklabels=names, xlabel="axial slices")
        axes.set_xlim(0, 1.25 * max(a + b for a, b in zip(tumor, other, strict=True)))
        axes.grid(axis="y", visible=False)
        axes.invert_yaxis()
        figure.legend(loc="outside upper left", ncols=2)
        return svg_uri(figure)
