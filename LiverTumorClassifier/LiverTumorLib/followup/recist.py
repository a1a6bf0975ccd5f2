"""Response by RECIST 1.1 from diameters over the dates: Eisenhauer et al., Eur J Cancer 45 (2009) 228-247; Schwartz et
al., 62 (2016) 132-137.

Only the liver is seen here, so the response is that of the liver. Whether lesions that are no targets have progressed
unequivocally is
the judgment of a reader and never concluded here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..records.followup import Assessment

MEASURABLE_MM, MOST_TARGETS = 10.0, 2  # longest axial diameter of a target lesion; target lesions in one organ
_THICK_MM = 5.0  # slices above this: a lesion is measurable from twice their distance on
_GROWTH, _GROWTH_MM, _SHRINKAGE = 1.2, 5.0, 0.7
_ROUNDING = 1e-9
_ORDER = ("CR", "PR", "SD", "Non-CR/Non-PD", "PD", "NE")  # from best to worst


@dataclass(frozen=True)
class TimePoint:
    """What is seen at one date.

    Attributes:
        targets: for each target lesion its diameter in mm, 0 where it has gone; None where it was not evaluated.
        others: how many lesions that are no targets are there, of those of the first date; None where they were not
            evaluated.
        new: how many lesions are there that were not at the first date; those that have come back do not count.
        returned: how many lesions are there that had vanished.
    """

    targets: Sequence[float | None]
    others: int | None = 0
    new: int = 0
    returned: int = 0


def measurable_mm(slice_mm: float) -> float:
    """The longest diameter from which a lesion can be a target, by the distance between slices (Eisenhauer 2009,
    "Measurable"; EORTC, questions and clarifications)."""
    return MEASURABLE_MM if slice_mm <= _THICK_MM else 2 * slice_mm


def assess(points: Sequence[TimePoint]) -> list[Assessment]:
    """The response at every date, the first of which is the baseline (Eisenhauer 2009, "Evaluation of target
    lesions", "New lesions" and "Time point response" with its tables).

    A response is that of its own date: with 32, 28 and 33 % less than at the baseline it is PR, SD, PR; `best` keeps
        the PR.

    Raises ValueError: no dates, or a date with another number of targets.
    """
    if not points or any(len(point.targets) != len(points[0].targets) for point in points):
        raise ValueError("every date needs the same target lesions")
    assessments: list[Assessment] = []
    for number, point in enumerate(points):
        found = _assess_first(point) if number == 0 else _assess_next(points[0], point, assessments)
        assessments.append(found)
    return assessments


def _assess_first(point: TimePoint) -> Assessment:
    total = _sum(point)
    if not point.targets and not point.others:
        reason = "no lesion at the first date"
    elif not point.targets:
        reason = "no lesion is large enough for a target"
    else:
        reason = f"{_count(len(point.targets), 'target lesion')}, {total:.1f} mm in all"
    return Assessment(total, None, None, None, None, "", "", 0, "baseline", reason, "")


def _assess_next(first: TimePoint, point: TimePoint, before: list[Assessment]) -> Assessment:
    sums = [item.sum_mm for item in before if item.sum_mm is not None]
    total, nadir = _sum(point), min(sums, default=None)
    relapse = bool(point.returned) and any(item.response == "CR" for item in before)
    target, target_reason = _target_response(total, sums[0] if sums else None, nadir) if point.targets else ("", "")
    nontarget = _nontarget_response(first, point)
    response, reason = _overall(target, target_reason, nontarget, point, relapse)
    if response not in ("PD", "NE") and any(item.response == "PD" for item in before):
        reason += "; an earlier date was PD"
    return Assessment(
        sum_mm=total,
        change_percent=_percent(total, sums[0] if sums else None),
        nadir_mm=nadir,
        nadir_percent=_percent(total, nadir),
        nadir_change_mm=None if total is None or nadir is None else round(total - nadir, 2),
        target=target,
        nontarget=nontarget,
        new_lesions=point.new,
        response=response,
        reason=reason,
        best=_best(before, response),
    )


def _target_response(total: float | None, baseline: float | None, nadir: float | None) -> tuple[str, str]:
    if total is None or baseline is None or nadir is None:
        return "NE", "a target lesion was not evaluated"
    growth = total - nadir
    if growth >= _GROWTH_MM - _ROUNDING and total >= _GROWTH * nadir - _ROUNDING:
        percent = f"{100 * growth / nadir:.0f} % and " if nadir else ""
        return "PD", f"the sum grew by {percent}{growth:.1f} mm from its smallest, {nadir:.1f} mm"
    if total == 0:
        return "CR", "all target lesions have vanished"
    why = f"the sum is {_comparison(total, baseline)} at the first date"
    if total <= _SHRINKAGE * baseline + _ROUNDING:
        return "PR", why
    if total >= _GROWTH * nadir - _ROUNDING and nadir:
        return "SD", f"{why}; {100 * growth / nadir:.0f} % above its smallest, but less than 5 mm"
    return "SD", f"{why}, neither 30 % less nor 20 % and 5 mm above its smallest"


def _comparison(total: float, baseline: float) -> str:
    percent = 100 * (total / baseline - 1) if baseline else 100.0
    if abs(percent) < 0.5:
        return "as large as"
    return f"{abs(percent):.0f} % {'larger' if percent > 0 else 'smaller'} than"


def _nontarget_response(first: TimePoint, point: TimePoint) -> str:
    if not first.others:
        return ""
    if point.others is None:
        return "NE"
    return "CR" if point.others == 0 else "Non-CR/Non-PD"


def _overall(target: str, target_reason: str, nontarget: str, point: TimePoint, relapse: bool) -> tuple[str, str]:
    """The two tables of time point responses: with target lesions, and without."""
    if point.new:
        return "PD", f"{_count(point.new, 'new lesion')}" + (f"; {target_reason}" if target == "PD" else "")
    if target == "PD":
        return "PD", target_reason
    if relapse:
        return "PD", f"{_count(point.returned, 'lesion')} came back after complete response"
    if not target:
        return _overall_without_targets(nontarget)
    if target == "CR" and nontarget not in ("", "CR"):
        kept = "were not evaluated" if nontarget == "NE" else f"are still there ({point.others})"
        return "PR", f"{target_reason}, but lesions that are no targets {kept}"
    return target, target_reason


def _overall_without_targets(nontarget: str) -> tuple[str, str]:
    if nontarget == "":
        return "NED", "no lesion, now or at the first date"
    if nontarget == "CR":
        return "CR", "all lesions have vanished"
    if nontarget == "NE":
        return "NE", "the lesions were not evaluated"
    return nontarget, "lesions too small for a target are still there"


def _best(before: list[Assessment], response: str) -> str:
    earlier = before[-1].best
    if any(item.response == "PD" for item in before) or response in ("NE", "NED"):
        return earlier or response
    return min((item for item in (earlier, response) if item in _ORDER), key=_ORDER.index)


def _sum(point: TimePoint) -> float | None:
    known = [diameter for diameter in point.targets if diameter is not None]
    return round(float(sum(known)), 2) if known and len(known) == len(point.targets) else None


def _percent(total: float | None, of: float | None) -> float | None:
    return None if total is None or not of else round(100 * (total / of - 1), 2)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
