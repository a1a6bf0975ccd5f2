"""From the start of a program to the probability of one slice, as a program of its own: cold.py SCAN.npz, of a scan in
memory with a known liver; prints it."""

from __future__ import annotations

import sys

import numpy as np
from LiverTumorLib.ct import CTVolume, to_axial
from LiverTumorLib.models.catalogue import get_bundle
from LiverTumorLib.models.session import open_session
from LiverTumorLib.pipelines.live import SliceScorer
from LiverTumorLib.records.options import RunOptions


def main(path: str) -> None:
    with np.load(path) as file:
        view = to_axial(CTVolume(file["array"], file["ijk_to_ras"]))
        liver = view.bring(file["liver"])
    session = open_session(get_bundle(RunOptions().slice_model))
    scorer = SliceScorer(session, view.volume, liver)
    print(scorer.score(int(np.flatnonzero(liver.any(axis=(1, 2))).mean())))


if __name__ == "__main__":
    main(sys.argv[1])
