"""`livertumor compress` over stages that are small real processes: what is done, left out, gone on with, and what is
never touched."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from CompressionTrainerLib.reporting.inputs import _READERS
from CompressionTrainerLib.workflow import checks
from CompressionTrainerLib.workflow.commands import STAGES
from CompressionTrainerLib.workflow.config import CONFIGS, load_workflow
from CompressionTrainerLib.workflow.journal import MARK
from CompressionTrainerLib.workflow.run import workflow_status
from LiverTumorLib.cli import build_parser
from LiverTumorLib.errors import InputError, OutputError, UsageError
from LiverTumorLib.models.catalogue import get_bundle
from tiny_training import TINY
from workflow_setup import FAKE, PRUNE, Setup, setup_fixture  # noqa: F401  a fixture

pytestmark = pytest.mark.skipif(
    not importlib.util.find_spec("tensorflow"), reason="the workflow needs the trainer's packages"
)
STUDY = Path(__file__).parents[1] / "Study" / "workflow.toml"


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
        and about["origin"]["command"] == "livertumor compress workflow.toml"
        and about["versions"]["numpy"]
    )
    assert about["stages"]["prune"][:2] == ["prune", str(setup.out / "train")]
    for copy, original in (
        ("compress.toml", "workflow.toml"),
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


def test_nothing_of_the_workflows_own_is_taken_for_results_by_the_report(setup):
    setup.workflow("[export]\n[benchmark]\n")
    setup.run()
    assert {path.name for path in setup.out.rglob("*.*")} & _READERS.keys() == set()


def test_what_a_change_reaches_is_asked_for_and_repeated(setup):
    done = setup.run()
    setup.workflow(PRUNE.replace("0.3", "0.4"))
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


def test_a_stage_that_cannot_go_on_begins_again(setup):
    setup.will("export", "fail")
    with pytest.raises(OutputError):
        setup.run()
    (setup.out / "models/left.txt").write_text("of the first try")
    setup.will("export", "")
    assert setup.run() == ["export"]
    assert not (setup.out / "models/left.txt").exists()


def test_what_was_made_from_a_removed_stage_is_repeated(setup):
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


def test_a_run_that_was_killed_while_it_marked_a_folder_goes_on(setup):
    """As a trainer that is killed just as it begins: the folder is its own, though the mark is not whole."""
    die = "import os, sys; from LiverTumorLib.atomic import atomic_path\nwith atomic_path(sys.argv[1]): os._exit(9)"
    mark = setup.out / "train" / MARK
    assert subprocess.run([sys.executable, "-c", die, mark]).returncode == 9
    left = [path.name for path in mark.parent.iterdir()]
    assert len(left) == 1 and left != [MARK]
    assert setup.run() == ["train", "prune", "quantize", "export"]
    assert not (mark.parent / left[0]).exists() and mark.is_file()


def test_a_stage_that_is_no_longer_wanted_goes_only_when_asked(setup):
    setup.run()
    setup.workflow("[quantize]\nepochs = 2\n[export]\n")
    with pytest.raises(OutputError, match=r"prune \(no longer in the configuration\)"):
        setup.run()
    assert (setup.out / "prune/whole.txt").exists()
    assert setup.overwrite() == ["quantize", "export"]
    assert not (setup.out / "prune").exists() and not (setup.out / "stages/prune.done.json").exists()
    assert (setup.out / "train/quantized/whole.txt").exists()


def test_without_a_split_the_workflow_makes_its_own(setup):
    prepared = setup.look(split=False)
    assert [stage.name for stage in prepared.stages] == ["prepare", "train", "prune", "quantize", "export"]
    train = prepared.stages[1].words
    assert train[train.index("--split") + 1] == str(setup.out / "prepare/split.json")


def test_every_stage_takes_what_the_workflow_says(setup):
    """Each command's own parser accepts the words, also where all stages are there."""
    (setup.folder / "student.toml").write_text(TINY.format(task="liver", region="body").replace("0.35", "0.25"))
    settings = {"distill": 'config = "student.toml"', "quantize": "keep_zeros = false"}
    setup.workflow("".join(f"[{stage}]\n{settings.get(stage, '')}\n" for stage in STAGES))
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
    workflow = load_workflow(name)
    assert workflow.name == name and {"train", "export", "evaluate"} <= workflow.stages.keys()
    assert workflow_status(workflow, setup.data, setup.folder / "split.json", setup.out, setup.out / "cache").stages


