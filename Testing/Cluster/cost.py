"""What a scan costs on a cluster of one worker: computing time, memory and bytes of each of its processes.

    python Testing/Cluster/cost.py --scans 6

Makes phantoms (or takes copies of --ct), analyzes them with `segment --cluster local --workers 1`, and then runs the
same command again, when all is done: the difference is the scans' own. Needs the extras "files" and "cluster", and
/proc.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

from distributed import Client, LocalCluster
from killed_workers import make_scans
from LiverTumorLib.batch.cases import Case
from LiverTumorLib.batch.display import describe
from LiverTumorLib.batch.folder import read_summary
from LiverTumorLib.batch.runner import Batch
from LiverTumorLib.batch.table import done_row
from LiverTumorLib.cluster.distribution import distribute
from LiverTumorLib.cluster.tasks import Done
from LiverTumorLib.files.tables import lesion_rows
from LiverTumorLib.records.options import RunOptions
from LiverTumorLib.records.results import CaseResult

ROLES = ("scheduler and client", "worker", "analysis")  # by how far a process is from the command
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Tree:
    """The processes of a command: the computing time of each (s), and by role the most memory (bytes) of any."""

    def __init__(self, root: int) -> None:
        self._roles = {root: 0}
        self._seconds: dict[int, float] = {}
        self.peaks: dict[str, int] = defaultdict(int)

    def look(self) -> None:
        """Take in what the processes have used so far."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            found[int(folder.name)] = fields
        for pid in sorted(found):  # a child comes after its parent, but where numbers begin anew
            parent = int(found[pid][1])
            if pid not in self._roles and parent in self._roles:
                self._roles[pid] = min(self._roles[parent] + 1, len(ROLES) - 1)
        for pid in self._roles.keys() & found.keys():
            self._seconds[pid] = (int(found[pid][11]) + int(found[pid][12])) / _TICKS
            role = ROLES[self._roles[pid]]
            self.peaks[role] = max(self.peaks[role], int(found[pid][21]) * _PAGE)

    def seconds(self) -> dict[str, float]:
        """Computing time by role."""
        sums: dict[str, float] = dict.fromkeys(ROLES, 0.0)
        for pid, seconds in self._seconds.items():
            sums[ROLES[self._roles[pid]]] += seconds
        return sums


def run(scans: Path, out: Path) -> tuple[Tree, float]:
    """Run the batch; what its processes have used, and how long it took."""
    command = [sys.executable, "-m", "LiverTumorLib.cli", "segment", str(scans), "--out", str(out), "--quiet"]
    begin = time.monotonic()
    process = subprocess.Popen([*command, "--cluster", "local", "--workers", "1"])
    tree = Tree(process.pid)
    while process.poll() is None:
        tree.look()
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"The batch ended with {process.returncode}.")
    return tree, time.monotonic() - begin


def traffic(case: Path, scan: Path, out: Path) -> dict[str, int]:
    """Bytes that a task and its result are between scheduler, client and worker."""
    summary = read_summary(case)
    result = CaseResult.from_dict(summary["case"])
    done = Done(done_row(summary), lesion_rows(result), [describe(result), *result.summary.notes])
    batch = Batch("segment", RunOptions(), out)
    told = {"case": Case(case.name, scan, False), "result": done, "what all share": (batch, batch.models())}
    sizes = {name: len(pickle.dumps(value)) for name, value in told.items()}
    tracemalloc.start()
    kept = [pickle.loads(pickle.dumps(done)) for _ in range(100)]
    sizes["memory that the client keeps of a result"] = tracemalloc.get_traced_memory()[0] // len(kept)
    tracemalloc.stop()
    return sizes


def door_ms(count: int = 500) -> float:
    """Computing time (ms) of client and scheduler, which are in this process, for each case that is handed out."""
    with LocalCluster(n_workers=1, threads_per_worker=16, dashboard_address=None) as cluster, Client(cluster) as client:
        list(distribute(client, _nothing, None, range(16), lambda item: f"warm-{item}"))
        begin = time.process_time()
        list(distribute(client, _nothing, None, range(count), lambda item: f"nothing-{item}"))
        return 1000 * (time.process_time() - begin) / count


def _nothing(shared: None, item: int) -> None:
    """A case without work."""


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=int, default=6)
    parser.add_argument(
        "--shape", type=int, nargs=3, default=(129, 512, 512), metavar="N", help="slices, rows, columns"
    )
    parser.add_argument("--ct", type=Path, help="a CT to take instead of phantoms")
    arguments = parser.parse_args()
    count = arguments.scans
    with tempfile.TemporaryDirectory() as temporary:
        scans, out = Path(temporary, "ct"), Path(temporary, "out")
        if arguments.ct:
            scans.mkdir()
            for number in range(count):
                shutil.copy(arguments.ct, scans / f"scan-{number:03}-{arguments.ct.name}")
        else:
            make_scans(scans, count, tuple(arguments.shape), patients=1)
        (first, first_s), (again, again_s) = run(scans, out), run(scans, out)
        own = {role: seconds - again.seconds()[role] for role, seconds in first.seconds().items()}
        case = next(folder for folder in sorted(out.iterdir()) if folder.is_dir())
        scan = next(scans.iterdir())
        report = {
            "scans": count,
            "CPU s a scan": {role: round(seconds / count, 2) for role, seconds in own.items()},
            "s a scan by the clock": round((first_s - again_s) / count, 2),
            "CPU s of the command when all is done": round(sum(again.seconds().values()), 2),
            "peak memory, MB": {role: round(size / 1e6) for role, size in first.peaks.items()},
            "bytes in": scan.stat().st_size,
            "bytes out": {path.name: path.stat().st_size for path in sorted(case.iterdir())},
            "bytes out together": sum(path.stat().st_size for path in case.iterdir()),
            "bytes between scheduler, client and worker": traffic(case, scan, out),
            "CPU ms of client and scheduler to hand out a case": round(door_ms(), 1),
            "load": os.getloadavg(),
            "date": datetime.now(UTC).isoformat(timespec="minutes"),
            "machine": f"{platform.platform()}, {os.cpu_count()} CPUs",
        }
        print(json.dumps(report, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
