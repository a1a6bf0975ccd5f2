"""`livertumor compress` over stages that are small real processes: what is done, left out, gone on with, and what is
never touched."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import fake_stages
import pytest
from CompressionTrainerLib.reporting.inputs import _READERS
from CompressionTrainerLib.workflow import checks, child
from CompressionTrainerLib.workflow.child import run_child
from CompressionTrainerLib.workflow.commands import STAGES
from CompressionTrainerLib.workflow.config import CONFIGS, load_chain
from CompressionTrainerLib.workflow.run import chain_status, compress, require_unchanged
from LiverTumorLib.cli import build_parser
from LiverTumorLib.errors import InputError, LiverTumorError, OutputError, UsageError, WorkerError
from LiverTumorLib.models.catalogue import get_bundle
from tiny_training import TINY

pytestmark = pytest.mark.skipif(
    not importlib.util.find_spec("tensorflow"), reason="the chain needs the trainer's packages"
)
STUDY = Path(__file__).parents[1] / "Study" / "chain.toml"
FAKE = (sys.executable, fake_stages.__file__)
PRUNE = "[prune]\nsparsity = 0.3\n[quantize]\nepochs = 2\n[export]\n"


class Setup:
    """A folder with a chain's configuration, data that are not images, and a split of them; stages are
    `fake_stages`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data, self.out, self.notes = folder, folder / "data", folder / "out", folder / "notes"
        self.data.mkdir()
        self.notes.mkdir()
        for case in range(3):
            for name in ("volume", "segmentation"):
                (self.data / f"{name}-{case}.nii.gz").write_text(f"{name} {case}")
        split = {
            "patients": {"train": [[0], [1]], "val": [[2]]},
            "files": {"ct": "volume-{case}.nii.gz", "mask": "segmentation-{case}.nii.gz"},
        }
        (folder / "split.json").write_text(json.dumps(split))
        self.network()
        self.chain()

    def network(self, more: str = "") -> None:
        (self.folder / "tiny.toml").write_text(more + TINY.format(task="liver", region="body"))

    def chain(self, sections: str = PRUNE) -> None:
        (self.folder / "chain.toml").write_text(f'name = "tiny-model"\nnetwork = "tiny.toml"\n{sections}')

    def look(self, split: bool = True):
        chain = load_chain(self.folder / "chain.toml")
        return chain_status(
            chain, self.data, self.folder / "split.json" if split else None, self.out, self.out / "cache"
        )

    def run(self, told: list | None = None) -> list[str]:
        """Run the chain; returns the commands that ran, "+" where there was a half-made result."""
        require_unchanged(self.look())
        return self.overwrite(told)

    def overwrite(self, told: list | None = None) -> list[str]:
        (self.notes / "calls.txt").write_text("")
        told = [] if told is None else told
        compress(self.look(), "livertumor compress chain.toml", lambda *event: told.append(event))
        return self.calls()

    def calls(self) -> list[str]:
        return (self.notes / "calls.txt").read_text().split()

    def states(self) -> dict[str, str]:
        return {name: state.what for name, state in self.look().standings.items()}

    def will(self, stage: str, what: str) -> None:
        (self.notes / stage).write_text(what)


@pytest.fixture
def setup(tmp_path, monkeypatch) -> Setup:
    monkeypatch.setattr(child, "PROGRAM", FAKE)
    made = Setup(tmp_path)
    monkeypatch.setenv("LIVERTUMOR_FAKE", str(made.notes))
    return made


def test_stages_run_in_order_and_are_left_out_when_nothing_has_changed(setup):
    told = []
    assert setup.run(told) == ["train", "prune", "quantize", "export"]
    assert setup.run() == []
    assert set(setup.states().values()) == {"done"}
    record = json.loads((setup.out / "stages/prune.done.json").read_text())
    assert record["seconds"] > 0 and record["versions"]["tf_keras"] and record["folder"] == "prune"
    assert "something to keep in the log" in (setup.out / "logs/export.log").read_text()

    fractions = [fraction for _, fraction, _, _ in told]
    assert fractions == sorted(fractions) and fractions[-1] == pytest.approx(1)
    assert ("train", "[1/4] train: half 0.5", {"loss": 0.5}) in [
        (stage, message, metrics) for stage, _, message, metrics in told
    ]


