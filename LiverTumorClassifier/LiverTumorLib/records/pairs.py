"""Which lesion of a date has become which of the next, a row a pair; also those without a partner."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from .followup import FollowUp, Link

MATCHED, SPLIT, MERGED, SPLIT_AND_MERGED = "matched", "split", "merged", "split and merged"
NEW, REAPPEARED, VANISHED, UNPAIRED = "new", "reappeared", "vanished", "unpaired"


@dataclass(frozen=True)
class PairRow:
    """A pair, or a lesion without a partner. Dates count from 0, lesions from 1.

    Attributes:
        prior, prior_lesion: the earlier date and its lesion; no lesion where the later one has none.
        date, lesion: the same of the later date.
        kind: one of the words above; UNPAIRED where the registration of the date has failed.
        link: what pairs them; None where nothing does.
    """

    prior: int
    prior_lesion: int | None
    date: int
    lesion: int | None
    kind: str
    link: Link | None = None


def pair_rows(result: FollowUp, date: int) -> list[PairRow]:
    """All that is known of one date (from 1) and those before it: its lesions, then those that have vanished."""
    links = [link for link in result.links if link.date == date]
    failed = (quality := result.registrations[date - 1]) is not None and bool(quality.failure) and not links
    parts = Counter((link.prior, link.prior_lesion) for link in links)
    sources = Counter(link.lesion for link in links)
    rows = []
    for lesion in result.studies[date].lesions:
        own = [link for link in links if link.lesion == lesion.id]
        for link in own:
            kind = _kind(link, parts[link.prior, link.prior_lesion] > 1, sources[link.lesion] > 1)
            rows.append(PairRow(link.prior, link.prior_lesion, date, lesion.id, kind, link))
        if not own:
            rows.append(PairRow(date - 1, None, date, lesion.id, UNPAIRED if failed else NEW))
    for lesion in result.studies[date - 1].lesions:
        if not parts[date - 1, lesion.id]:
            rows.append(PairRow(date - 1, lesion.id, date, None, UNPAIRED if failed else VANISHED))
    return rows


def _kind(link: Link, split: bool, merged: bool) -> str:
    if split or merged:
        return SPLIT_AND_MERGED if split and merged else SPLIT if split else MERGED
    return MATCHED if link.prior == link.date - 1 else REAPPEARED
