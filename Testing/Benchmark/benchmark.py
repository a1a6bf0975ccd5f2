"""Speed and memory of the analysis on this machine, side by side with a peer: python Testing/Benchmark/benchmark.py
--out DIR

Measures the command line on a phantom CT, on a long one and on a batch, a whole run (`segment`: both stages and the
classifier, through the job protocol), and each network alone, in every engine that is installed (see peer.py). Engines
take turns within each round, so that whatever else the machine does meets all of them. Prints what is asked and what
was measured; writes that as benchmark.md, all figures as benchmark.json and benchmark.csv. Asserts nothing about time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path[:0] = [
    str(HERE),
    *(str(HERE.parents[1] / module) for module in ("LiverTumorClassifier", "CompressionTrainer")),
]

import asked  # noqa: E402
import growth  # noqa: E402
import networks  # noqa: E402
import numpy as np  # noqa: E402
from CompressionTrainerLib.evaluation.machine import describe_machine  # noqa: E402
from LiverTumorLib.batch.folder import write_volume  # noqa: E402
from LiverTumorLib.errors import LiverTumorError  # noqa: E402
from LiverTumorLib.files import write_json, write_table  # noqa: E402
from LiverTumorLib.models.bundle import Bundle  # noqa: E402
from LiverTumorLib.models.catalogue import get_bundle  # noqa: E402
from LiverTumorLib.models.cpus import available_threads  # noqa: E402
from LiverTumorLib.phantom import make_phantom  # noqa: E402
from LiverTumorLib.records.options import RunOptions  # noqa: E402
from machine import environment, measure_tree  # noqa: E402

# Of the command line, from a file to all results written.
COMMAND = {"wall_s": "s", "cpu_s": "s", "first_word_s": "s", "tree_peak_mb": "MB", "process_peak_mb": "MB"}
# Name in the tables: (kind of the CT's file, engine).
SCANS = {
    "from .nii.gz": (".nii.gz", networks.OURS),
    "from memory": (".npz", networks.OURS),
    "from memory, peer": (".npz", networks.PLAIN),
}
FIGURES = {
    "wall_s": "s",
    "cpu_s": "s",
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
        help="folder for benchmark.md, .json and .csv, and the phantom",
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
    parser.add_argument(
        "--long",
        type=int,
        default=600,
        metavar="N",
        help="slices of the long scan, which has the same body (default: %(default)s)",
    )
    parser.add_argument(
        "--batch",
        type=int,
        default=20,
        metavar="N",
        help="copies of the phantom that the command line is given at once, one time (default: %(default)s)",
    )
    parser.add_argument(
        "--torch",
        default=sys.executable,
        metavar="PYTHON",
        help="a Python with PyTorch and NumPy, where the one that runs this has no PyTorch",
    )
    parser.add_argument("--scan", type=Path, metavar="FILE", help="also the command line on this CT")
    parser.add_argument(
        "--growth", action="store_true", help="also the command line with other slices, pixels and cores; takes long"
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
    rows = scan_rows(ct, arguments.rounds, {"command, your scan": arguments.scan} if arguments.scan else {})
    rows += long_rows(ct, arguments) + cold_rows(ct, arguments.rounds) + batch_rows(ct, arguments.batch)
    rows += network_rows(bundles, arguments) + floor_rows(bundles, arguments)
    rows += classified_rows(ct, arguments.rounds)
    rows += unet_rows(rows, bundles["liver"], arguments)
    if arguments.growth:
        rows += growth.rows(ct, arguments.rounds)
    vnni = any("vnni" in flag for flag in about["flags"])
    lines = asked.targets(vnni, arguments.shape[0], arguments.long, arguments.batch, max(arguments.threads))
    summary = asked.table(lines, rows)
    write_json(arguments.out / "benchmark.json", about | {"rows": rows})
    write_table(arguments.out / "benchmark.csv", rows)
    (arguments.out / "benchmark.md").write_text(summary, encoding="utf-8")
    print_table(rows)
    print(f"\n{summary}", end="")


def phantom(folder: Path, shape: tuple[int, int, int]) -> Path:
    """Make the CT once, as .nii.gz and as .npz; returns their path without the ending."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"phantom-{'x'.join(map(str, shape))}"
    if not path.with_suffix(".npz").exists() or "liver" not in np.load(path.with_suffix(".npz")).files:
        print("Making the phantom", file=sys.stderr, flush=True)
        volume, labels = make_phantom(shape=shape)
        write_volume(path.with_suffix(".nii.gz"), volume.array, volume.ijk_to_ras)
        np.savez(path.with_suffix(".npz"), array=volume.array, ijk_to_ras=volume.ijk_to_ras, liver=labels)
    return path


