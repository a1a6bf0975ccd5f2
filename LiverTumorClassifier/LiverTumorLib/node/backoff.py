"""How long to wait before the next try."""

from __future__ import annotations

_FIRST_S, _LONGEST_S = 5.0, 600.0


def delay_s(tries: int) -> float:
    """Seconds to wait after so many tries (0 or more) have failed: 5, 10, 20 … and never more than ten minutes."""
    return min(_FIRST_S * 2.0 ** min(tries, 20), _LONGEST_S)