def test_all_that_a_run_needs_is_in_its_folder(setup):
    setup.run()
    about = json.loads((setup.out / "about.json").read_text())
    assert (
        about["seed"] == 1
        and about["origin"]["command"] == "livertumor compress chain.toml"
        and about["versions"]["numpy"]
    )
    assert about["stages"]["prune"][:2] == ["prune", str(setup.out / "train")]
    for copy, original in (
        ("compress.toml", "chain.toml"),
        ("network.toml", "tiny.toml"),
        ("split.json", "split.json"),
    ):
        assert (setup.out / copy).read_text() == (setup.folder / original).read_text()
    files = json.loads((setup.out / "data.json").read_text())["files"]
    assert len(files) == 6 and all(len(entry["sha256"]) == 64 for entry in files.values())
    train = about["stages"]["train"]
    assert train[1] == str(setup.out / "network.toml") and train[train.index("--split") + 1] == str(
        setup.out / "split.json"
    )


def test_nothing_of_the_chains_own_is_taken_for_results_by_the_report(setup):
    setup.chain("[export]\n[benchmark]\n")
    setup.run()
    assert {path.name for path in setup.out.rglob("*.*")} & _READERS.keys() == set()


def test_what_a_change_reaches_is_asked_for_and_made_anew(setup):
    done = setup.run()
    setup.chain(PRUNE.replace("0.3", "0.4"))
    with pytest.raises(OutputError, match=r"prune \(sparsity was 0.3, now 0.4\); quantize .* --overwrite"):
        setup.run()
    assert setup.calls() == done and (setup.out / "prune/whole.txt").exists()
    assert setup.overwrite() == ["prune", "quantize", "export"]
    assert setup.run() == []


def test_the_content_of_the_configuration_and_of_the_data_counts_and_nothing_else(setup):
    setup.run()
    setup.network("# a comment\n")
    os.utime(setup.data / "volume-0.nii.gz")
    moved = setup.folder / "moved"
    setup.data.rename(moved)
    setup.data = moved
    assert setup.run() == []
    setup.network("seed = 2\n")
    assert setup.look().standings["train"].why == "the content of its configuration has changed"
    setup.network()
    (setup.data / "volume-0.nii.gz").write_text("another CT")
    prepared = setup.look()
    assert {state.what for state in prepared.standings.values()} == {"changed"}
    assert prepared.standings["train"].why == "the content of its data has changed"


def test_a_failed_stage_says_its_own_sentence_and_the_next_run_goes_on_there(setup):
    setup.will("quantize", "fail")
    with pytest.raises(
        OutputError,
        match=r"^quantize: quantize has no more space. Its log is .*quantize.log; the same command continues",
    ):
        setup.run()
    assert setup.states() == {"train": "done", "prune": "done", "quantize": "stopped", "export": "new"}
    setup.will("quantize", "")
    assert setup.run() == ["quantize+", "export"]


def test_a_stage_that_cannot_go_on_begins_anew(setup):
    setup.will("export", "fail")
    with pytest.raises(OutputError):
        setup.run()
    (setup.out / "models/left.txt").write_text("of the first try")
    setup.will("export", "")
    assert setup.run() == ["export"]
    assert not (setup.out / "models/left.txt").exists()


def test_what_was_made_from_a_removed_stage_is_made_anew(setup):
    setup.run()
    shutil.rmtree(setup.out / "prune")
    assert setup.run() == ["prune", "quantize", "export"]


def test_a_folder_of_the_users_is_never_touched(setup):
    (setup.out / "prune").mkdir(parents=True)
    (setup.out / "prune/thesis.txt").write_text("years of work")
    with pytest.raises(
        OutputError, match="prune is there already and was not made by 'livertumor compress'; choose another --out"
    ):
        setup.run()
    with pytest.raises(OutputError, match="was not made by"):
        setup.overwrite()
    assert (setup.out / "prune/thesis.txt").read_text() == "years of work" and not (setup.out / "train").exists()


