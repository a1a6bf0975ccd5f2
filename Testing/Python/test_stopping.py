"""Stops from outside while Python cannot act. Needs no TensorFlow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from job_tools import PATIENCE_S, keeps_its_promise

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

# `sleep` as PyDLL calls it keeps Python's lock all the while, as TensorFlow's converter does.
SCRIPT = """
import ctypes, sys, time
from CompressionTrainerLib.stopping import stops_at_once, stops_promptly
from LiverTumorLib.cli import _terminate_is_interrupt
with _terminate_is_interrupt(), stops_promptly():
    try:
        if sys.argv[1] == "inside":
            with stops_at_once():
                print("ready", flush=True)
                ctypes.PyDLL(None).sleep(60)
        with stops_at_once():
            pass
        print("ready", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("moment", ["inside", "after"])
def test_a_call_that_keeps_pythons_lock_is_ended_and_afterwards_stops_are_polite_again(moment, number):
    paths = os.pathsep.join([str(ROOT / "CompressionTrainer"), str(ROOT / "LiverTumorClassifier")])
    command = [sys.executable, "-c", SCRIPT, moment]

    def attempt() -> float:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": paths})
        assert process.stdout.readline() == b"ready\n"
        begin = time.monotonic()
        process.send_signal(number)
        said = process.communicate(timeout=PATIENCE_S)[0]
        took = time.monotonic() - begin
        assert (process.returncode, said) == ((-number, b"") if moment == "inside" else (0, b"interrupted\n"))
        return took

    keeps_its_promise(2, attempt)
