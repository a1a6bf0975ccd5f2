"""Pairs that the user gives: a table of which lesion of one date is which lesion of the next, in place of what was
found."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..files.followup import PAIR_COLUMNS
from ..records.followup import BY_HAND, Link, StudyRecord

_LONGEST = 1 << 20  # bytes


@dataclass(frozen=True)
class HandPair:
    """One row: dates count from 1 as they are sorted; None for a lesion that is new (no earlier) or has vanished (no
    later)."""

    prior: int
    prior_lesion: int | None
    date: int
    lesion: int | None


def read_pairs(path: Path) -> list[HandPair]:
    """Read a table as `pairs.csv` of a follow-up has it; more columns may follow.

    Raises InputError: no such table.
    """
    try:
        if path.stat().st_size > _LONGEST:
            raise ValueError("it is longer than any table of pairs")
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(
            f"{path} cannot be read as a table of pairs ({error}); give a CSV with the columns"
            f" {', '.join(PAIR_COLUMNS)}."
        ) from error
    if not rows:
        raise InputError(f"{path} holds no pairs; give a CSV with the columns {', '.join(PAIR_COLUMNS)}, a row a pair.")
    pairs = []
    for line, row in enumerate(rows, start=2):
        try:
            first, one, second, other = (row[column].strip() for column in PAIR_COLUMNS)
            pairs.append(HandPair(int(first), int(one) if one else None, int(second), int(other) if other else None))
        except (KeyError, AttributeError, ValueError):
            raise InputError(
                f"{path}, line {line}: this is no pair; give whole numbers in the columns {', '.join(PAIR_COLUMNS)},"
                " and leave the lesion empty where there is none."
            ) from None
    return pairs


def correct(links: Sequence[Link], pairs: Sequence[HandPair], studies: Sequence[StudyRecord]) -> list[Link]:
    """The links with the user's in place of those found: a later lesion that a pair names keeps, between those two
    dates, only what pairs say, and an earlier one of which a pair says that it has vanished keeps nothing.

    Raises InputError: see `check_pairs`.
    """
    check_pairs(pairs, studies)
    named = {(pair.prior - 1, pair.date - 1, pair.lesion) for pair in pairs}
    gone = {(pair.prior - 1, pair.prior_lesion, pair.date - 1) for pair in pairs if pair.lesion is None}
    kept = [
        link
        for link in links
        if (link.prior, link.date, link.lesion) not in named and (link.prior, link.prior_lesion, link.date) not in gone
    ]
    given = {
        (pair.prior - 1, pair.prior_lesion, pair.date - 1, pair.lesion)
        for pair in pairs
        if pair.prior_lesion and pair.lesion
    }
    return sorted(
        [*kept, *(Link(*nodes, by=BY_HAND) for nodes in given)],
        key=lambda link: (link.date, link.prior, link.prior_lesion),
    )


def check_pairs(pairs: Sequence[HandPair], studies: Sequence[StudyRecord]) -> None:
    """Raises InputError: a pair names a date or a lesion that is not there, or dates in the wrong order."""
    for pair in pairs:
        _check(pair, studies)


def _check(pair: HandPair, studies: Sequence[StudyRecord]) -> None:
    if not 1 <= pair.prior < pair.date <= len(studies):
        raise InputError(
            f"The table of pairs names dates {pair.prior} and {pair.date};"
            f" give two of the {len(studies)} dates, the earlier first."
        )
    for date, lesion in ((pair.prior, pair.prior_lesion), (pair.date, pair.lesion)):
        numbers = [each.id for each in studies[date - 1].lesions]
        if lesion is not None and lesion not in numbers:
            raise InputError(
                f"The table of pairs names lesion {lesion} of date {date} ({studies[date - 1].name}),"
                f" which has {', '.join(map(str, numbers)) or 'none'}."
            )


def choose_prior(
    found: Sequence[Link], pairs: Sequence[HandPair], lesion: tuple[int, int], prior: tuple[int, int] | None
) -> tuple[HandPair, ...]:
    """The pairs by hand after the user has said of one lesion which earlier one it was; all other lesions keep theirs.

    Args:
        found: pairs as registration gives them; what agrees with those needs no hand.
        pairs: the user's so far.
        lesion: date and number of the later one; dates from 0, numbers from 1.
        prior: the same of the earlier one; None where the lesion is new.
    """
    date, number = lesion
    rest = tuple(pair for pair in pairs if (pair.date - 1, pair.lesion) != lesion)
    before = {(link.prior, link.prior_lesion) for link in found if (link.date, link.lesion) == lesion}
    if before == (set() if prior is None else {prior}):
        return rest
    dates = {at for at, _ in before} | {date - 1 if prior is None else prior[0]}
    chosen = {at: prior[1] if prior is not None and at == prior[0] else None for at in sorted(dates)}
    return (*rest, *(HandPair(at + 1, earlier, date + 1, number) for at, earlier in chosen.items()))
