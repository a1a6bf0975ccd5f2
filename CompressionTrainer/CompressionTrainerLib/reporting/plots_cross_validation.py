"""The figure of a cross-validation: the score at every pair of thresholds, and the points that were compared."""

from __future__ import annotations

import math

from .drawing import VERMILION, new_figure, svg_uri

# How each operating point is marked, by its name in cross-validation.json, and what the legend calls it.
_MARKS = {
    "chosen": ("*", 260, "chosen"),
    "one_threshold": ("s", 70, "best with one threshold"),
    "half": ("X", 80, "one threshold of 0.5"),
}


def plot_plane(plane: list[dict], points: dict[str, dict]) -> str:
    """The mean score over the threshold that draws a region and the higher one that the region must reach somewhere, as
    a heat map.

    Args:
        plane: "threshold" (the low one), "sure" (the high one) and "score" of each pair.
        points: operating points by name, each with "threshold" and "sure".
    """
    thresholds = sorted({row["threshold"] for row in plane})
    place = {threshold: number for number, threshold in enumerate(thresholds)}
    scores = [[math.nan] * len(thresholds) for _ in thresholds]
    for row in plane:
        scores[place[row["sure"]]][place[row["threshold"]]] = row["score"]
    half = (thresholds[1] - thresholds[0]) / 2
    ends = (thresholds[0] - half, thresholds[-1] + half)
    with new_figure(7.6, 5.4) as figure:
        axes = figure.subplots()
        image = axes.imshow(scores, origin="lower", extent=(*ends, *ends), cmap="cividis")
        for name, (marker, area, label) in _MARKS.items():
            point = points[name]
            edge = {"color": "white", "edgecolors": VERMILION, "linewidths": 1.6}
            axes.scatter(point["threshold"], point["sure"], s=area, marker=marker, label=label, zorder=3, **edge)
        axes.set(
            xlabel="low threshold: from which a pixel belongs to a region",
            ylabel="high threshold: what a region must reach",
        )
        axes.set_title("Mean score at each pair of thresholds")
        axes.grid(False)
        axes.text(
            0.66 * ends[1],
            0.33 * ends[1],
            "high threshold\nbelow the low one",
            ha="center",
            va="center",
            fontsize=9,
        )
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.06), ncols=3)
        figure.colorbar(image, ax=axes, shrink=0.9, label="mean score over the patients")
        return svg_uri(figure)
