"""A page of pixels that Pillow draws: the little that the picture of a case needs of a plotting library, which takes as
long to load as the networks take for a scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import RequirementError

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

Color = tuple[float, float, float]  # red, green, blue in 0..1
Across = Literal["left", "middle", "right"]  # what of a text is where it is put
Down = Literal["top", "center", "bottom"]
BLACK, WHITE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
DPI = 110
_FINER = 4  # lines are drawn so many times larger, then reduced: Pillow draws them without soft edges
# How far the baseline lies below what a text is aligned by, in heights of the font.
_BASELINE = {"top": 0.76, "center": 0.26, "bottom": -0.24}
_LINE = 1.2  # height of a line of text


@dataclass(frozen=True)
class Area:
    """A rectangle of the page in pixels, and the values at its sides: `x` those at left and right, `y` at bottom and
    top."""

    left: float
    top: float
    right: float
    bottom: float
    x: tuple[float, float] = (0.0, 1.0)
    y: tuple[float, float] = (0.0, 1.0)

    def at(self, xs: ArrayLike, ys: ArrayLike) -> NDArray[np.floating]:
        """Pixels (n, 2) of values."""
        across = self.left + (np.asarray(xs) - self.x[0]) / (self.x[1] - self.x[0]) * (self.right - self.left)
        down = self.bottom - (np.asarray(ys) - self.y[0]) / (self.y[1] - self.y[0]) * (self.bottom - self.top)
        return np.stack(np.broadcast_arrays(across, down), axis=-1).reshape(-1, 2)

    def part(self, x: float, y: float, width: float, height: float) -> Area:
        """A part of it whose lower left corner is at a value; it goes from 0 to 1 itself."""
        (left, bottom), (right, top) = self.at([x, x + width], [y, y + height])
        return Area(left, top, right, bottom)


class Paper:
    """A white page."""

    def __init__(self, size_inch: tuple[float, float]) -> None:
        """Raises RequirementError where Pillow, or the fonts of matplotlib, are not installed."""
        try:
            from PIL import Image, ImageDraw
        except ImportError as error:
            raise _missing() from error
        width, height = (round(inch * DPI) for inch in size_inch)
        self.area = Area(0, 0, width, height)
        self._image = Image.new("RGB", (width, height), "white")
        self._draw = ImageDraw.Draw(self._image)

    def text(
        self,
        at: NDArray[np.floating],
        text: str,
        points: float,
        color: Color = BLACK,
        bold: bool = False,
        across: Across = "left",
        down: Down = "top",
    ) -> None:
        """Write at a pixel (1, 2), which is where `across` and `down` say of the text; further lines go below."""
        font = _font(points, bold)
        [(x, y)] = at
        for number, line in enumerate(text.split("\n")):
            baseline = y + (_BASELINE[down] + number * _LINE) * font.size
            self._draw.text((x, baseline), line, fill=_bytes(color), font=font, anchor=f"{across[0]}s")

    def lines(
        self,
        lines: Sequence[NDArray[np.floating]],
        color: Color,
        points: float,
        dashes: tuple[float, float] | None = None,
        opacity: float = 1.0,
        within: Area | None = None,
    ) -> None:
        """Draw lines through pixels (n, 2) each, `points` wide.

        Args:
            dashes: length of a dash and of the gap behind it, in widths.
            within: what is beyond it is left out.
        """
        from PIL import Image, ImageDraw

        width = points * DPI / 72
        if dashes is not None:
            lines = [piece for line in lines for piece in _dashed(line, dashes[0] * width, dashes[1] * width)]
        if not lines:
            return
        page = within or self.area
        every = np.concatenate(lines)
        low = np.maximum(np.floor(every.min(axis=0) - width), np.floor((page.left, page.top))).astype(int)
        high = np.minimum(np.ceil(every.max(axis=0) + width), np.ceil((page.right, page.bottom))).astype(int)
        if (high <= low).any():
            return
        mask = Image.new("L", tuple((high - low) * _FINER))
        draw = ImageDraw.Draw(mask)
        for line in lines:
            draw.line(((line - low) * _FINER).ravel().tolist(), fill=round(255 * opacity), width=round(width * _FINER))
        self._image.paste(_bytes(color), tuple(low.tolist()), mask.reduce(_FINER))

    def dots(self, at: NDArray[np.floating], color: Color, points: float) -> None:
        """Draw discs round pixels (n, 2)."""
        half = points * DPI / 72 / 2
        turn = np.linspace(0, 2 * np.pi, 16)
        circle = np.stack([np.cos(turn), np.sin(turn)], axis=1) * half / 2  # as wide as its line: a disc
        self.lines([center + circle for center in at], color, points / 2)

    def fill(self, area: Area, color: Color) -> None:
        """Fill a rectangle."""
        self._draw.rectangle((area.left, area.top, area.right - 1, area.bottom - 1), fill=_bytes(color))

    def picture(self, area: Area, gray: NDArray[np.uint8]) -> None:
        """Put an image (rows, columns), its first row on top, into a rectangle whose sides are whole pixels."""
        from PIL import Image

        size = round(area.right - area.left), round(area.bottom - area.top)
        shown = Image.fromarray(gray).resize(size, Image.Resampling.BILINEAR)
        self._image.paste(shown, (round(area.left), round(area.top)))

    def save(self, path: Path) -> None:
        """Write it as PNG."""
        # Less effort than Pillow's own: of a CT, whose noise is nearly all of the file, it makes one as small.
        self._image.save(path, format="PNG", compress_level=3, dpi=(DPI, DPI))


def _bytes(color: Color) -> tuple[int, ...]:
    return tuple(round(255 * part) for part in color)


def _dashed(line: NDArray[np.floating], dash: float, gap: float) -> list[NDArray[np.floating]]:
    """The dashes of a line; lengths in pixels."""
    gone = np.concatenate([[0.0], np.hypot(*np.diff(line, axis=0).T).cumsum()])
    pieces = []
    for start in np.arange(0, gone[-1], dash + gap):
        stop = min(start + dash, gone[-1])
        places = np.concatenate([[start], gone[(gone > start) & (gone < stop)], [stop]])
        pieces.append(np.stack([np.interp(places, gone, line[:, axis]) for axis in (0, 1)], axis=1))
    return pieces


@lru_cache(maxsize=32)
def _font(points: float, bold: bool) -> FreeTypeFont:
    from PIL import ImageFont

    found = find_spec("matplotlib")  # not loaded: it is here for its fonts, which have the letters of many languages
    if found is None or not found.submodule_search_locations:
        raise _missing()
    fonts = Path(found.submodule_search_locations[0], "mpl-data", "fonts", "ttf")
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(fonts / name, points * DPI / 72, layout_engine=ImageFont.Layout.BASIC)


def _missing() -> RequirementError:
    return RequirementError("Pictures and reports need matplotlib; install it with: pip install matplotlib")