def test_fast_starts_from_a_shipped_model_unless_told_otherwise():
    assert load_workflow("fast").stages["train"]["start"] == get_bundle("tumor-slice").model
    for files in ({"start": Path("none")}, {"start": Path("none").resolve()}):
        assert "start" not in load_workflow("fast", files=files).stages["train"]


def test_the_studys_workflow_goes_through_all_stages(setup):
    workflow = load_workflow(STUDY)
    assert workflow.stages.keys() == set(STAGES) - {"prepare"}
    assert workflow_status(workflow, setup.data, setup.folder / "split.json", setup.out, setup.out / "cache").stages


def test_a_refit_is_no_workflow(setup):
    """It would have nobody to choose a threshold on."""
    (setup.folder / "refit.toml").write_text("refit = true\n" + TINY.format(task="liver", region="body"))
    workflow = load_workflow("best", setup.folder / "refit.toml")
    with pytest.raises(UsageError, match="refit has no place in it"):
        workflow_status(workflow, setup.data, setup.folder / "split.json", setup.out, setup.out / "cache")


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ("[prunes]\n", r"workflow.toml: 'prunes' is not a setting; did you mean 'prune'\?"),
        ("[prune]\nsparsty = 0.3\n", r"\[prune\] 'sparsty' is not a setting; did you mean 'sparsity'\?"),
        ("[prune]\nsparsity = 1.3\n", r"\[prune\] sparsity is 1.3; it must be between 0 and 1"),
        ("[quantize]\nkeep_zeros = 1\n", r"\[quantize\] keep_zeros is 1; it must be true or false"),
        ("[quantize]\nweights = 'bst'\n", r"\[quantize\] weights is 'bst'; it must be one of best, last"),
        ("[evaluate]\n", r"\[evaluate\] needs what \[export\] makes"),
        ("[export]\n[evaluate]\nsubset = 'test'\n", r"\[evaluate\] 'subset' is not a setting"),
        ("[export]\n[evaluate]\nliver_model = 'other'\n", r"\[evaluate\] liver_model is for the workflow to say"),
        ("[distill]\n", r"\[distill\] lacks config"),
        ("[distill]\nconfig = 'fast'\n", "The teacher's task is 'liver' and the student's 'slice'"),
        ("[train]\nstart = 'gone.h5'\n", r"gone.h5, which \[train\] start names, is missing"),
        ("[train\n", "cannot be read as a workflow configuration"),
    ],
)
def test_a_wrong_configuration_is_refused_before_anything_is_written(setup, sections, message):
    setup.workflow(sections)
    with pytest.raises(UsageError, match=message):
        setup.look()
    assert not setup.out.exists()


def test_a_split_that_says_nothing_to_the_network_is_refused_before_anything_is_written(setup):
    (setup.folder / "tiny.toml").write_text(TINY.format(task="tumor", region="liver"))
    split = json.loads((setup.folder / "split.json").read_text())
    files = {str(n): {"ct": f"volume-{n}.nii.gz", "mask": f"segmentation-{n}.nii.gz"} for n in range(3)}
    files["2"]["holds"] = "liver"
    (setup.folder / "split.json").write_text(json.dumps({"patients": split["patients"], "cases": files}))
    with pytest.raises(InputError, match="None of the val cases of the split 'split' has tumor labels"):
        setup.look()
    assert not setup.out.exists()


def test_an_unknown_network_or_workflow_is_named(setup):
    setup.workflow()
    text = (setup.folder / "workflow.toml").read_text()
    (setup.folder / "workflow.toml").write_text(text.replace("tiny.toml", "liver-roy"))
    with pytest.raises(UsageError, match="liver-roy is not a training configuration; did you mean 'liver-roi'"):
        setup.look()
    with pytest.raises(UsageError, match="fasst is not a workflow configuration; did you mean 'fast'"):
        load_workflow("fasst")


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
    with pytest.raises(OutputError, match=r"GB left, and the workflow needs about 1000000000.0 GB there; free some"):
        setup.look()
    (setup.data / "volume-1.nii.gz").unlink()
    with pytest.raises(InputError, match="volume-1.nii.gz is missing"):
        setup.look()
    assert not setup.out.exists()
