"""A batch over a cluster of this computer whose workers are killed again and again, against one that nobody disturbs.

    python Testing/Cluster/killed_workers.py --scans 300 --every 60

Makes small phantoms, analyzes them by one process and by the cluster, and says whether all results are the same and how
long each took. Needs the extras "files" and "cluster", and /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from LiverTumorLib.batch.folder import read_summary, write_volume
from LiverTumorLib.phantom import make_phantom


def make_scans(folder: Path, count: int, shape: tuple[int, int, int] = (16, 64, 64), patients: int = 4) -> None:
    """Phantoms of some patients, each file different in a voxel of air."""
    volumes = [make_phantom(seed, shape)[0] for seed in range(1, patients + 1)]
    for number in range(count):
        volume = volumes[number % len(volumes)]
        array = volume.array.copy()
        array[0, 0, 0] = -1000 + number
        write_volume(folder / f"scan-{number:03}.nii.gz", array, volume.ijk_to_ras)


def segment(scans: Path, out: Path, *options: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "LiverTumorLib.cli", "segment", str(scans), "--out", str(out), "--no-picture"]
    return subprocess.Popen([*command, "--quiet", *options])


def kill_workers(process: subprocess.Popen, every_s: float) -> int:
    """Kill one of the workers of a cluster every so often until the batch is over; returns how many."""
    killed = 0
    while True:
        try:
            process.wait(every_s)
            return killed
        except subprocess.TimeoutExpired:
            killed += _kill_one(process.pid)


def _kill_one(parent: int) -> bool:
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            is_worker = b"spawn_main" in (status.parent / "cmdline").read_bytes()
            if is_worker and f"PPid:\t{parent}\n" in status.read_text():
                os.kill(int(status.parent.name), signal.SIGKILL)
                return True
        except OSError:
            continue
    return False


def found(out: Path) -> dict[str, dict]:
    """What each case's summary says of its results."""
    summaries = {folder.name: read_summary(folder) for folder in out.iterdir() if folder.is_dir()}
    return {
        name: {"files": summary["files"], "case": summary["case"]["summary"]}
        for name, summary in summaries.items()
        if summary is not None
    }


def main() -> int:
    """Run it; the exit code is 0 where all results are the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=int, default=300)
    parser.add_argument("--every", type=float, default=60, help="seconds between two kills (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_scans(folder / "ct", arguments.scans)
        begin = time.monotonic()
        code = segment(folder / "ct", folder / "alone", "--threads", "1").wait()
        alone_s = time.monotonic() - begin
        begin = time.monotonic()
        process = segment(folder / "ct", folder / "out", "--cluster", "local", "--workers", str(arguments.workers))
        killed: list[int] = []
        killer = threading.Thread(target=lambda: killed.append(kill_workers(process, arguments.every)))
        killer.start()
        killer.join()
        cluster_s = time.monotonic() - begin
        results = found(folder / "out")
        same = found(folder / "alone") == results
        report = {
            "scans": arguments.scans,
            "exit codes": [code, process.returncode],
            "scans with results": len(results),
            "workers": arguments.workers,
            "workers killed": killed[0],
            "seconds of one process": round(alone_s, 1),
            "seconds of the cluster": round(cluster_s, 1),
            "all results the same": same,
            "load": os.getloadavg(),
            "date": datetime.now(UTC).isoformat(timespec="minutes"),
            "machine": f"{platform.platform()}, {os.cpu_count()} CPUs",
        }
        print(json.dumps(report, indent=2))
        whole = len(results) == arguments.scans and report["exit codes"] == [0, 0]
        return 0 if same and whole else 1


if __name__ == "__main__":
    sys.exit(main())
