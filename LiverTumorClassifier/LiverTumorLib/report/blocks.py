"""The written part of the picture: case figures, lesion table, probability curve, notes."""

from __future__ import annotations

import textwrap
from itertools import groupby

from ..records.results import CaseResult, CaseSummary, Lesion
from .views import SEGMENT_COLOR

TABLE_ROWS = 9
_NOTE_LINES = 4
_COLUMNS = (  # heading, unit, position of the right edge, text of a lesion
    ("#", "", 0.05, lambda lesion: f"{lesion.id}"),
    ("Volume", "ml", 0.24, lambda lesion: f"{lesion.volume_ml:.2f}"),
    (
        "Diameters",
        "mm",
        0.50,
        lambda lesion: f"{lesion.longest_diameter_mm:.1f} × {lesion.perpendicular_diameter_mm:.1f}",
    ),
    ("Mean ± SD", "HU", 0.76, lambda lesion: f"{lesion.mean_hu:.0f} ± {lesion.sd_hu:.0f}"),
    ("Position", "S mm", 0.97, lambda lesion: f"{lesion.centroid_ras[2]:.1f}"),
)
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


def draw_figures(axes, result: CaseResult) -> None:
    """Four large figures: liver, tumor, burden, lesions."""
    axes.set_axis_off()
    for row, (name, value) in enumerate(main_figures(result.summary)):
        y = 0.98 - 0.205 * row
        axes.text(0.0, y, name, fontsize=10, color=_GRAY, va="top")
        axes.text(1.0, y + 0.02, value, fontsize=14, fontweight="bold", va="top", ha="right")
        axes.plot([0, 1], [y - 0.135] * 2, color=_LINE, linewidth=0.8, clip_on=False)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)


def draw_lesions(axes, lesions: list[Lesion], searched: bool) -> None:
    """The largest lesions as a table; says how many are left out, or why there are none."""
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    if not lesions:
        message = "No lesions found" if searched else "Lesions were not segmented"
        axes.text(0.5, 0.5, message, ha="center", va="center", color=_GRAY, fontsize=11)
        return
    for heading, unit, right, _ in _COLUMNS:
        axes.text(right, 1.0, heading, fontsize=9.5, color=_GRAY, ha="right", va="top")
        axes.text(right, 0.935, unit, fontsize=8, color="0.5", ha="right", va="top")
    axes.plot([0, 0.98], [0.87, 0.87], color="0.6", linewidth=0.8)
    for row, lesion in enumerate(lesions[:TABLE_ROWS]):
        y = 0.85 - 0.083 * row
        for _, _, right, text in _COLUMNS:
            axes.text(right, y, text(lesion), fontsize=9.5, ha="right", va="top")
    if len(lesions) > TABLE_ROWS:
        axes.text(
            0.05,
            0.85 - 0.083 * TABLE_ROWS,
            f"… and {len(lesions) - TABLE_ROWS} more",
            fontsize=9,
            color=_GRAY,
            va="top",
        )


def draw_curve(axes, result: CaseResult, shown_s: float) -> None:
    """Probability of tumor over slices by S position; slices without liver shaded, suspicious ones marked."""
    records = sorted(
        (record for record in result.slices if record.probability is not None), key=lambda record: record.ras_s
    )
    if not records:
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
    positions = [record.ras_s for record in records]
    half = (positions[-1] - positions[0]) / max(1, len(positions) - 1) / 2 or 0.5
    for gated, group in groupby(records, key=lambda record: record.field == "no liver"):
        if gated:
            members = list(group)
            axes.axvspan(members[0].ras_s - half, members[-1].ras_s + half, color="0.92", linewidth=0)
    axes.axvline(shown_s, color="0.5", linewidth=0.8, linestyle=(0, (1, 2)))
    color = SEGMENT_COLOR[1]
    axes.plot(
        positions,
        [record.probability for record in records],
        color=color,
        linewidth=1.6,
        marker="o" if len(records) == 1 else None,
    )
    suspicious = set(result.summary.suspicious_slices)
    marked = [record for record in records if record.index in suspicious]
    axes.plot(
        [r.ras_s for r in marked],
        [r.probability for r in marked],
        "o",
        color=(0.75, 0.2, 0.1),
        markersize=3.2,
        linestyle="none",
    )
    threshold = slice_threshold(result)
    if threshold is not None:
        axes.axhline(threshold, color="0.3", linewidth=0.9, linestyle="dashed")
        place = {"transform": axes.get_yaxis_transform(), "ha": "right", "fontsize": 8, "color": "0.3"}
        axes.text(0.995, threshold + 0.015, f"threshold {threshold:.2f}", **place)
    axes.set_ylim(-0.02, 1.05)
    axes.set_xlim(positions[0] - half, positions[-1] + half)
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
