"""One whole run as a program of its own, so that its time and memory are its own: scan.py CT ENGINE. Prints figures as
JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import networks
import numpy as np
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.files import read_ct
from LiverTumorLib.jobs import start_job
from LiverTumorLib.pipelines.segmentation import segment_case
from LiverTumorLib.records.options import CaseOutput, RunOptions


def segment_with_peer(volume: CTVolume, options: RunOptions, progress) -> CaseOutput:
    """`segment_case` with the peer's inference; the worker calls it by its name."""
    with networks.engine(networks.PLAIN):
        return segment_case(volume, options, progress)


def main(path: Path, engine: str) -> None:
    begin = time.perf_counter()
    if path.suffix == ".npz":
        with np.load(path) as file:
            volume = CTVolume(file["array"], file["ijk_to_ras"], path.stem)
    else:
        volume = read_ct(path)
    read = time.perf_counter()
    output = start_job(
        "segment", volume, RunOptions(), entry="scan:segment_with_peer" if engine == networks.PLAIN else None
    ).wait()
    end = time.perf_counter()
    liver = int(np.count_nonzero(output.labels))
    print(
        json.dumps(
            {"read_s": read - begin, "run_s": end - read, "stages": output.result.seconds, "liver_voxels": liver}
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
