"""What a network is shown of a scan, as a configuration or a manifest says it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Filters = tuple[tuple[str, float], ...]
FILTER_NAMES = ("median", "gaussian", "bilateral", "curvature-anisotropic", "clahe", "gamma")  # see `ct.filters`
LARGEST_SIZE, SHORTEST_MM, LONGEST_MM = 4096, 0.01, 1000.0


def finite_number(name: str, value: Any) -> Any:
    """The value, when it is a finite number; raises TypeError or ValueError otherwise."""
    if isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{name} is {value}, which is not a number")
    return value


def check_filters(filters: Iterable[object]) -> Filters:
    """(name, strength) pairs, also as JSON and TOML give them, in the form that the other functions take.

    Raises:
        ValueError: an unknown name (the nearest known one is named), no pair, or a strength out of range.
    """
    checked = []
    for entry in filters:
        if not isinstance(entry, (list, tuple)) or len(entry) != 2:
            raise ValueError(f"a filter is a name with its strength, as in ['median', 1.0], not {entry!r}")
        name, strength = entry
        if name not in FILTER_NAMES:
            # Whoever tells the user ends the sentence.
            from ..suggestion import did_you_mean

            hint = did_you_mean(str(name), FILTER_NAMES, "known are").rstrip(".?")
            raise ValueError(f"{name!r} is not a filter; {hint}")
        lowest = 1.0 if name == "clahe" else 0.0
        if isinstance(strength, bool) or not isinstance(strength, (int, float)) or not lowest < strength < math.inf:
            raise ValueError(
                f"the strength of the filter {name!r} is {strength!r}; it must be a number above {lowest:g}"
            )
        checked.append((name, float(strength)))
    return tuple(checked)


@dataclass(frozen=True)
class InputSpec:
    """What a network is shown. Training reads it from its configuration, inference from the manifest.

    Attributes:
        size: (rows, columns) in pixels.
        spacing_mm: canvas pixel size.
        region: "body" (canvas on the soft tissue's center) or "liver" (canvas on the liver, all of it).
        window_hu: HU shown as the darkest and the brightest value.
        neighbor_mm: distance of the slices shown as first and third channel.
        margin_mm: room kept around the liver where region is "liver".
        liver_hu: HU that the liver's median is brought to where region is "liver"; None shows the HU as they are.
        filters: (name, strength) pairs of `ct.filters`, applied to every slice in this order; none by default.
    """

    size: tuple[int, int]
    spacing_mm: float
    region: str = "body"
    window_hu: tuple[float, float] = (-40.0, 160.0)
    neighbor_mm: float = 5.0
    margin_mm: float = 10.0
    liver_hu: float | None = None
    filters: Filters = ()

    def __post_init__(self) -> None:
        if self.region not in ("body", "liver"):
            raise ValueError(f"region is {self.region!r}; it must be 'body' or 'liver'")
        if self.liver_hu is not None and self.region != "liver":
            raise ValueError("liver_hu needs the region 'liver': elsewhere nothing says where the liver is")
        lengths = {"spacing_mm": self.spacing_mm, "neighbor_mm": self.neighbor_mm, "margin_mm": self.margin_mm}
        for name, length in lengths.items():
            if not (0 <= finite_number(name, length) <= LONGEST_MM):
                raise ValueError(f"{name} is {length}; it must be from 0 to {LONGEST_MM}")
        if self.spacing_mm < SHORTEST_MM:
            raise ValueError(f"spacing_mm is {self.spacing_mm}; it must be at least {SHORTEST_MM}")
        if len(self.size) != 2 or not all(1 <= finite_number("size", length) <= LARGEST_SIZE for length in self.size):
            raise ValueError(
                f"size is {list(self.size)}; it must be two whole numbers from 1 to {LARGEST_SIZE}, rows and columns"
            )
        if len(self.window_hu) != 2 or not finite_number("window_hu", self.window_hu[0]) < finite_number(
            "window_hu", self.window_hu[1]
        ):
            raise ValueError("the window's high end must lie above its low end")
        if self.liver_hu is not None:
            finite_number("liver_hu", self.liver_hu)
        object.__setattr__(self, "filters", check_filters(self.filters))
