"""A batch over a real Slurm of one node, which is skipped where there is none (Debian: slurm-wlm munge; as root)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_scans import NAMES, assert_same_results, statuses
from job_tools import PATIENCE_S, comes
from LiverTumorLib.errors import UsageError
from slurm_node import NoSlurm, slurm_of_one_node

pytest.importorskip("dask_jobqueue", reason="the extra 'cluster' is not installed")
pytest.importorskip("pyarrow", reason="the extra 'cluster' is not installed")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory) -> Iterator[dict[str, str]]:
    """A Slurm, as the environment variables of its users."""
    try:
        with slurm_of_one_node(tmp_path_factory.mktemp("slurm")) as environment:
            yield environment
    except NoSlurm as reason:
        pytest.skip(f"no Slurm here: {reason}")


def start(slurm: dict[str, str], folder: Path, scans: Path, *words: str) -> subprocess.Popen:
    """The batch of two workers; what Slurm logs goes into the folder."""
    command = [sys.executable, "-m", "LiverTumorLib.cli", "segment", str(scans), "--out", "out", "--no-picture"]
    environment = os.environ | slurm | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [*command, "--cluster", "slurm", "--workers", "2", *words],
        cwd=folder,
        env=environment,
        text=True,
        stderr=subprocess.PIPE,
    )


def jobs(slurm: dict[str, str]) -> list[str]:
    command = ["squeue", "--noheader", "--states=RUNNING,PENDING", "--format=%i"]
    return subprocess.run(command, env=os.environ | slurm, capture_output=True, text=True, check=True).stdout.split()


def test_jobs_of_slurm_find_what_one_process_finds_also_where_they_are_ended(slurm, scans, alone, tmp_path):
    with start(slurm, tmp_path, scans, "--worker-memory", "2GiB") as batch:
        assert comes(lambda: any((tmp_path / "out").glob(".*.unfinished")) or batch.poll() is not None)
        ended = jobs(slurm)
        subprocess.run(["scancel", *ended], env=os.environ | slurm, check=True)
        assert ended and batch.wait(PATIENCE_S) == 0
    assert_same_results(tmp_path / "out", alone)
    assert statuses(tmp_path / "out") == dict.fromkeys(NAMES, "done")
    assert comes(lambda: not jobs(slurm))


def test_what_slurm_does_not_take_is_said_in_its_words(slurm, scans, tmp_path):
    with start(slurm, tmp_path, scans, "--worker-memory", "900TB") as batch:
        said = batch.communicate(timeout=PATIENCE_S)[1].splitlines()[-1]
    assert batch.returncode == UsageError.exit_code
    assert "Slurm cannot be used" in said and "Requested node configuration is not available" in said