def test_a_stage_that_is_no_longer_wanted_goes_only_when_asked(setup):
    setup.run()
    setup.chain("[quantize]\nepochs = 2\n[export]\n")
    with pytest.raises(OutputError, match=r"prune \(no longer in the configuration\)"):
        setup.run()
    assert (setup.out / "prune/whole.txt").exists()
    assert setup.overwrite() == ["quantize", "export"]
    assert not (setup.out / "prune").exists() and not (setup.out / "stages/prune.done.json").exists()
    assert (setup.out / "train/quantized/whole.txt").exists()


def test_without_a_split_the_chain_makes_its_own(setup):
    prepared = setup.look(split=False)
    assert [stage.name for stage in prepared.stages] == ["prepare", "train", "prune", "quantize", "export"]
    train = prepared.stages[1].words
    assert train[train.index("--split") + 1] == str(setup.out / "prepare/split.json")


def test_every_stage_takes_what_the_chain_says(setup):
    """Each command's own parser accepts the words, also where all stages are there."""
    (setup.folder / "student.toml").write_text(TINY.format(task="liver", region="body").replace("0.35", "0.25"))
    settings = {"distill": 'config = "student.toml"', "quantize": "keep_zeros = false"}
    setup.chain("".join(f"[{stage}]\n{settings.get(stage, '')}\n" for stage in STAGES))
    words = {stage.name: stage.words for stage in setup.look(split=False).stages}
    assert list(words) == [stage for stage in STAGES if stage != "compare"]  # which is for slice classifiers
    for line in words.values():
        assert build_parser().parse_args(line).events
    out = setup.out
    assert [words[name][1] for name in ("distill", "slim", "prune", "quantize")] == [
        str(out / name) for name in ("train", "distill", "slim", "prune")
    ]
    assert "--no-keep-zeros" in words["quantize"] and words["onnx"] == [
        "export-onnx",
        str(out / "models/tiny-model"),
        "--events",
    ]
    evaluate = " ".join(words["evaluate"])
    assert f"--subset val --split {out / 'prepare/split.json'} --out {out / 'evaluate'} " in evaluate
    assert f" --liver-model {out / 'models/tiny-model'} " in evaluate
    assert f"--float-liver-model {out / 'prune/float/tiny-model'} --no-tumor --no-slices" in evaluate


@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIGS.glob("*.toml")))
def test_shipped_configurations_are_whole(setup, name):
    chain = load_chain(name)
    assert chain.name == name and {"train", "export", "evaluate"} <= chain.stages.keys()
    assert chain_status(chain, setup.data, setup.folder / "split.json", setup.out, setup.out / "cache").stages


def test_fast_starts_from_a_shipped_model_unless_told_otherwise():
    assert load_chain("fast").stages["train"]["start"] == get_bundle("tumor-slice").model
    for files in ({"start": Path("none")}, {"start": Path("none").resolve()}):
        assert "start" not in load_chain("fast", files=files).stages["train"]


def test_the_studys_chain_goes_through_all_stages(setup):
    chain = load_chain(STUDY)
    assert chain.stages.keys() == set(STAGES) - {"prepare"}
    assert chain_status(chain, setup.data, setup.folder / "split.json", setup.out, setup.out / "cache").stages


def test_a_refit_is_no_chain(setup):
    """It would have nobody to choose a threshold on."""
    (setup.folder / "refit.toml").write_text("refit = true\n" + TINY.format(task="liver", region="body"))
    chain = load_chain("best", setup.folder / "refit.toml")
    with pytest.raises(UsageError, match="refit has no place in it"):
        chain_status(chain, setup.data, setup.folder / "split.json", setup.out, setup.out / "cache")


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ("[prunes]\n", r"chain.toml: 'prunes' is not a setting; did you mean 'prune'\?"),
        ("[prune]\nsparsty = 0.3\n", r"\[prune\] 'sparsty' is not a setting; did you mean 'sparsity'\?"),
        ("[prune]\nsparsity = 1.3\n", r"\[prune\] sparsity is 1.3; it must be between 0 and 1"),
        ("[quantize]\nkeep_zeros = 1\n", r"\[quantize\] keep_zeros is 1; it must be true or false"),
        ("[quantize]\nweights = 'bst'\n", r"\[quantize\] weights is 'bst'; it must be one of best, last"),
        ("[evaluate]\n", r"\[evaluate\] needs what \[export\] makes"),
        ("[export]\n[evaluate]\nsubset = 'test'\n", r"\[evaluate\] 'subset' is not a setting"),
        ("[export]\n[evaluate]\nliver_model = 'other'\n", r"\[evaluate\] liver_model is for the chain to say"),
        ("[distill]\n", r"\[distill\] lacks config"),
        ("[distill]\nconfig = 'fast'\n", "The teacher's task is 'liver' and the student's 'slice'"),
        ("[train]\nstart = 'gone.h5'\n", r"gone.h5, which \[train\] start names, is missing"),
        ("[train\n", "cannot be read as a chain configuration"),
    ],
)
def test_a_wrong_configuration_is_refused_before_anything_is_written(setup, sections, message):
    setup.chain(sections)
    with pytest.raises(UsageError, match=message):
        setup.look()
    assert not setup.out.exists()


