"""How fast a volume grows."""

from __future__ import annotations

import math
from datetime import date


def doubling_days(before_ml: float | None, now_ml: float | None, days: float | None) -> float | None:
    """The time in days in which the volume doubles, if it grows exponentially; negative where it shrinks, the time of
    halving.

    days · ln 2 / ln(now / before): Schwartz, Cancer 14 (1961) 1272-1294; what it is worth with few measurements, and
    that it is very
    sensitive to errors where the volumes are alike: Mehrara et al., Cancer Research 67 (2007) 3970-3975.

    Returns None where it is not defined: an unknown or empty volume, equal volumes, no or unknown time between them.
    """
    if not before_ml or not now_ml or not days or days < 0 or before_ml == now_ml:
        return None
    return days * math.log(2) / math.log(now_ml / before_ml)


def days_between(before: str | None, now: str | None) -> int | None:
    """Days from one date (YYYY-MM-DD) to another; None where one is unknown."""
    return (date.fromisoformat(now) - date.fromisoformat(before)).days if before and now else None
