"""What goes wrong around the cases of a cluster: each has its sentence and its exit code, nothing done is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
from cluster_scans import NAMES, assert_same_results
from job_tools import PATIENCE_S, comes
from LiverTumorLib import errors
from LiverTumorLib.batch.folder import write_volume
from LiverTumorLib.cli import main
from LiverTumorLib.cluster import distribution
from LiverTumorLib.phantom import make_phantom

pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
pytest.importorskip("pyarrow", reason="the extra 'cluster' is not installed")

import dask  # noqa: E402
from distributed import Client, Future  # noqa: E402


@pytest.fixture
def scheduler(tmp_path) -> Iterator[tuple[subprocess.Popen, str]]:
    """A scheduler of Dask as a process of its own, and its address."""
    file = tmp_path / "scheduler.json"
    process = start_dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", file)
    assert comes(lambda: file.exists() and file.stat().st_size)
    yield process, json.loads(file.read_text())["address"]
    process.kill()
    process.wait()


def start_dask(what: str, *words: object) -> subprocess.Popen:
    command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *map(str, words), "--no-dashboard"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def segment(*words: object) -> int:
    return main(["segment", *map(str, words), "--no-picture"])


def last_line(capsys) -> str:
    return capsys.readouterr().err.splitlines()[-1]


def test_a_scheduler_that_dies_leaves_what_is_finished(scans, alone, scheduler, tmp_path, capsys):
    process, address = scheduler
    out = tmp_path / "out"
    worker = start_dask("worker", address, "--nthreads", 1, "--no-nanny", "--death-timeout", PATIENCE_S)
    with Client(address) as client:
        client.wait_for_workers(1, timeout=PATIENCE_S)

    def kill_it() -> None:
        assert comes(lambda: any(out.glob("*/summary.json")))
        process.kill()

    killer = Thread(target=kill_it)
    killer.start()
    begin = time.monotonic()
    assert segment(scans, "--out", out, "--cluster", address) == errors.WorkerError.exit_code
    assert f"The scheduler at {address} has gone" in last_line(capsys) and time.monotonic() - begin < 300
    killer.join()
    worker.kill()
    worker.wait()
    written = {path: path.stat().st_mtime_ns for path in out.glob("*/*")}
    assert 0 < len({path.parent for path in written}) < len(NAMES)
    assert segment(scans, "--out", out, "--cluster", "local") == 0
    assert_same_results(out, alone)
    assert written.items() <= {path: path.stat().st_mtime_ns for path in out.glob("*/*")}.items()


def test_a_scheduler_that_is_gone_when_work_is_handed_out_is_named(scheduler, monkeypatch):
    process, address = scheduler
    worker = start_dask("worker", address, "--nthreads", 1, "--no-nanny", "--death-timeout", PATIENCE_S)
    try:
        quick = dask.config.set({"distributed.comm.timeouts.connect": "3s"})
        with quick, Client(address) as client:
            client.wait_for_workers(1, timeout=PATIENCE_S)
            asked, nthreads = [], client.nthreads

            def dying() -> dict[str, int]:
                if asked:
                    process.kill()
                    process.wait()
                asked.append(True)
                return nthreads()

            monkeypatch.setattr(client, "nthreads", dying)
            monkeypatch.setattr(distribution, "_COUNT_S", 0.0)
            with pytest.raises(errors.WorkerError, match=f"The scheduler at {address} has gone"):
                list(distribution.distribute(client, _square, 2, range(9), str))
            assert len(asked) == 2
    finally:
        worker.kill()
        worker.wait()


def test_a_scheduler_that_is_gone_when_a_result_is_fetched_is_named(scheduler, monkeypatch):
    process, address = scheduler
    worker = start_dask("worker", address, "--nthreads", 1, "--no-nanny", "--death-timeout", PATIENCE_S)
    result = Future.result

    def killed_before(future: Future) -> object:
        process.kill()
        process.wait()
        return result(future)

    try:
        with dask.config.set({"distributed.comm.timeouts.connect": "3s"}), Client(address) as client:
            client.wait_for_workers(1, timeout=PATIENCE_S)
            monkeypatch.setattr(Future, "result", killed_before)
            with pytest.raises(errors.WorkerError, match=f"The scheduler at {address} has gone"):
                list(distribution.distribute(client, _square, 2, range(9), str))
    finally:
        worker.kill()
        worker.wait()


def _square(power: int, number: int) -> int:
    return number**power


def test_a_scheduler_without_workers_is_not_waited_for(scans, scheduler, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("LiverTumorLib.cluster.connection.CONNECT_S", 8)
    address = scheduler[1]
    assert segment(scans, "--out", tmp_path / "out", "--cluster", address) == errors.UsageError.exit_code
    assert f"The scheduler at {address} has no workers" in last_line(capsys)


class NoRights(BaseHTTPRequestHandler):
    """A storage that lets nobody write."""

    def do_PUT(self) -> None:  # noqa: N802  http.server's name
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_error(403)

    do_POST = do_PUT

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_an_output_address_without_rights_is_told_before_any_work(scans, tmp_path, capsys):
    with ThreadingHTTPServer(("127.0.0.1", 0), NoRights) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/bucket/results"
        code = segment(scans, "--out", address, "--cluster", "local")
        server.shutdown()
    assert code == errors.OutputError.exit_code
    message = last_line(capsys)
    assert f"{address} cannot be written" in message and "403" in message and "rights" in message


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the memory of a process")
def test_a_case_that_needs_more_than_a_worker_may_use_is_named(scans, tmp_path, capsys):
    volume, _ = make_phantom(1, (16, 64, 64))
    large = np.tile(volume.array, (48, 8, 8))  # 768 x 512 x 512, 403 MB as int16
    write_volume(tmp_path / "large.nii.gz", large, volume.ijk_to_ras)
    ct = scans / "a.nii.gz", tmp_path / "large.nii.gz"
    limit = "--worker-memory", "1GB"
    code = segment(*ct, "--out", tmp_path / "out", "--cluster", "local", "--workers", 2, *limit)
    assert code == errors.SomeCasesFailed.exit_code
    said = capsys.readouterr().err
    assert "1 of 2 cases have no result:\n  large: " in said and "memory" in said.splitlines()[-1]
    assert (tmp_path / "out" / "a" / "summary.json").exists()


@pytest.mark.parametrize("package", ["distributed", "fsspec", "pyarrow"])
def test_a_missing_package_is_named(scans, tmp_path, monkeypatch, capsys, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert segment(scans, "--out", tmp_path / "out", "--cluster", "local") == errors.RequirementError.exit_code
    message = last_line(capsys)
    assert package in message and "pip install 'livertumor[cluster]'" in message


def test_slurm_without_its_package_or_program(scans, tmp_path, monkeypatch, capsys):
    words = scans, "--out", tmp_path / "out", "--cluster", "slurm"
    assert segment(*words) == errors.UsageError.exit_code
    assert "needs --worker-memory" in last_line(capsys)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert segment(*words, "--worker-memory", "4GiB") == errors.UsageError.exit_code
    assert "Slurm cannot be used" in (message := last_line(capsys)) and "sbatch" in message
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    assert segment(*words, "--worker-memory", "4GiB") == errors.RequirementError.exit_code
    assert "needs dask-jobqueue" in last_line(capsys)
