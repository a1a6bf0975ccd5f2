"""Diameters and volume over the dates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from ..records.followup import FollowUp

_GRAY, _LINE, _VOLUME = "0.35", "0.85", (0.20, 0.45, 0.70)


def draw_course(axes, result: FollowUp) -> None:
    """Draw the target lesions' diameters and their sum (left, mm), and the whole tumor volume (right, ml) over the
    dates."""
    xs = positions(result)
    sums = [found.sum_mm for found in result.assessments]
    _line(axes, xs, sums, color="black", linewidth=2.0, marker="o", label="sum of targets")
    for track in result.tracks:
        if track.target:
            _line(axes, xs, track.diameter_mm, color="0.55", linewidth=1.0, marker=".", label=f"lesion {track.id}")
    axes.margins(y=0.1)
    axes.set_ylim(bottom=0)
    if axes.lines:
        axes.set_ylabel("mm", fontsize=9, color=_GRAY)
    else:  # no target lesions
        axes.set_yticks([])
    axes.set_xticks(xs, [study.date or f"date {at + 1}" for at, study in enumerate(result.studies)])
    margin = 0.06 * (xs[-1] - xs[0]) or 0.5
    axes.set_xlim(xs[0] - margin, xs[-1] + margin)
    volume = axes.twinx()
    volumes = [study.tumor_ml for study in result.studies]
    _line(volume, xs, volumes, color=_VOLUME, linewidth=1.4, linestyle="dashed", marker="s", label="tumor volume")
    volume.margins(y=0.1)
    volume.set_ylim(bottom=0)
    volume.set_ylabel("ml", fontsize=9, color=_VOLUME)
    for part, color in ((axes, _GRAY), (volume, _VOLUME)):
        part.tick_params(labelsize=8.5, colors=color)
        part.spines["top"].set_visible(False)
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(axis="y", color=_LINE, linewidth=0.6)
    handles, labels = (
        one + two for one, two in zip(*(p.get_legend_handles_labels() for p in (axes, volume)), strict=True)
    )
    if handles:
        place = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderaxespad": 0.2}
        axes.legend(handles, labels, ncols=4, frameon=False, fontsize=8.5, columnspacing=1.0, handlelength=1.6, **place)


def positions(result: FollowUp) -> list[float]:
    """Where the dates stand, in days since the first; one step each where they are not all known or fall on one day."""
    days = [date.fromisoformat(study.date) for study in result.studies if study.date]
    count = len(result.studies)
    if len(set(days)) < count:
        return [float(at) for at in range(count)]
    return [float((day - days[0]).days) for day in days]


def _line(axes, xs: list[float], values: Sequence[float | None], **style: object) -> None:
    known = [(x, value) for x, value in zip(xs, values, strict=True) if value is not None]
    if known:
        axes.plot(*zip(*known, strict=True), **style)
