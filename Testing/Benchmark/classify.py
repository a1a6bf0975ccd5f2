"""What it takes to classify all axial slices of a scan in memory, as a program of its own: classify.py SCAN.npz. Prints
the seconds as JSON: with a known liver, and with one that is found first. Libraries are loaded before."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.pipelines.classification import classify_case


def main(path: str) -> None:
    with np.load(path) as file:
        volume, liver = CTVolume(file["array"], file["ijk_to_ras"]), file["liver"]
    seconds = {}
    for name, known in (("liver known", liver), ("liver found too", None)):
        classify_case(volume, liver=known)
        begin = time.perf_counter()
        classify_case(volume, liver=known)
        seconds[name] = time.perf_counter() - begin
    print(json.dumps(seconds))


if __name__ == "__main__":
    main(sys.argv[1])
