"""One whole run as a program of its own, so that its time and memory are its own: scan.py CT ENGINE. Prints figures as
JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from unittest import mock

import networks
import numpy as np
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.files import read_ct
from LiverTumorLib.jobs import start_job
from LiverTumorLib.models.runtimes import LiteRT
from LiverTumorLib.pipelines.segmentation import segment_case
from LiverTumorLib.records.options import CaseOutput, RunOptions
from numpy.typing import NDArray


def segment_with_peer(volume: CTVolume, options: RunOptions, progress) -> CaseOutput:
    """`segment_case` with the peer's inference; the worker calls it by its name."""
    with networks.engine(networks.PLAIN):
        return segment_timed(volume, options, progress)


def segment_timed(volume: CTVolume, options: RunOptions, progress) -> CaseOutput:
    """`segment_case`, whose "stages" hold the computing time of the networks too."""
    run, spent = LiteRT.run, []

    def timed(network: LiteRT, image: np.ndarray) -> list[NDArray[np.float32]]:
        begin = time.thread_time()
        answers = run(network, image)
        spent.append(time.thread_time() - begin)
        return answers

    with mock.patch.object(LiteRT, "run", timed):
        output = segment_case(volume, options, progress)
    output.result.seconds["networks"] = sum(spent)
    return output


def main(path: Path, engine: str) -> None:
    begin = time.perf_counter()
    if path.suffix == ".npz":
        with np.load(path) as file:
            volume = CTVolume(file["array"], file["ijk_to_ras"], path.stem)
    else:
        volume = read_ct(path)
    read = time.perf_counter()
    output = start_job(
        "segment", volume, RunOptions(), entry=f"scan:segment_{'with_peer' if engine == networks.PLAIN else 'timed'}"
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
