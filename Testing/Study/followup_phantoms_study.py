"""How many lesions are paired right on phantoms with known changes; Docs/follow-up.md has the figures.

Run from the root of the repository: python Testing/Study/followup_phantoms_study.py [seeds…]
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "Python"))

from followup_phantoms import Change, two_dates
from LiverTumorLib.followup import follow, make_study

CHANGES = {
    "grown, new, moved": Change({1: 1.15, 2: 1.3, 3: 1.25, 4: 1.5}, new=1, shift_mm=(14.0, -9.0, 21.0), bend_mm=3.0),
    "shrunk, gone, bent": Change({1: 0.7, 2: 0.75, 3: 0.8}, gone=(4,), shift_mm=(-6.0, 8.0, -12.0), bend_mm=6.0),
    "split, new, bent": Change({2: 1.2}, split=(1,), new=1, shift_mm=(5.0, 5.0, 5.0), bend_mm=6.0),
}


def main(seeds: list[int]) -> None:
    """Print a line for each pair of dates, and the share of lesions whose partners are all right."""
    right = total = 0
    for seed in seeds:
        for name, change in CHANGES.items():
            dates = two_dates(seed, change, shape=(64, 160, 160))
            studies = [make_study(*dates.first), make_study(*dates.second)]
            found = follow(studies)
            pairs = {(link.prior_lesion, link.lesion) for link in found.links}
            good = count = 0
            for at, study in enumerate(studies):
                for lesion in study.record.lesions:
                    own = [{pair for pair in group if pair[at] == lesion.id} for group in (pairs, dates.pairs)]
                    good, count = good + (own[0] == own[1]), count + 1
            right, total = right + good, total + count
            quality = found.registrations[0]
            wrong = sorted(pairs ^ dates.pairs)
            said = f"Dice {quality.dice:.3f}, {quality.residual_mm:.1f} mm, {good}/{count} right"
            print(f"phantom {seed}, {name}: {said} {wrong or ''}", flush=True)
    print(f"{right} of {total} lesions have the right partners ({100 * right / total:.1f} %)")


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or list(range(1, 9)))
