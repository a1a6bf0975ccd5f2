"""What the picture of a case and the page of a study share: case figures, probability curve, notes."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from itertools import groupby

from ..records.results import CaseResult, CaseSummary, SliceRecord
from .views import SEGMENT_COLOR

_NOTE_LINES = 4
_GRAY, _LINE = "0.35", "0.85"


def main_figures(summary: CaseSummary) -> tuple[tuple[str, str], ...]:
    """The figures of a case, named."""
    return (
        ("Liver", number_text(summary.liver_ml, ".0f", " ml")),
        ("Tumor", number_text(summary.tumor_ml, ".1f", " ml")),
        ("Burden", number_text(summary.tumor_burden_percent, ".1f", " %")),
        ("Lesions", number_text(summary.lesion_count, "d")),
        ("Largest", number_text(summary.largest_diameter_mm, ".1f", " mm")),
    )


@dataclass(frozen=True)
class Curve:
    """Probability of tumor over slices by S position (mm).

    Attributes:
        points: positions, ascending, and probabilities.
        ends: where the first slice begins and the last one ends.
        gated: first and last position of each stretch of slices without liver.
        marked: positions and probabilities of suspicious slices.
        threshold: of the classifier; None where nothing tells it.
    """

    points: tuple[list[float], list[float]]
    ends: tuple[float, float]
    gated: list[tuple[float, float]]
    marked: tuple[list[float], list[float]]
    threshold: float | None


def curve_of(result: CaseResult) -> Curve | None:
    """The curve of a case; None where its slices were not classified."""
    records = sorted(
        (record for record in result.slices if record.probability is not None), key=lambda record: record.ras_s
    )
    if not records:
        return None
    positions = [record.ras_s for record in records]
    half = (positions[-1] - positions[0]) / max(1, len(positions) - 1) / 2 or 0.5
    groups = [(gated, list(group)) for gated, group in groupby(records, key=lambda record: record.field == "no liver")]
    marked = [record for record in records if record.index in set(result.summary.suspicious_slices)]
    return Curve(
        points=_points(records),
        ends=(positions[0] - half, positions[-1] + half),
        gated=[(group[0].ras_s - half, group[-1].ras_s + half) for gated, group in groups if gated],
        marked=_points(marked),
        threshold=slice_threshold(result),
    )


def _points(records: list[SliceRecord]) -> tuple[list[float], list[float]]:
    return [record.ras_s for record in records], [record.probability or 0.0 for record in records]


def draw_curve(axes, result: CaseResult, shown_s: float) -> None:
    """The curve of a case in matplotlib's `axes`; slices without liver shaded, suspicious ones marked."""
    if (curve := curve_of(result)) is None:
        axes.set_axis_off()
        axes.text(
            0.5,
            0.5,
            "Slices were not classified",
            ha="center",
            va="center",
            color=_GRAY,
            fontsize=11,
            transform=axes.transAxes,
        )
        return
    for first, last in curve.gated:
        axes.axvspan(first, last, color="0.92", linewidth=0)
    axes.axvline(shown_s, color="0.5", linewidth=0.8, linestyle=(0, (1, 2)))
    axes.plot(
        *curve.points,
        color=SEGMENT_COLOR[1],
        linewidth=1.6,
        marker="o" if len(curve.points[0]) == 1 else None,
    )
    axes.plot(*curve.marked, "o", color=(0.75, 0.2, 0.1), markersize=3.2, linestyle="none")
    if curve.threshold is not None:
        axes.axhline(curve.threshold, color="0.3", linewidth=0.9, linestyle="dashed")
        place = {"transform": axes.get_yaxis_transform(), "ha": "right", "fontsize": 8, "color": "0.3"}
        axes.text(0.995, curve.threshold + 0.015, f"threshold {curve.threshold:.2f}", **place)
    axes.set_ylim(-0.02, 1.05)
    axes.set_xlim(*curve.ends)
    axes.set_xlabel("S (mm)", fontsize=9, color=_GRAY, labelpad=2, loc="left")
    axes.tick_params(labelsize=8.5, colors=_GRAY)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.grid(axis="y", color=_LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def curve_caption(result: CaseResult) -> str:
    """What the marks of the curve mean, as far as they occur."""
    gated = any(record.field == "no liver" for record in result.slices)
    parts = (
        [f"red: suspicious slices ({len(result.summary.suspicious_slices)})"]
        if result.summary.suspicious_slices
        else []
    )
    if gated:
        parts.append("gray: no liver, 0 by rule")
    return "; ".join(parts)


def slice_threshold(result: CaseResult) -> float | None:
    """The threshold of the slice classifier, where the record of its model tells it."""
    return next(
        (m["threshold"] for m in result.models if m.get("task") == "slice" and m.get("threshold") is not None), None
    )


def notes_text(notes: list[str], width: int, most_lines: int = _NOTE_LINES) -> str:
    """Notes wrapped to `width` characters and cut after a few lines."""
    lines = [line for note in notes for line in textwrap.wrap(f"• {note}", width, subsequent_indent="   ")]
    if len(lines) > most_lines:
        lines = [*lines[: most_lines - 1], "… more notes are in the summary file"]
    return "\n".join(lines)


def models_text(models: list[dict]) -> str:
    """Ids and versions of the models that took part."""
    return ", ".join(f"{model['id']} {model['version']}" for model in models) or "none"


def number_text(value: float | int | None, style: str, unit: str = "") -> str:
    """A figure with its unit; a dash where there is none."""
    return "–" if value is None else f"{value:{style}}{unit}"
