"""A node whose analyses a Dask scheduler's workers do, and which loses that scheduler for a while."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from random import Random

import pytest

pytest.importorskip("pynetdicom", reason="the packages of the node are not installed")
pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")

from cli_tools import posix
from distributed import Client
from job_tools import PATIENCE_S
from kills import Pacs, send_until_acknowledged
from LiverTumorLib.cli import main
from orthanc import phantom_studies
from ports import free_port
from running_node import RunningNode

pytestmark = posix


@contextlib.contextmanager
def dask(port):
    """A scheduler and a worker, killed in the end; gives the worker."""
    address = f"tcp://127.0.0.1:{port}"
    scheduler = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    worker = ["distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [subprocess.Popen([sys.executable, "-m", *words], **quiet) for words in (scheduler, worker)]
    try:
        yield started[1]
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_workers_of_a_scheduler_do_the_work(tmp_path, capsys):
    """With the real networks, which the workers have; the scheduler is killed while they work, and comes back."""
    port, pacs = free_port(), Pacs()
    address = f"tcp://127.0.0.1:{port}"
    node = RunningNode(tmp_path, pacs.target, analysis={"scheduler": address})
    first, second = phantom_studies(2, 3, (24, 64, 64), (6.0, 6.0, 10.0))
    assert main(["listen", str(node.configuration), "--check"]) == 0
    assert f"No Dask scheduler answers at {address}" in capsys.readouterr().out
    try:
        with node:
            with dask(port) as worker:
                with Client(address, timeout=PATIENCE_S) as client:
                    client.wait_for_workers(1, timeout=PATIENCE_S)
                send_until_acknowledged(node, first, Random(1))
                node.wait_for(lambda: node.states() == ["done"])
                (summary,) = node.folder.glob("results/1/*/summary.json")
                assert len(json.loads(summary.read_text())["case"]["slices"]) == 24
                assert len(pacs.received) == 3, "segmentation, report and page"
                worker.send_signal(signal.SIGSTOP)  # or it might be ready before it is killed
                send_until_acknowledged(node, second, Random(2))
                node.wait_for(lambda: node.states() == ["done", "running"])
                time.sleep(1.0)
            node.wait_for(lambda: node.states() == ["done", "waiting"])
            ((reason,),) = node.rows("SELECT reason FROM series WHERE id = 2")
            assert address in reason and "Traceback" not in node.log.read_text()
            with dask(port):
                node.wait_for(lambda: node.states() == ["done", "done"])
        assert len(pacs.received) == 6
    finally:
        pacs.close()