def scan_rows(ct: Path, rounds: int, more: dict[str, Path]) -> list[dict]:
    """Whole runs: time of the program, of reading, of the run and of its stages; memory; of `more` scans, by name, the
    command's."""
    samples: dict[str, list[dict]] = {name: [] for name in SCANS}
    files = {asked.SCAN: ct.with_suffix(".nii.gz")} | more
    commands: dict[str, list[dict]] = {name: [] for name in files}
    for number in range(rounds):
        print(f"command, round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        for name, path in files.items():
            commands[name].append(command([path]))
        for name, (kind, engine) in SCANS.items():
            print(f"scan {name}, round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            measured = measure_tree([sys.executable, str(HERE / "scan.py"), str(ct.with_suffix(kind)), engine])
            samples[name].append(json.loads(measured.pop("output")) | measured)
    rows = [
        row(name, key, unit, [run[key] for run in runs])
        for name, runs in commands.items()
        for key, unit in COMMAND.items()
    ]
    in_networks = [
        100 * scan["stages"]["networks"] / run["cpu_s"]
        for scan, run in zip(samples["from memory"], commands[asked.SCAN], strict=True)
    ]
    rows += [row(asked.SCAN, "share in the networks", "%", in_networks)]
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


def command(inputs: list[Path], *options: str, cores: int | None = None) -> dict:
    """`measure_tree` of `livertumor segment`, from files to all results written."""
    with tempfile.TemporaryDirectory() as out:
        segment = [sys.executable, "-m", "LiverTumorLib.cli", "segment", *map(str, inputs), "--out", out, *options]
        return measure_tree(segment, cores)


def network_rows(bundles: dict[str, Bundle], arguments: argparse.Namespace) -> list[dict]:
    """Each network alone: milliseconds a slice with every engine, by the clock and of computing, what of an engine's
    time ours is, and how far the answers of engines that run the same network are apart."""
    rows = []
    for task, bundle in bundles.items():
        for threads in arguments.threads:
            print(f"network {task}, {threads} threads", file=sys.stderr, flush=True)
            settings = (bundle, threads, arguments.slices, arguments.rounds)
            times, apart = networks.compare(networks.ENGINES, *settings)
            name = f"network {task}, {threads} threads"
            ours = [each["ms"] for each in times[networks.OURS]]
            for engine, values in times.items():
                rows += [row(name, f"{engine} per slice", "ms", [each["ms"] for each in values])]
                rows += [row(name, f"{engine} computing", "ms", [each["cpu_ms"] for each in values])]
                if engine != networks.OURS:
                    ratios = [a / b["ms"] for a, b in zip(ours, values, strict=True)]
                    rows += [row(name, f"ours / {engine}", "", ratios)]
                if engine in apart:
                    rows += [row(name, f"largest difference, {engine}", "", [apart[engine]])]
    return rows


def floor_rows(bundles: dict[str, Bundle], arguments: argparse.Namespace) -> list[dict]:
    """The time of a slice's multiply-adds at the speed of a float32 matrix product on one core."""
    floor = [sys.executable, str(HERE / "floor.py"), *(bundle.id for bundle in bundles.values())]
    told = subprocess.run(
        floor, env=environment() | {"OPENBLAS_NUM_THREADS": "1"}, capture_output=True, text=True, check=True
    )
    figures = json.loads(told.stdout)
    speed = figures["multiply_adds_per_s"]
    rows = [row("matrix product, one core", "multiply-adds a second", "10^9", [speed / 1e9])]
    for task, bundle in bundles.items():
        count = figures["multiply_adds"][bundle.id]
        rows += [row(f"network {task}", "multiply-adds per slice", "10^6", [count / 1e6])]
        rows += [row(f"network {task}", "arithmetic floor per slice", "ms", [count / speed * 1000])]
    return rows


def unet_rows(measured: list[dict], bundle: Bundle, arguments: argparse.Namespace) -> list[dict]:
    """nnU-Net-shaped networks alone, where PyTorch is installed: a slice of 512 x 512, a patch of 128 x 128 x 128; and
    the whole command, as `measured`, beside the former on all slices."""
    [whole] = [entry["median"] for entry in measured if (entry["what"], entry["measure"]) == (asked.SCAN, "wall_s")]
    threads = available_threads()
    times, _ = networks.compare(
        (networks.UNET_2D, networks.UNET_3D), bundle, threads, 1, arguments.rounds, arguments.torch
    )
    rows = [
        row(f"{engine}, {threads} threads", "per image", "s", [each["ms"] / 1000 for each in values])
        for engine, values in times.items()
    ]
    if networks.UNET_2D in times:
        slices = arguments.shape[0]
        ratios = [whole / (each["ms"] / 1000 * slices) for each in times[networks.UNET_2D]]
        rows += [row(f"command / {networks.UNET_2D} on {slices} slices", "wall_s, ours / peer", "", ratios)]
    return rows


def long_rows(ct: Path, arguments: argparse.Namespace) -> list[dict]:
    """The command line on the phantom with more and thinner slices."""
    path = growth.stretched(ct, arguments.long, arguments.shape[1])
    runs = []
    for number in range(min(arguments.rounds, 2)):
        print(f"command, {arguments.long} slices, round {number + 1}", file=sys.stderr, flush=True)
        runs.append(command([path]))
    return command_rows(f"command, {arguments.long} slices", runs)


def cold_rows(ct: Path, rounds: int) -> list[dict]:
    """From the start of a program to one slice's probability."""
    program = [sys.executable, str(HERE / "cold.py"), str(ct.with_suffix(".npz"))]
    runs = [measure_tree(program) for _ in range(rounds)]
    name = "cold start to one slice's probability"
    return [row(name, key, COMMAND[key], [run[key] for run in runs]) for key in ("wall_s", "cpu_s", "tree_peak_mb")]


def classified_rows(ct: Path, rounds: int) -> list[dict]:
    """All slices of the phantom classified, with a known liver and without; libraries are loaded already."""
    program = [sys.executable, str(HERE / "classify.py"), str(ct.with_suffix(".npz"))]
    runs = [json.loads(measure_tree(program)["output"]) for _ in range(rounds)]
    return [row(asked.CLASSIFIED, name, "s", [run[name] for run in runs]) for name in runs[0]]


def batch_rows(ct: Path, count: int) -> list[dict]:
    """Scans a minute of a batch."""
    if not count:
        return []
    print(f"batch of {count}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            (Path(folder) / f"case-{number}.nii.gz").symlink_to(ct.with_suffix(".nii.gz").resolve())
        measured = command([Path(folder)])
    rows = command_rows(f"batch of {count}", [measured])
    return [*rows, row(f"batch of {count}", "scans a minute", "", [count / measured["wall_s"] * 60])]


def command_rows(what: str, runs: list[dict]) -> list[dict]:
    """All figures of `command`."""
    return [row(what, key, unit, [run[key] for run in runs]) for key, unit in COMMAND.items()]


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
