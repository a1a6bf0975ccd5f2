"""The blocks of the picture of a case: a cut with contours, case figures, lesion table, probability curve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..records.results import CaseResult, Lesion
from .blocks import Curve, curve_of, main_figures
from .paper import WHITE, Across, Area, Color, Down, Paper
from .views import LETTER_COLOR, SEGMENT_COLOR, WINDOW_HU, Cut, with_rim

TABLE_ROWS = 9
GRAY, LINE = (0.35, 0.35, 0.35), (0.85, 0.85, 0.85)
_DARK, _MIDDLE, _FAINT, _SHADE = ((share,) * 3 for share in (0.25, 0.5, 0.6, 0.92))
_SUSPICIOUS = (0.75, 0.2, 0.1)
_LETTERS: tuple[tuple[float, float, Across, Down], ...] = (  # where those of a cut are
    (0.012, 0.5, "left", "center"),
    (0.988, 0.5, "right", "center"),
    (0.5, 0.985, "middle", "top"),
    (0.5, 0.015, "middle", "bottom"),
)
_BESIDE: tuple[Across, Down] = ("right", "center")  # of the text of a tick
_BELOW: tuple[Across, Down] = ("middle", "top")
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


def draw_cut(paper: Paper, area: Area, cut: Cut) -> None:
    """Draw a cut at the top of an area, as large as fits in physical proportion, with contours, orientation letters and
    the traces of the other cuts."""
    shown = _fitted(area, cut)
    paper.picture(shown, _window(cut))
    for mask, color, dashed in cut.outlines:
        lines = [shown.at(*line.T) for line in contours(mask, cut.step)]
        paper.lines(lines, color, 1.3, (3.7, 1.6) if dashed else None, within=shown)
    (left, right), (low, high), (x, y) = *cut.shown, cut.meets
    for trace in (shown.at([x, x], [low, high]), shown.at([left, right], [y, y])):
        paper.lines([trace], WHITE, 0.5, (1, 5), opacity=0.6, within=shown)
    box = replace(shown, x=(0.0, 1.0), y=(0.0, 1.0))
    for letter, (across, up, side, line) in zip(cut.letters, _LETTERS, strict=False):
        paper.text(box.at(across, up), letter, 10, LETTER_COLOR, bold=True, across=side, down=line)
    paper.text(box.at(0.5, 1.0) - (0, 8), cut.title, 10, _DARK, across="middle", down="bottom")


def _fitted(area: Area, cut: Cut) -> Area:
    """Where in an area, in whole pixels, a cut is drawn; with its mm."""
    (left, right), (low, high) = cut.shown
    scale = min((area.right - area.left) / (right - left), (area.bottom - area.top) / (high - low))
    wide, tall = max(1, round((right - left) * scale)), max(1, round((high - low) * scale))
    begin, top = round((area.left + area.right - wide) / 2), round(area.top)
    return Area(begin, top, begin + wide, top + tall, (left, right), (low, high) if cut.upward else (high, low))


def _window(cut: Cut) -> NDArray[np.uint8]:
    """The pixels that are shown, the first row on top."""
    part = (slice(round(low / step), round(high / step)) for (low, high), step in zip(cut.shown, cut.step, strict=True))
    columns, rows = part
    hu = cut.hu[rows, columns].astype(np.float32)
    gray = np.clip((hu - WINDOW_HU[0]) * (255 / (WINDOW_HU[1] - WINDOW_HU[0])), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(gray[::-1] if cut.upward else gray)


def contours(mask: np.ndarray, step: tuple[float, float]) -> list[NDArray[np.floating]]:
    """Closed lines (n, 2), x and y in mm from the outer corner of the first pixel, round a mask (y, x) with a pixel in
    it."""
    from contourpy import contour_generator

    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    xs, ys = (
        with_rim((np.arange(count) + 0.5) * mm) + first * mm
        for count, mm, first in zip(part.shape[::-1], step, (columns[0], rows[0]), strict=True)
    )
    padded = np.pad(part, 1).astype(np.float32)
    return [np.asarray(line) for line in contour_generator(xs, ys, padded, line_type="Separate").lines(0.5)]


def draw_figures(paper: Paper, area: Area, result: CaseResult) -> None:
    """Five large figures: liver, tumor, burden, lesions, largest."""
    for row, (name, value) in enumerate(main_figures(result.summary)):
        y = 0.98 - 0.205 * row
        paper.text(area.at(0, y), name, 10, GRAY)
        paper.text(area.at(1, y + 0.02), value, 14, bold=True, across="right")
        paper.lines([area.at([0, 1], [y - 0.135] * 2)], LINE, 0.8)


def draw_lesions(paper: Paper, area: Area, lesions: list[Lesion], searched: bool) -> None:
    """The largest lesions as a table; says how many are left out, or why there are none."""
    if not lesions:
        message = "No lesions found" if searched else "Lesions were not segmented"
        paper.text(area.at(0.5, 0.5), message, 11, GRAY, across="middle", down="center")
        return
    for heading, unit, right, _ in _COLUMNS:
        paper.text(area.at(right, 1.0), heading, 9.5, GRAY, across="right")
        paper.text(area.at(right, 0.935), unit, 8, _MIDDLE, across="right")
    paper.lines([area.at([0, 0.98], [0.87, 0.87])], _FAINT, 0.8)
    for row, lesion in enumerate(lesions[:TABLE_ROWS]):
        for _, _, right, text in _COLUMNS:
            paper.text(area.at(right, 0.85 - 0.083 * row), text(lesion), 9.5, across="right")
    if len(lesions) > TABLE_ROWS:
        more = f"… and {len(lesions) - TABLE_ROWS} more"
        paper.text(area.at(0.05, 0.85 - 0.083 * TABLE_ROWS), more, 9, GRAY)


def draw_curve(paper: Paper, area: Area, result: CaseResult, shown_s: float) -> None:
    """Probability of tumor over slices by S position; slices without liver shaded, suspicious ones marked."""
    if (curve := curve_of(result)) is None:
        paper.text(area.at(0.5, 0.5), "Slices were not classified", 11, GRAY, across="middle", down="center")
        return
    low, high = curve.ends
    plot = replace(area, x=(low, high), y=(-0.02, 1.05))
    for first, last in curve.gated:
        left, right = plot.at([max(first, low), min(last, high)], 0)[:, 0]
        paper.fill(replace(plot, left=round(left), right=round(right)), _SHADE)
    for value in (0, 0.25, 0.5, 0.75, 1):
        paper.lines([plot.at([low, high], [value] * 2)], LINE, 0.6)
        _tick(paper, plot.at(low, value), f"{value:.2f}", (-1, 0))
    for value in ticks(low, high):
        _tick(paper, plot.at(value, plot.y[0]), f"{value:g}", (0, 1))
    paper.lines([plot.at([shown_s] * 2, plot.y)], _MIDDLE, 0.8, (1, 2))
    paper.lines([plot.at(*curve.points)], SEGMENT_COLOR[1], 1.6, within=plot)
    if len(curve.points[0]) == 1:
        paper.dots(plot.at(*curve.points), SEGMENT_COLOR[1], 6)
    paper.dots(plot.at(*curve.marked), _SUSPICIOUS, 4.2)
    _draw_threshold(paper, plot, curve)
    for line in (plot.at([low, low], plot.y), plot.at([low, high], [plot.y[0]] * 2)):
        paper.lines([line], (0.0, 0.0, 0.0), 0.8)
    paper.text(plot.at(low, plot.y[0]) + (0, 26), "S (mm)", 9, GRAY)


def _draw_threshold(paper: Paper, plot: Area, curve: Curve) -> None:
    if curve.threshold is not None:
        color: Color = (0.3, 0.3, 0.3)
        paper.lines([plot.at(plot.x, [curve.threshold] * 2)], color, 0.9, (3.7, 1.6))
        at = plot.at(plot.x[1], curve.threshold + 0.015) - (3, 0)
        paper.text(at, f"threshold {curve.threshold:.2f}", 8, color, across="right", down="bottom")


def _tick(paper: Paper, at: NDArray[np.floating], text: str, outward: tuple[int, int]) -> None:
    """A tick with its text, beside the plot (-1, 0) or below it (0, 1)."""
    paper.lines([np.concatenate([at, at + np.multiply(outward, 5)])], GRAY, 0.8)
    across, down = _BESIDE if outward[0] else _BELOW
    paper.text(at + np.multiply(outward, 9), text, 8.5, GRAY, across=across, down=down)


def ticks(low: float, high: float) -> list[float]:
    """Round values between two others, at most eight."""
    rough = max(high - low, 1e-6) / 8
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * round_ for round_ in (1, 2, 2.5, 5, 10) if power * round_ >= rough)
    return [float(n * step) for n in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]
