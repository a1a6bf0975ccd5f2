"""A batch over a Dask cluster of this computer: every case once, whatever happens to its workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from cluster_scans import NAMES, assert_same_results, statuses, table
from job_tools import PATIENCE_S, comes
from LiverTumorLib import errors
from LiverTumorLib.batch.cases import Case
from LiverTumorLib.batch.display import Display
from LiverTumorLib.batch.runner import Batch
from LiverTumorLib.cli import main
from LiverTumorLib.files import read_labels
from LiverTumorLib.records.options import RunOptions

pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
pytest.importorskip("pyarrow", reason="the extra 'cluster' is not installed")

from LiverTumorLib.cluster.connection import ClusterSettings, connected  # noqa: E402
from LiverTumorLib.cluster.distribution import distribute  # noqa: E402
from LiverTumorLib.cluster.run import ClusterBatch  # noqa: E402
from pyarrow import parquet  # noqa: E402


def on_cluster(*arguments: object) -> int:
    return main(["segment", *map(str, arguments), "--no-picture", "--cluster", "local", "--workers", "2"])


def test_a_cluster_finds_what_one_process_finds_and_does_nothing_twice(scans, alone, tmp_path, capsys):
    out = tmp_path / "out"
    assert on_cluster(scans, "--out", out) == 0
    assert_same_results(out, alone)
    written = {path: path.stat().st_mtime_ns for path in out.glob("*/*")}
    rows = table(out / "cases.csv")
    assert statuses(out) == dict.fromkeys(NAMES, "done")
    cases, lesions = (parquet.read_table(out / f"{name}.parquet").to_pylist() for name in ("cases", "lesions"))
    assert [(case["case"], case["lesions"]) for case in cases] == [(row["case"], int(row["lesions"])) for row in rows]
    assert len(lesions) == sum(case["lesions"] for case in cases) > 0
    assert lesions[0]["case"] in NAMES and lesions[0]["volume (ml)"] > 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["cases"] == dict.fromkeys(NAMES, "done") and [model["id"] for model in manifest["models"]]
    said = capsys.readouterr().out
    assert "Dashboard of the cluster: http://127.0.0.1:" in said and said.startswith("Weights of liver-roi, ")
    assert on_cluster(scans, "--out", out) == 0
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/*")} == written


def test_bad_data_fail_once_and_stop_nobody(scans, tmp_path, capsys):
    (tmp_path / "bad.nii.gz").write_bytes(b"no image")
    code = on_cluster(scans / "a.nii.gz", tmp_path / "bad.nii.gz", "--out", tmp_path / "out")
    assert code == errors.SomeCasesFailed.exit_code
    assert "bad.nii.gz" in capsys.readouterr().err
    assert statuses(tmp_path / "out") == {
        "a": "done",
        "bad": "failed",
    }
    reasons = {row["case"]: row["reason"] for row in parquet.read_table(tmp_path / "out" / "cases.parquet").to_pylist()}
    assert "bad.nii.gz" in reasons["bad"] and reasons["a"] is None


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the workers in /proc")
def test_a_worker_that_is_killed_costs_nothing(scans, alone, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "LiverTumorLib.cli", "segment", str(scans), "--out", str(out), "--no-picture"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([*command, "--cluster", "local", "--workers", "1"], env=environment) as process:
        assert comes(lambda: any(out.glob(".*.unfinished")))
        first = killed_worker(process.pid)
        assert comes(lambda: killed_worker(process.pid) not in (None, first)), "the next one, while it starts"
        assert process.wait(PATIENCE_S) == 0
    assert_same_results(out, alone)


def killed_worker(parent: int) -> int | None:
    """Kill a process of the cluster that works on cases (another one is that of shared resources); gives its number."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            command = (status.parent / "cmdline").read_bytes()
            if f"PPid:\t{parent}\n" in status.read_text() and b"spawn_main" in command:
                os.kill(int(status.parent.name), signal.SIGKILL)
                return int(status.parent.name)
        except OSError:
            continue
    return None


def test_a_worker_whose_nanny_gives_up_is_replaced():
    with connected(ClusterSettings(workers=1), print, 1) as client:
        [nanny] = client.cluster.workers.values()
        client.sync(nanny.close)
        assert list(distribute(client, round, 2.345, [2], str)) == [(2, 2.35)]


class Deadly(Batch):
    """A batch in which a case kills whoever takes it."""

    def run_case(self, case, *rest):
        if case.name == "b":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run_case(case, *rest)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_case_that_kills_workers_is_given_up_and_named(scans, tmp_path):
    batch = Deadly("segment", RunOptions(), tmp_path / "out", picture=False)
    cases = [Case(name, scans / f"{name}.nii.gz", False) for name in NAMES[:3]]
    with pytest.raises(errors.SomeCasesFailed, match=r"1 of 3 cases have no result:\n  b: It has killed 3 workers"):
        ClusterBatch(batch, ClusterSettings(workers=1)).run(cases, Display(quiet=True))
    assert statuses(tmp_path / "out") == {
        "a": "done",
        "b": "failed",
        "c": "done",
    }


