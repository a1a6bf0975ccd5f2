"""A workflow as the panel asks for it: what becomes of the choices, what is refused, where it stops."""

import importlib.util
import sys
import time
from types import SimpleNamespace

import pytest
from CompressionTrainerLib.environment.choice import own_folder, trainer_python
from CompressionTrainerLib.workflow.compose import workflow_text
from CompressionTrainerLib.workflow.config import CONFIGS, load_workflow
from CompressionTrainerLib.workflow.estimate import BEFORE, Estimate
from CompressionTrainerLib.workflow.folder import check_rows, epochs, finished_stages, variants
from CompressionTrainerLib.workflow.job import start_workflow
from CompressionTrainerLib.workflow.progress import WorkflowProgress
from CompressionTrainerLib.workflow.request import WorkflowChoices, request_workflow
from CompressionTrainerLib.workflow.run import compress, require_unchanged, workflow_status
from LiverTumorLib.ct.canvas import InputSpec
from LiverTumorLib.errors import InputError, ModelError, OutputError, UsageError
from LiverTumorLib.models.bundle import MODEL, load_bundle, write_bundle
from LiverTumorLib.models.catalogue import SHIPPED, bundle_folders, get_bundle
from LiverTumorLib.models.install import install_bundle
from LiverTumorLib.models.manifest import Manifest
from workflow_setup import Setup, setup_fixture  # noqa: F401  a fixture

PRESETS = sorted(path.stem for path in CONFIGS.glob("*.toml"))
needs_trainer = pytest.mark.skipif(
    not importlib.util.find_spec("tensorflow"), reason="the workflow needs the trainer's packages"
)


def stages_of(text: str, tmp_path) -> dict:
    (tmp_path / "asked.toml").write_text(text, encoding="utf-8")
    return load_workflow(tmp_path / "asked.toml").stages


@pytest.mark.parametrize("preset", PRESETS)
def test_a_configuration_comes_back_as_it_was_written(preset, tmp_path):
    workflow = load_workflow(preset)
    (tmp_path / "other place").mkdir()
    (tmp_path / "other place" / "copy.toml").write_text(workflow_text(workflow), encoding="utf-8")
    copy = load_workflow(tmp_path / "other place" / "copy.toml")
    assert (copy.name, copy.network, copy.student, copy.stages) == (
        workflow.name,
        workflow.network,
        workflow.student,
        workflow.stages,
    )


def test_files_that_a_configuration_names_are_found_from_anywhere(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "a 'b\" ü.npz").write_bytes(b"")
    (tmp_path / "here" / "workflow.toml").write_text(
        'name = "x"\nnetwork = "fast"\n[train]\nimagenet = "a \'b\\" ü.npz"\n[export]\n'
    )
    request = request_workflow(WorkflowChoices(tmp_path, tmp_path / "out", tmp_path / "here" / "workflow.toml"))
    assert stages_of(request.config, tmp_path)["train"]["imagenet"] == tmp_path / "here" / "a 'b\" ü.npz"


def test_a_model_to_start_from_is_named_by_its_id(tmp_path):
    (tmp_path / "workflow.toml").write_text('name = "x"\nnetwork = "liver-roi"\n[train]\nstart = "liver-roi"\n')
    model = get_bundle("liver-roi").model
    for request in (
        request_workflow(WorkflowChoices(tmp_path, tmp_path / "out", tmp_path / "workflow.toml")),
        request_workflow(WorkflowChoices(tmp_path, tmp_path / "out", "best", network="liver-roi", start="liver-roi")),
        request_workflow(WorkflowChoices(tmp_path, tmp_path / "out", "best", network="liver-roi", start=model)),
    ):
        assert stages_of(request.config, tmp_path)["train"]["start"] == model
    with pytest.raises(UsageError, match="liver-ro, which .train. start names, is missing"):
        request_workflow(WorkflowChoices(tmp_path, tmp_path / "out", "best", network="liver-roi", start="liver-ro"))


