"""`livertumor compress` as a process: dry runs, stops, events, and stages that end badly."""

import importlib.util
import json
import signal
import subprocess
import sys
import time

import pytest
from CompressionTrainerLib.environment import child
from CompressionTrainerLib.environment.child import run_child
from job_tools import PATIENCE_S, alive, gone, keeps_its_promise
from LiverTumorLib.errors import LiverTumorError, WorkerError
from workflow_setup import FAKE, PRUNE, Setup, setup_fixture  # noqa: F401  a fixture

pytestmark = pytest.mark.skipif(
    not importlib.util.find_spec("tensorflow"), reason="the workflow needs the trainer's packages"
)


def compress_command(setup: Setup, *words: str, **more) -> subprocess.Popen:
    line = [*FAKE, "compress", "workflow.toml", "--data", "data", "--split", "split.json", "--out", "out", *words]
    return subprocess.Popen(line, cwd=setup.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def test_a_dry_run_writes_nothing_and_says_what_is_known(setup):
    text, errors = compress_command(setup, "--dry-run").communicate(timeout=600)
    assert errors == "" and not setup.out.exists()
    assert [line.split("  ")[0] for line in text.splitlines()[:-1]] == ["train", "prune", "quantize", "export"]
    assert "to do (about 45 s, typical of two CPU cores)" in text and "In all about" in text

    setup.run()
    record = setup.out / "stages/prune.done.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"seconds": 600.0}))
    setup.workflow(PRUNE.replace("sparsity = 0.3", "sparsity = 0.3\nepochs = 6"))
    text, _ = compress_command(setup, "--dry-run").communicate(timeout=600)
    train, prune, *_ = text.splitlines()
    assert train.split() == ["train", "done"]
    # 6 + 2 epochs instead of 2 + 2
    assert "prune     to do again, since epochs was None, now 6 (about 20 min, as it took here before)" in prune
    text, errors = compress_command(setup).communicate(timeout=600)
    assert errors.startswith("livertumor: ") and "--overwrite" in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_leaves_no_process_after_two_seconds(setup, ctrl_c, number):
    setup.will("prune", "hang")
    keeps_its_promise(2, lambda: seconds_to_stop(setup, number))
    assert setup.states() == {"train": "done", "prune": "stopped", "quantize": "new", "export": "new"}
    setup.will("prune", "")
    assert setup.run() == ["prune+", "quantize", "export"]


def seconds_to_stop(setup: Setup, number: int) -> float:
    """Run the command, stop it in a busy stage; returns the seconds until nothing of the stage was left."""
    pids = setup.notes / "pids.txt"
    pids.unlink(missing_ok=True)
    process = compress_command(setup)
    while not pids.exists():
        assert process.poll() is None
        time.sleep(0.02)
    busy = [int(pid) for pid in pids.read_text().split()]
    assert all(alive(pid) for pid in busy)
    process.send_signal(number)
    stopped = time.monotonic()
    assert gone(busy)
    took = time.monotonic() - stopped
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130 and errors.splitlines()[-1] == "livertumor: Stopped."
    return took


def test_events_tell_a_program_and_a_closed_stdin_stops_all(setup):
    setup.will("prune", "hang")
    process = compress_command(setup, "--events", stdin=subprocess.PIPE)
    events = []
    for line in process.stdout:
        events.append(json.loads(line))
        if (setup.notes / "pids.txt").exists():
            break
    process.stdin.close()
    process.wait(PATIENCE_S)
    events += [json.loads(line) for line in process.stdout]
    assert events[0]["stage"] == "plan" and "In all about" in events[0]["message"]
    assert {"plan", "train", "prune"} == {event["stage"] for event in events if event["event"] == "progress"}
    assert events[-1]["event"] == "error" and events[-1]["kind"] == "Cancelled"
    assert not any(alive(int(pid)) for pid in (setup.notes / "pids.txt").read_text().split())


def test_a_stage_that_dies_without_a_word_is_a_worker_error(tmp_path, monkeypatch):
    monkeypatch.setattr(
        child, "PROGRAM", (sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    )
    with pytest.raises(WorkerError, match="killed from outside, most often because memory ran out"):
        run_child(["train"], tmp_path / "logs/train.log", lambda event: None)
    monkeypatch.setattr(child, "PROGRAM", ("no-such-program",))
    with pytest.raises(WorkerError, match="no-such-program cannot be started"):
        run_child(["train"], tmp_path / "logs/train.log", lambda event: None)


def test_the_log_of_a_stage_holds_the_figures_of_its_epochs(tmp_path, monkeypatch):
    code = (
        "from CompressionTrainerLib.progress import reporting\n"
        "with reporting(True, 'out') as report:\n"
        "    report('train', 0.4, 'Epoch 1 of 2', None)\n"
        "    report('train', 0.5, 'Epoch 1 of 2', {'loss': 0.51234, 'val_accuracy': 0.75})\n"
    )
    monkeypatch.setattr(child, "PROGRAM", (sys.executable, "-c", code))
    told = []
    run_child(["train"], tmp_path / "logs/train.log", told.append)
    assert (tmp_path / "logs/train.log").read_text().splitlines()[2:] == [
        "Epoch 1 of 2: loss 0.5123, val_accuracy 0.75"
    ]
    assert {"loss": 0.51234, "val_accuracy": 0.75} in [event.get("metrics") for event in told if event]


def test_an_exit_code_keeps_its_kind(tmp_path, monkeypatch):
    code = "import sys; print('livertumor: all is lost.', file=sys.stderr); sys.exit(int(sys.argv[1]))"
    monkeypatch.setattr(child, "PROGRAM", (sys.executable, "-c", code))
    for kind in (LiverTumorError, *LiverTumorError.__subclasses__()):
        if "exit_code" not in vars(kind):
            continue  # a special case of its base, whose exit code it shares
        with pytest.raises(kind) as caught:
            run_child([str(kind.exit_code)], tmp_path / "log", lambda event: None)
        assert str(caught.value) == "all is lost." and caught.value.exit_code == kind.exit_code
