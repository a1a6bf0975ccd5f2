"""Speed and memory of the analysis on this machine, side by side with a peer: python Testing/Benchmark/benchmark.py
--out DIR

Measures a whole run (`segment`: both stages and the classifier, through the job protocol) on a phantom CT, and each
network alone. The peer is the same code and the same models with LiteRT's XNNPACK switched off. Engines take turns
within each round, so that whatever else the machine does meets all of them. Prints tables; writes benchmark.json and
benchmark.csv. Asserts nothing about time.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path[:0] = [
    str(HERE),
    *(str(HERE.parents[1] / module) for module in ("LiverTumorClassifier", "CompressionTrainer")),
]

import networks  # noqa: E402
import numpy as np  # noqa: E402
from CompressionTrainerLib.evaluation.machine import describe_machine  # noqa: E402
from LiverTumorLib.batch.folder import write_volume  # noqa: E402
from LiverTumorLib.errors import LiverTumorError  # noqa: E402
from LiverTumorLib.files import write_json, write_table  # noqa: E402
from LiverTumorLib.models.bundle import Bundle  # noqa: E402
from LiverTumorLib.models.catalogue import get_bundle  # noqa: E402
from LiverTumorLib.models.session import available_threads  # noqa: E402
from LiverTumorLib.phantom import make_phantom  # noqa: E402
from LiverTumorLib.records.options import RunOptions  # noqa: E402
from machine import measure_tree  # noqa: E402

# Name in the tables: (kind of the CT's file, engine).
SCANS = {
    "from .nii.gz": (".nii.gz", networks.OURS),
    "from memory": (".npz", networks.OURS),
    "from memory, peer": (".npz", networks.PEER),
}
FIGURES = {
    "wall_s": "s",
    "read_s": "s",
    "run_s": "s",
    "tree_peak_mb": "MB",
    "process_peak_mb": "MB",
    "liver_voxels": "",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0].split(":")[0] + ".")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for benchmark.json, benchmark.csv and the phantom",
    )
    parser.add_argument(
        "--rounds", type=int, default=3, metavar="N", help="repetitions of everything (default: %(default)s)"
    )
    parser.add_argument(
        "--shape",
        type=int,
        nargs=3,
        default=(129, 512, 512),
        metavar=("K", "J", "I"),
        help="phantom (default: 129 512 512)",
    )
    parser.add_argument(
        "--slices", type=int, default=32, metavar="N", help="slices a network sees per round (default: %(default)s)"
    )
    parser.add_argument(
        "--threads", type=int, nargs="+", default=(1, 2), metavar="N", help="for the networks alone (default: 1 2)"
    )
    arguments = parser.parse_args()

    bundles = {task: get_bundle(getattr(RunOptions(), f"{task}_model")) for task in ("liver", "tumor", "slice")}
    ct = phantom(arguments.out, tuple(arguments.shape))
    about = describe_machine() | {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "models": [bundle.describe() for bundle in bundles.values()],
        "settings": {name: value for name, value in vars(arguments).items() if name != "out"}
        | {"scan_threads": available_threads()},
    }
    print("\n".join(f"{name}: {value}" for name, value in about.items()), flush=True)
    rows = scan_rows(ct, arguments.rounds) + network_rows(bundles, arguments)
    write_json(arguments.out / "benchmark.json", about | {"rows": rows})
    write_table(arguments.out / "benchmark.csv", rows)
    print_table(rows)


def phantom(folder: Path, shape: tuple[int, int, int]) -> Path:
    """Make the CT once, as .nii.gz and as .npz; returns their path without the ending."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"phantom-{'x'.join(map(str, shape))}"
    if not path.with_suffix(".npz").exists():
        print("Making the phantom", file=sys.stderr, flush=True)
        volume, _ = make_phantom(shape=shape)
        write_volume(path.with_suffix(".nii.gz"), volume.array, volume.ijk_to_ras)
        np.savez(path.with_suffix(".npz"), array=volume.array, ijk_to_ras=volume.ijk_to_ras)
    return path


def scan_rows(ct: Path, rounds: int) -> list[dict]:
    """Whole runs: time of the program, of reading, of the run and of its stages; memory."""
    samples: dict[str, list[dict]] = {name: [] for name in SCANS}
    for number in range(rounds):
        for name, (kind, engine) in SCANS.items():
            print(f"scan {name}, round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            measured = measure_tree([sys.executable, str(HERE / "scan.py"), str(ct.with_suffix(kind)), engine])
            samples[name].append(json.loads(measured.pop("output")) | measured)
    rows = []
    for name, runs in samples.items():
        rows += [row(f"scan {name}", key, unit, [run[key] for run in runs]) for key, unit in FIGURES.items()]
        rows += [
            row(f"scan {name}", f"stage {key}", "s", [run["stages"][key] for run in runs]) for key in runs[0]["stages"]
        ]
    ours, peer = (samples[name] for name in ("from memory", "from memory, peer"))
    return [
        *rows,
        row("scan", "run_s, ours / peer", "", [a["run_s"] / b["run_s"] for a, b in zip(ours, peer, strict=True)]),
    ]


def network_rows(bundles: dict[str, Bundle], arguments: argparse.Namespace) -> list[dict]:
    """Each network alone: milliseconds a slice with both engines, their ratio, and how far their answers are apart."""
    rows = []
    for task, bundle in bundles.items():
        for threads in arguments.threads:
            print(f"network {task}, {threads} threads", file=sys.stderr, flush=True)
            times, difference = networks.compare(bundle, threads, arguments.slices, arguments.rounds)
            name = f"network {task}, {threads} threads"
            rows += [row(name, f"{engine} per slice", "ms", values) for engine, values in times.items()]
            ratios = [a / b for a, b in zip(times[networks.OURS], times[networks.PEER], strict=True)]
            rows += [
                row(name, "ours / peer", "", ratios),
                row(name, "largest difference of an output", "", [difference]),
            ]
    return rows


def row(what: str, measure: str, unit: str, values: list[float]) -> dict:
    """Median and spread of one figure over the rounds."""
    spread = {"median": median(values), "min": min(values), "max": max(values)}
    return {"what": what, "measure": measure, "unit": unit, **spread, "rounds": len(values)}


def print_table(rows: list[dict]) -> None:
    """The rows, lined up."""
    print(f"\n{'':66}{'median':>10}{'min':>10}{'max':>10}")
    for entry in rows:
        figures = "".join(f"{entry[key]:10.4g}" for key in ("median", "min", "max"))
        print(f"{entry['what']:32}{entry['measure']:34}{figures} {entry['unit']}")


if __name__ == "__main__":
    try:
        main()
    except LiverTumorError as error:
        sys.exit(f"benchmark: {error}")