def test_choices_reach_the_configuration_and_the_command_line(tmp_path):
    request = request_workflow(
        WorkflowChoices(
            tmp_path,
            tmp_path / "out",
            "fast",
            name="mine",
            split="slice",
            leave_out=["prune", "train"],
            skip_bad=True,
            until="export",
            overwrite=True,
        )
    )
    stages = stages_of(request.config, tmp_path)
    assert stages["prepare"] == {"split": "slice", "slices": "liver", "skip_bad": True}
    # There is nothing without training.
    assert "prune" not in stages and {"train", "quantize", "export"} <= stages.keys()
    assert load_workflow(tmp_path / "asked.toml").name == "mine"
    words = request.words(tmp_path / "c.toml")
    assert words[:4] == ["compress", str(tmp_path / "c.toml"), "--data", str(tmp_path)]
    assert words[-3:] == ["--until", "export", "--overwrite"] and "--split" not in words

    (tmp_path / "split.json").write_text("{}")
    request = request_workflow(
        WorkflowChoices(tmp_path, tmp_path / "out", "best", network="liver-roi", split=tmp_path / "split.json")
    )
    assert "prepare" not in stages_of(request.config, tmp_path)
    assert load_workflow(tmp_path / "asked.toml").network.config.task == "liver"
    assert request.words(tmp_path)[-2:] == ["--split", str(tmp_path / "split.json")]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"data": ""}, InputError, "Choose the folder with the labeled CT"),
        ({"data": "nowhere"}, InputError, "nowhere is not a folder"),
        ({"out": ""}, UsageError, "Choose a folder to write to"),
        ({"configuration": "fats"}, UsageError, "did you mean 'fast'"),
        ({"name": "a b"}, UsageError, "'a b' cannot be a model's name"),
        ({"leave_out": ["export"]}, UsageError, "needs what 'export' makes; leave it out too"),
        ({"split": "nowhere.json"}, InputError, "'nowhere.json' is not a split file"),
        ({"split": ""}, InputError, "is not a split file"),
        ({"imagenet": "nowhere.npz"}, UsageError, "nowhere.npz, which .* is missing"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_starts(tmp_path, changes, error, message):
    asked = {"data": tmp_path, "out": tmp_path / "out", "configuration": "fast"} | changes
    with pytest.raises(error, match=message):
        request_workflow(WorkflowChoices(**asked))
    assert not (tmp_path / "out").exists()


@needs_trainer
def test_a_workflow_stops_after_a_stage_and_goes_on(setup: Setup):  # noqa: F811
    def look(until: str | None):
        return workflow_status(
            load_workflow(setup.folder / "workflow.toml"),
            setup.data,
            setup.folder / "split.json",
            setup.out,
            setup.out / "cache",
            until,
        )

    compress(look("prune"), "livertumor compress", lambda *event: None)
    assert setup.calls() == ["train", "prune"] and finished_stages(setup.out) == ["prune", "train"]
    compress(look("train"), "livertumor compress", lambda *event: None)
    assert setup.calls() == ["train", "prune"]
    compress(look(None), "livertumor compress", lambda *event: None)
    assert setup.calls() == ["train", "prune", "quantize", "export"]
    with pytest.raises(UsageError, match="no stage 'pruen'"):
        look("pruen")


@needs_trainer
def test_a_check_of_the_data_that_failed_may_be_repeated_with_other_settings(setup: Setup):  # noqa: F811
    """Where nothing was frozen there is nothing to keep; a frozen split is not replaced unasked."""

    def look(more: str):
        (setup.folder / "workflow.toml").write_text(f'name = "x"\nnetwork = "tiny.toml"\n[prepare]\n{more}\n')
        return workflow_status(
            load_workflow(setup.folder / "workflow.toml"), setup.data, None, setup.out, setup.out / "cache", "prepare"
        )

    setup.will("prepare", "fail")
    with pytest.raises(OutputError, match="has no more space"):
        compress(look(""), "livertumor compress", lambda *event: None)
    setup.will("prepare", "")
    require_unchanged(look("skip_bad = true"))
    compress(look("skip_bad = true"), "livertumor compress", lambda *event: None)
    with pytest.raises(OutputError, match=r"prepare \(skip_bad was True, now None\)"):
        require_unchanged(look(""))


def test_the_fraction_never_falls():
    """A stage that tells nothing at first is judged by its time, which may say more than the stage does afterwards."""
    told = []
    stage = SimpleNamespace(name="train")
    progress = WorkflowProgress(
        lambda *report: told.append(report[1]), [stage], [stage], {"train": Estimate(0.01, BEFORE)}
    )
    progress.begin(stage)
    time.sleep(0.02)
    progress(None)
    progress({"fraction": 0.1, "message": "Epoch 1 of 2"})
    assert told[-2] > 0.5 and told == sorted(told)
    progress.end()
    assert told[-1] == 1.0


def test_an_empty_or_foreign_folder_holds_nothing(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "log.csv").write_text("epoch,loss,val_loss\n0,0.5,")  # its last line is being written
    for folder in (tmp_path, tmp_path / "missing"):
        assert finished_stages(folder) == [] and variants(folder) == [] and check_rows(folder) == []
    assert [(each.number, each.loss, each.val_loss, each.score) for each in epochs(tmp_path)] == [(1, 0.5, None, None)]


def test_the_pythons(tmp_path, monkeypatch):
    monkeypatch.setenv("LIVERTUMOR_MODELS", str(tmp_path / "LiverTumor" / "models"))
    monkeypatch.setenv("PYTHONPATH", "of-slicer")
    own, here = trainer_python("own"), trainer_python("slicer")
    assert own.executable.is_relative_to(own_folder()) and own_folder() == tmp_path / "LiverTumor" / "trainer"
    assert not own.ready and own.installable and here.ready and here.installable
    assert "of-slicer" in here.variables["PYTHONPATH"] and "of-slicer" not in own.variables["PYTHONPATH"]
    other = trainer_python("other", sys.executable, {"PYTHONHOME": "x", "PYTHONPATH": "of-slicer"})
    assert not other.installable and "of-slicer" not in other.variables["PYTHONPATH"] and "HOME" not in other.variables
    for path in ("", tmp_path, tmp_path / "missing"):
        with pytest.raises(UsageError, match="is not a program"):
            trainer_python("other", path)
    with pytest.raises(UsageError, match="no Python of the kind 'conda'"):
        trainer_python("conda")


def test_a_python_that_is_not_there_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("LIVERTUMOR_MODELS", str(tmp_path / "models"))
    request = request_workflow(WorkflowChoices(tmp_path, tmp_path / "out", "fast"))
    with pytest.raises(Exception, match=r"python.* cannot be started: No such file"):
        start_workflow(trainer_python("own"), request)


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A bundle that somebody has made, and an empty folder of the user's models."""
    monkeypatch.setenv("LIVERTUMOR_MODELS", str(tmp_path / "models"))
    manifest = Manifest("mine", "1.0", "Mine", "liver", InputSpec((32, 32), 4.0), 0.5, {}, "mine alone")
    return write_bundle(tmp_path / "made", manifest, {MODEL: b"weights", "card.md": b"# Mine"})


def test_a_model_is_installed_whole_and_listed_first(made):
    installed = install_bundle(made.folder)
    installed.verify()
    assert bundle_folders()[0] == installed.folder and installed.card == "# Mine"
    with pytest.raises(OutputError, match="'mine' is installed already"):
        install_bundle(made.folder)
    newer = write_bundle(made.folder, made.manifest, {MODEL: b"other weights", "card.md": b"# Mine"})
    assert install_bundle(newer.folder, overwrite=True).model.read_bytes() == b"other weights"
    assert [path.name for path in installed.folder.parent.iterdir()] == ["mine"]


def test_a_shipped_model_is_not_put_out_of_use_silently(made, tmp_path):
    shipped = load_bundle(SHIPPED / "tumor-slice")
    with pytest.raises(OutputError, match="'tumor-slice' is installed already"):
        install_bundle(shipped.folder)
    assert not (tmp_path / "models").exists()


def test_what_is_no_sound_bundle_is_not_installed(made, tmp_path):
    made.model.write_bytes(b"damaged")
    with pytest.raises(ModelError, match="damaged"):
        install_bundle(made.folder)
    path = made.folder / "manifest.json"
    path.write_text(path.read_text().replace('"mine"', '"../mine"'))
    with pytest.raises(ModelError, match="is not an id"):
        install_bundle(made.folder)
    assert not (tmp_path / "models").exists()


def test_a_models_folder_that_cannot_be_written_is_told(made, tmp_path):
    (tmp_path / "models").write_text("")
    with pytest.raises(OutputError, match="models cannot be written"):
        install_bundle(made.folder)
