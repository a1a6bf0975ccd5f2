"""Figures of segmentation: Dice of each case, lesions by size."""

from __future__ import annotations

from collections import Counter

from LiverTumorLib.metrics import SIZE_BINS_ML, size_bin

from .drawing import BLUE, COLORS, GRAY, GREEN, VERMILION, new_figure, svg_uri

_STRUCTURES = {"liver": BLUE, "tumor": VERMILION}


def plot_dice(rows: list[dict], means: dict[str, dict]) -> str:
    """Dice of liver and tumor of each case as dots on a line, the mean of each with its interval behind them.

    Args:
        rows: cases as in evaluation.json, with "liver_dice" and, where tumor was labeled, "tumor_dice" (None: no
          tumor).
        means: interval by structure, "liver" and perhaps "tumor".
    """
    shown = [name for name in _STRUCTURES if name in means]
    rows = sorted(rows, key=lambda row: -(row.get(f"{shown[0]}_dice") or 0))
    with new_figure(5.2 * len(shown) + 0.8, 1.7 + 0.3 * len(rows)) as figure:
        panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        for axes, name in zip(panels, shown, strict=True):
            color, mean, places = _STRUCTURES[name], means[name], range(len(rows))
            values = [row.get(f"{name}_dice") for row in rows]
            if mean.get("low") is not None:
                axes.axvspan(mean["low"], mean["high"], color=color, alpha=0.13, linewidth=0)
            if mean.get("value") is not None:
                axes.axvline(mean["value"], color=color, linewidth=1.2, linestyle=(0, (5, 2)))
            for place, (value, row) in enumerate(zip(values, rows, strict=True)):
                if value is None or row[f"{name}_truth_ml"] == 0:
                    extra = (
                        f"; {row[f'{name}_predicted_ml']:.1f} ml invented" if row.get(f"{name}_predicted_ml") else ""
                    )
                    axes.text(0.02, place, f"no {name}{extra}", va="center", fontsize=9, color=GRAY)
                else:
                    axes.plot([0, value], [place, place], color=color, linewidth=1.2, alpha=0.5)
                    axes.plot(value, place, "o", color=color, markersize=6.5)
            axes.set(title=f"{name.capitalize()} Dice by case", xlabel="Dice", xlim=(0, 1.02), yticks=list(places))
            axes.set_yticklabels([str(row["case"]) for row in rows])
            axes.grid(axis="y", visible=False)
        panels[0].set_ylim(len(rows) - 0.5, -0.5)
        return svg_uri(figure)


def plot_lesions(lesions: list[dict]) -> str:
    """True lesions by size: found, only touched, missed; and the extra ones, from the rows of lesions.csv."""
    bins = [size_bin(edge) for edge in (0.0, *SIZE_BINS_ML)]
    outcomes = {"found": GREEN, "only touched": COLORS[4], "missed": VERMILION, "extra": GRAY}
    hatches = ("", "///", "...", "xxx")
    counted: dict[str, Counter[str]] = {outcome: Counter() for outcome in outcomes}
    for lesion in lesions:
        counted[_outcome(lesion)][size_bin(float(lesion["volume_ml"]))] += 1
    with new_figure(8, 3.9) as figure:
        axes = figure.subplots()
        places, below = range(len(bins)), [0] * len(bins)
        for (outcome, color), hatch in zip(list(outcomes.items())[:3], hatches, strict=False):
            heights = [counted[outcome][name] for name in bins]
            axes.bar(
                [place - 0.18 for place in places],
                heights,
                0.36,
                bottom=below,
                color=color,
                hatch=hatch,
                edgecolor="white",
                linewidth=0,
                label=outcome,
            )
            below = [a + b for a, b in zip(below, heights, strict=True)]
        extra = [counted["extra"][name] for name in bins]
        axes.bar(
            [place + 0.22 for place in places],
            extra,
            0.28,
            color=GRAY,
            hatch=hatches[3],
            edgecolor="white",
            linewidth=0,
            label="extra",
        )
        axes.set(xticks=list(places), xticklabels=bins, ylabel="lesions", title="Lesions by size")
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.grid(axis="x", visible=False)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return svg_uri(figure)


def _outcome(lesion: dict) -> str:
    if lesion["kind"] == "extra":
        return "extra"
    return "found" if lesion["found"] == "1" else "only touched" if lesion["touched"] == "1" else "missed"