def test_an_unknown_network_or_chain_is_named(setup):
    setup.chain()
    text = (setup.folder / "chain.toml").read_text()
    (setup.folder / "chain.toml").write_text(text.replace("tiny.toml", "liver-roy"))
    with pytest.raises(UsageError, match="liver-roy is not a training configuration; did you mean 'liver-roi'"):
        setup.look()
    with pytest.raises(UsageError, match="fasst is not a chain configuration; did you mean 'fast'"):
        load_chain("fasst")


def test_bad_data_are_refused_before_anything_is_written(setup, monkeypatch):
    split = json.loads((setup.folder / "split.json").read_text())
    (setup.folder / "split.json").write_text(json.dumps(split | {"sha256": {"volume-2.nii.gz": "0" * 64}}))
    with pytest.raises(InputError, match="volume-2.nii.gz is not the file that the split"):
        setup.look()
    (setup.folder / "split.json").write_text(json.dumps(split | {"patients": {"train": [[0], [1]]}}))
    with pytest.raises(InputError, match="no patients in 'val'"):
        setup.look()
    (setup.folder / "split.json").write_text(json.dumps(split))
    monkeypatch.setattr(checks, "_RESULTS_BYTES", 10**18)
    with pytest.raises(OutputError, match=r"GB left, and the chain needs about 1000000000.0 GB there; free some"):
        setup.look()
    (setup.data / "volume-1.nii.gz").unlink()
    with pytest.raises(InputError, match="volume-1.nii.gz is missing"):
        setup.look()
    assert not setup.out.exists()


def compress_command(setup: Setup, *words: str, **more) -> subprocess.Popen:
    line = [*FAKE, "compress", "chain.toml", "--data", "data", "--split", "split.json", "--out", "out", *words]
    return subprocess.Popen(line, cwd=setup.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def test_a_dry_run_writes_nothing_and_says_what_is_known(setup):
    text, errors = compress_command(setup, "--dry-run").communicate(timeout=600)
    assert errors == "" and not setup.out.exists()
    assert [line.split("  ")[0] for line in text.splitlines()[:-1]] == ["train", "prune", "quantize", "export"]
    assert "to do (about 45 s, typical of two CPU cores)" in text and "In all about" in text

    setup.run()
    record = setup.out / "stages/prune.done.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"seconds": 600.0}))
    setup.chain(PRUNE.replace("sparsity = 0.3", "sparsity = 0.3\nepochs = 6"))
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
    assert min(seconds_to_stop(setup, number) for _ in range(3 if os.getloadavg()[0] > os.cpu_count() else 1)) < 2
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
    while any(alive(pid) for pid in busy) and time.monotonic() < stopped + 30:
        time.sleep(0.01)
    took = time.monotonic() - stopped
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and errors.splitlines()[-1] == "livertumor: Stopped."
    return took


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_events_tell_a_program_and_a_closed_stdin_stops_all(setup):
    setup.will("prune", "hang")
    process = compress_command(setup, "--events", stdin=subprocess.PIPE)
    events = []
    for line in process.stdout:
        events.append(json.loads(line))
        if (setup.notes / "pids.txt").exists():
            break
    process.stdin.close()
    process.wait(120)
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
