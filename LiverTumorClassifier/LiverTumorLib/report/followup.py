"""One page that shows a follow-up: each lesion at each date, the response, the table, the course over the dates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .. import __version__
from ..atomic import atomic_path
from ..ct import CTVolume
from ..records.followup import FollowUp, Track
from .blocks import notes_text
from .course import draw_course
from .figure import new_figure
from .paper import DPI
from .picture import DISCLAIMER, SIZE_INCH
from .views import SEGMENT_COLOR, WINDOW_HU, outline

ROWS, COLUMNS, TABLE_ROWS = 4, 5, 10  # lesions and dates that are drawn, lesions in the table
_HALF_MM = 45.0  # of what is drawn round a lesion
_GRAY, _LINE, _BAD = "0.35", "0.85", (0.7, 0.15, 0.1)
_RESPONSE_COLOR = {"CR": (0.1, 0.5, 0.2), "PR": (0.1, 0.5, 0.2), "PD": _BAD}


def followup_pages(folder: Path, result: FollowUp, scans: Sequence[tuple[CTVolume, np.ndarray]]) -> None:
    """Write report.png and report.pdf, the page, and plot.png, the course alone.

    Args:
        scans: of each date the CT in axial order and its labels (k, j, i).

    Raises:
        OutputError: they cannot be written.
        RequirementError: matplotlib is not installed.
    """
    page = followup_figure(result, scans)
    for name, more in (("report.png", {"dpi": DPI}), ("report.pdf", {"metadata": {"CreationDate": None}})):
        with atomic_path(folder / name) as temporary:
            page.savefig(temporary, format=name[-3:], **more)
    plot = new_figure((8.0, 4.5), DPI)
    draw_course(plot.add_axes((0.09, 0.13, 0.82, 0.74)), result)
    plot.text(0.98, 0.95, DISCLAIMER, fontsize=9, color=_BAD, fontweight="bold", ha="right", va="center")
    with atomic_path(folder / "plot.png") as temporary:
        plot.savefig(temporary, format="png", dpi=DPI)


def followup_figure(result: FollowUp, scans: Sequence[tuple[CTVolume, np.ndarray]]):
    """The page as a matplotlib figure; see `followup_pages`."""
    figure = new_figure(SIZE_INCH, DPI)
    name = result.studies[-1].name
    figure.text(0.02, 0.965, f"Follow-up: {name[:60]}", fontsize=16, fontweight="bold", va="center", parse_math=False)
    figure.text(0.98, 0.965, DISCLAIMER, fontsize=11, color=_BAD, fontweight="bold", ha="right", va="center")
    _draw_cuts(figure, result, scans)
    _draw_response(figure, result)
    figure.text(0.56, 0.742, "Lesions", fontsize=11.5, fontweight="bold", va="bottom")
    _draw_table(figure.add_axes((0.56, 0.44, 0.42, 0.295)), result)
    figure.text(0.56, 0.405, "Course", fontsize=11.5, fontweight="bold", va="bottom")
    draw_course(figure.add_axes((0.60, 0.165, 0.34, 0.20)), result)
    notes = notes_text(result.notes, 190)
    figure.text(0.02, 0.102, notes, fontsize=8.5, color=(0.6, 0.3, 0.0), va="top", parse_math=False)
    made = f"LiverTumor {__version__}; RECIST 1.1 (Eisenhauer 2009), of the liver alone; {_quality_text(result)}"
    figure.text(0.02, 0.014, made, fontsize=8.5, color="0.4", va="bottom", parse_math=False)
    return figure


def shown_dates(count: int) -> list[int]:
    """The dates that have a column: the first and the latest ones."""
    return list(range(count)) if count <= COLUMNS else [0, *range(count - COLUMNS + 1, count)]


def shown_tracks(tracks: Sequence[Track]) -> list[Track]:
    """The lesions that have a row: targets, the two largest new ones, then the largest."""
    by_size = sorted(tracks, key=lambda track: -max((ml or 0.0 for ml in track.volume_ml), default=0.0))
    new = [track for track in by_size if "new" in track.status][:2]
    return sorted(by_size, key=lambda track: (not track.target, track not in new))[:ROWS]


def _draw_cuts(figure, result: FollowUp, scans: Sequence[tuple[CTVolume, np.ndarray]]) -> None:
    dates, tracks = shown_dates(len(result.studies)), shown_tracks(result.tracks)
    width, height = min(0.52 / len(dates), 0.24), 0.755 / ROWS
    for column, at in enumerate(dates):
        study = result.studies[at]
        head = study.date or f"Date {at + 1}"
        text = head if study.name == head else f"{head}  {study.name}"
        limit = int(200 * width)
        figure.text(
            0.02 + width * (column + 0.5), 0.925, text[:limit], fontsize=9.5, ha="center", va="center", parse_math=False
        )
    for row, track in enumerate(tracks):
        for column, at in enumerate(dates):
            box = (0.022 + width * column, 0.905 - height * (row + 1), width - 0.004, height - 0.022)
            axes = figure.add_axes(box)
            _draw_lesion(axes, result, track, at, *scans[at])
    if not tracks:
        figure.text(0.28, 0.55, "No lesions at any date", ha="center", color=_GRAY, fontsize=11)


def _draw_lesion(axes, result: FollowUp, track: Track, at: int, volume: CTVolume, labels: np.ndarray) -> None:
    """The axial slice of the longest diameter, or where the lesion would be; in mm round it, with outlines."""
    kind = "target" if track.target else ("new" if "new" in track.status else "lesion")
    diameter = track.diameter_mm[at]
    size = f"{diameter:.1f} mm" if diameter and track.lesions[at] else track.status[at]
    more = f", {track.status[at]}" if track.lesions[at] and track.status[at] not in ("present", "new") else ""
    head = f"{track.id} ({kind}): " if at == 0 else ""
    axes.set_title(f"{head}{size}{more}", fontsize=8.5, color="0.25", pad=2)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_facecolor("0.93")
    for spine in axes.spines.values():
        spine.set_visible(False)
    place = track.center_ras[at]
    if place is None:
        axes.text(
            0.5, 0.5, "not known where", ha="center", va="center", fontsize=8, color=_GRAY, transform=axes.transAxes
        )
        return
    i, j, k = (np.linalg.inv(volume.ijk_to_ras) @ [*place, 1.0])[:3]
    if track.lesions[at]:
        k = result.studies[at].lesion(track.lesions[at][0]).diameter_slice
    k = int(np.clip(round(k), 0, volume.shape[0] - 1))
    x_step, y_step = float(volume.spacing[0]), float(volume.spacing[1])
    x, y = (i + 0.5) * x_step, (j + 0.5) * y_step
    extent = (0, volume.shape[2] * x_step, volume.shape[1] * y_step, 0)
    low, high = WINDOW_HU
    axes.imshow(
        volume.array[k], cmap="gray", vmin=low, vmax=high, extent=extent, aspect="equal", interpolation="bilinear"
    )
    xs, ys = (np.arange(volume.shape[2]) + 0.5) * x_step, (np.arange(volume.shape[1]) + 0.5) * y_step
    for label, mask in ((1, labels[k] >= 1), (2, labels[k] == 2)):
        outline(axes, xs, ys, mask, SEGMENT_COLOR[label], "solid")
    axes.plot([x], [y], marker="+", color="white", markersize=7, markeredgewidth=0.8)
    box = axes.get_window_extent()
    half = _HALF_MM * box.width / box.height
    axes.set_xlim(x - half, x + half)
    axes.set_ylim(y + _HALF_MM, y - _HALF_MM)
    axes.set_facecolor("black")


def _draw_response(figure, result: FollowUp) -> None:
    last = result.assessments[-1]
    figure.text(0.56, 0.905, last.response, fontsize=24, fontweight="bold", va="center", color=_color(last.response))
    x = 0.565 + 0.017 * len(last.response) + 0.015
    figure.text(min(x, 0.75), 0.905, _wrapped(last.reason, 60), fontsize=10, va="center", parse_math=False)
    axes = figure.add_axes((0.56, 0.770, 0.42, 0.112))
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    rows = [("", "sum of targets", "since first", "since nadir", "new", "tumor", "response")]
    for at in shown_dates(len(result.studies)):
        found = result.assessments[at]
        name = result.studies[at].date or f"Date {at + 1}"
        changes = (_signed(found.change_percent), _signed(found.nadir_percent))
        new = "–" if at == 0 else str(found.new_lesions)
        tumor = f"{result.studies[at].tumor_ml:.1f} ml"
        rows.append((name, _number(found.sum_mm, " mm"), *changes, new, tumor, found.response))
    step = 1 / max(4, len(rows))
    for line, row in enumerate(rows):
        for text, right in zip(row, (0.13, 0.32, 0.46, 0.60, 0.67, 0.81, 1.0), strict=True):
            axes.text(
                right, 1 - step * line, text, fontsize=9, ha="right", va="top", color=_GRAY if line == 0 else "black"
            )
    axes.plot([0, 1], [1 - 0.88 * step] * 2, color="0.6", linewidth=0.8)


def _draw_table(axes, result: FollowUp) -> None:
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    columns = (0.04, 0.16, 0.36, 0.54, 0.68, 0.84, 1.0)
    heads = ("#", "", "status", "diameter", "volume", "change", "doubling")
    units = ("", "", "", "first → last, mm", "last, ml", "volume, %", "days")
    for heading, unit, right in zip(heads, units, columns, strict=True):
        axes.text(right, 1.0, heading, fontsize=9.5, color=_GRAY, ha="right", va="top")
        axes.text(right, 0.935, unit, fontsize=8, color="0.5", ha="right", va="top")
    axes.plot([0, 1], [0.87, 0.87], color="0.6", linewidth=0.8)
    for row, track in enumerate(result.tracks[:TABLE_ROWS]):
        for text, right in zip(_table_row(track), columns, strict=True):
            axes.text(right, 0.85 - 0.078 * row, text, fontsize=9, ha="right", va="top")
    if len(result.tracks) > TABLE_ROWS:
        more = f"… and {len(result.tracks) - TABLE_ROWS} more in lesions.csv"
        axes.text(0.04, 0.85 - 0.078 * TABLE_ROWS, more, fontsize=9, color=_GRAY, va="top")


def _table_row(track: Track) -> tuple[str, ...]:
    first, last = track.diameter_mm[0], track.diameter_mm[-1]
    before, now = track.volume_ml[0], track.volume_ml[-1]
    change = _signed(100 * (now / before - 1), "") if before and now is not None else "–"
    doubling = track.doubling_days[-1]
    kind = "target" if track.target else ""
    sizes = f"{_number(first)} → {_number(last)}"
    volume = "–" if now is None else f"{now:.2f}"
    return str(track.id), kind, track.status[-1], sizes, volume, change, "–" if doubling is None else f"{doubling:.0f}"


def _quality_text(result: FollowUp) -> str:
    known = [quality for quality in result.registrations if quality is not None]
    if not known:
        return "nothing registered"
    dice = ", ".join(f"{quality.dice:.2f}" for quality in known)
    apart = ", ".join(f"{quality.residual_mm:.1f}" for quality in known)
    return f"livers registered: Dice {dice}, surfaces {apart} mm apart"


def _color(response: str):
    return _RESPONSE_COLOR.get(response, "0.15")


def _number(value: float | None, unit: str = "") -> str:
    return "–" if value is None else f"{value:.1f}{unit}"


def _signed(value: float | None, unit: str = " %") -> str:
    return "–" if value is None else f"{value:+.0f}{unit}"


def _wrapped(text: str, width: int) -> str:
    import textwrap

    return textwrap.fill(text, width)