class Unlucky(Batch):
    """A batch in which the first worker that takes a case has no room on its disk."""

    def run_case(self, case, *rest):
        mark = self.out.parent / f"tried-{case.name}"
        if not mark.exists():
            mark.write_text(str(os.getpid()))
            raise errors.OutputError("The disk is full.") from OSError(28, "No space left on device")
        assert mark.read_text() != str(os.getpid()), "the same worker got the case again"
        return super().run_case(case, *rest)


def test_a_fault_of_a_machine_is_tried_on_another(scans, tmp_path):
    batch = Unlucky("segment", RunOptions(), tmp_path / "out", picture=False)
    ClusterBatch(batch, ClusterSettings(workers=2)).run([Case("a", scans / "a.nii.gz", False)], Display(quiet=True))
    assert (tmp_path / "out" / "a" / "summary.json").exists()


def test_inputs_and_results_at_addresses(scans, alone, tmp_path, capsys):
    out = tmp_path / "bucket"
    assert on_cluster(f"file://{scans}", "--out", f"file://{out}") == 0
    assert_same_results(out, alone)
    assert len(parquet.read_table(out / "cases.parquet")) == len(NAMES)
    written = {path: path.stat().st_mtime_ns for path in out.glob("*/*")}
    (out / "b" / "b.seg.nrrd").unlink()
    assert on_cluster(f"file://{scans}", "--out", f"file://{out}", "--overwrite") == 0
    again = {path: path.stat().st_mtime_ns for path in out.glob("*/*")}
    assert {path.parent.name for path in again if again[path] != written[path]} == {"b"}
    code = on_cluster(f"file://{scans}", "--out", f"file://{out}", "--min-lesion-ml", "5")
    assert code == errors.SomeCasesFailed.exit_code and "already holds something else" in capsys.readouterr().err


def test_an_input_that_a_web_server_has(scans, alone, tmp_path):
    pytest.importorskip("aiohttp", reason="fsspec reads http with aiohttp")
    handler = partial(SimpleHTTPRequestHandler, directory=str(scans))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/a.nii.gz"
        assert on_cluster(address, "--out", tmp_path / "out") == 0
        written = (tmp_path / "out" / "a" / "summary.json").stat().st_mtime_ns
        assert on_cluster(address, "--out", tmp_path / "out") == 0
        server.shutdown()
    assert (tmp_path / "out" / "a" / "summary.json").stat().st_mtime_ns == written
    taken_from = json.loads((tmp_path / "out" / "a" / "summary.json").read_text())["origin"]["input"]
    assert (taken_from["path"], taken_from["bytes"]) == (address, (scans / "a.nii.gz").stat().st_size)
    labels = read_labels(tmp_path / "out" / "a" / "a.seg.nrrd")[0]
    assert np.array_equal(labels, read_labels(alone / "a" / "a.seg.nrrd")[0])


@pytest.mark.parametrize(
    "options, error, said",
    [
        (["--cluster", "somewhere"], errors.UsageError, "is none of: local, slurm"),
        (["--cluster", "local", "--workers", "0"], errors.UsageError, "at least one"),
        (["--cluster", "local", "--worker-memory", "much"], errors.UsageError, "write it like 4GiB"),
        (["--cluster", "local", "--worker-memory", "10MB"], errors.UsageError, "2GiB or more"),
        (["--cluster", "tcp://127.0.0.1:9", "--workers", "2"], errors.UsageError, "has its own workers"),
        (["--cluster", "tcp://127.0.0.1:9"], errors.UsageError, "No Dask scheduler answers at tcp://127.0.0.1:9"),
        (["--workers", "2"], errors.UsageError, "go with --cluster"),
        (["--out", "s3://bucket/out"], errors.UsageError, "add --cluster local"),
        (["--cluster", "local", "--out", "nowhere://bucket/out"], errors.UsageError, "cannot be opened"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_sentence(scans, tmp_path, monkeypatch, capsys, options, error, said):
    monkeypatch.setattr("LiverTumorLib.cluster.connection.CONNECT_S", 1)
    out = [] if "--out" in options else ["--out", str(tmp_path / "out")]
    assert main(["segment", str(scans), *out, *options]) == error.exit_code
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("livertumor: ") and said in message
    assert not any(tmp_path.rglob("*.nrrd"))


def test_no_rights_to_an_output_address(scans, tmp_path, capsys):
    place = tmp_path / "file"
    place.write_text("in the way")
    assert on_cluster(scans / "a.nii.gz", "--out", f"file://{place}") != 0
    assert f"file://{place} cannot be written" in capsys.readouterr().err


def test_a_scheduler_that_runs_already(scans, tmp_path):
    with connected(ClusterSettings(workers=1), print, 1) as client:
        address = client.scheduler.address
        arguments = ["segment", str(scans / "a.nii.gz"), "--out", str(tmp_path), "--no-picture", "--cluster", address]
        assert main(arguments) == 0
    assert table(tmp_path / "cases.csv")[0]["status"] == "done"
