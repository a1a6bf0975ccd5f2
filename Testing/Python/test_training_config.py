"""What a training configuration may say, and what is said where it says something else. Needs no TensorFlow."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from CompressionTrainerLib.stages import cross_validate, distill, train
from CompressionTrainerLib.training.config import config_from_dict, load_config
from LiverTumorLib.errors import UsageError
from tiny_training import TINY

CONFIGS = Path(__file__).parents[2] / "CompressionTrainer/CompressionTrainerLib/training/configs"


def complaint(tmp_path: Path, task: str, before: str, after: str) -> str:
    """What is said of TINY with a text in place of another."""
    text = TINY.format(task=task, region="body")
    assert before in text
    (tmp_path / "config.toml").write_text(text.replace(before, after))
    with pytest.raises(UsageError) as error:
        load_config(tmp_path / "config.toml")
    return str(error.value).removeprefix(f"{tmp_path / 'config.toml'}: ")


@pytest.mark.parametrize(
    ("command", "words", "name"),
    [
        (train, ["train", "fast"], "fast"),
        (train, ["train", "liver-roi-refit"], "refits/liver-roi-refit"),
        (distill, ["distill", "run", "--config", "tumor-slice-student"], "tumor-slice-student"),
        (cross_validate, ["cross-validate", "liver-tumor"], "liver-tumor"),
    ],
)
def test_a_command_takes_a_shipped_configuration_by_its_name_wherever_it_is_called(
    tmp_path, monkeypatch, command, words, name
):
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    data = [f"--{each}={each}" for each in ("data", "split", "cache", "out")]
    (tmp_path / name.rpartition("/")[2]).write_text("a file of the user's is told by its ending or a separator")
    monkeypatch.chdir(tmp_path)
    assert load_config(parser.parse_args(words + data).config) == load_config(CONFIGS / f"{name}.toml")


def test_a_path_is_no_name_and_what_is_neither_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for given in ("fast.toml", "./fast", "configs/fast"):
        with pytest.raises(UsageError, match="fast(.toml)? is not a training configuration; did you mean 'fast'"):
            load_config(given)
    with pytest.raises(UsageError, match="fasst is not a training configuration; did you mean 'fast'"):
        load_config("fasst")
    (tmp_path / "fast.toml").write_text(TINY.format(task="liver", region="body"))
    assert load_config("fast.toml").name == "tiny" and load_config("fast").name == "fast"


@pytest.mark.parametrize(
    ("task", "after", "said"),
    [
        ("liver", '[optimizer]\nschedule = "cosin"', "[optimizer] schedule is 'cosin'; did you mean 'cosine'?"),
        (
            "liver",
            '[optimizer]\nprecision = "bfloat16"',
            "[optimizer] precision is 'bfloat16'; did you mean 'mixed_bfloat16'?",
        ),
        ("liver", '[optimizer]\nlearning_rate = "fast"', "[optimizer] learning_rate is 'fast'; it must be a number."),
        ("liver", "[optimizer]\nstop_patience = 2.5", "[optimizer] stop_patience is 2.5; it must be a whole number."),
        ("liver", '[loss]\nkind = "twersky"\n[optimizer]', "[loss] kind is 'twersky'; did you mean 'tversky'?"),
        (
            "slice",
            '[loss]\nkind = "dice"\n[optimizer]',
            "[loss] kind is 'dice'; it must be one of cross_entropy, focal.",
        ),
        (
            "slice",
            '[loss]\nclass_weigths = [1.0, 2.0]\n[optimizer]',
            "[loss] 'class_weigths' is not a setting; did you mean 'class_weights'?",
        ),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_the_nearest_right_one(tmp_path, task, after, said):
    assert complaint(tmp_path, task, "[optimizer]", after) == said


@pytest.mark.parametrize(
    ("task", "after", "said"),
    [
        ("slice", 'architecture = "resnet"', "[network] architecture is 'resnet'; did you mean 'resnet50'?"),
        (
            "tumor",
            'architecture = "vgg16"',
            "[network] architecture is 'vgg16'; it must be one of mobile_unet, unet, resunet.",
        ),
        ("slice", 'head = "averge"', "[network] head is 'averge'; did you mean 'average'?"),
        ("slice", "blocks = 12", "[network] blocks is 12; it must be from 8 to 17, and up to 13 it needs stride = 16."),
        (
            "slice",
            "stride = 16\nblocks = 7",
            "[network] blocks is 7; it must be from 8 to 17, and up to 13 it needs stride = 16.",
        ),
        ("tumor", "blocks = 12", "[network] blocks is a setting of MobileNetV2's; mobile_unet has none."),
    ],
)
def test_a_wrong_network_is_named_with_those_there_are(tmp_path, task, after, said):
    assert complaint(tmp_path, task, "[network]", f"[network]\n{after}") == said


@pytest.mark.parametrize(
    ("task", "size", "said"),
    [
        ("slice", [144, 168], "both must be multiples of 32: [128, 160], say."),
        ("tumor", [144, 168], "both must be multiples of 16: [144, 160], say."),
        ("liver", [8, 64], "both must be multiples of 16: [16, 64], say."),
        ("liver", [0, 64], "it must be two whole numbers from 1 to 4096, rows and columns."),
    ],
)
def test_a_size_that_the_network_does_not_divide_is_told_with_one_that_it_does(tmp_path, task, size, said):
    assert complaint(tmp_path, task, "size = [64, 64]", f"size = {size}") == f"[input] size is {size}; {said}"


def test_an_average_takes_any_size(tmp_path):
    text = (
        TINY.format(task="slice", region="body")
        .replace("[64, 64]", "[70, 70]")
        .replace("[network]", '[network]\nhead = "average"')
    )
    (tmp_path / "config.toml").write_text(text)
    assert load_config(tmp_path / "config.toml").input.size == (70, 70)


def test_an_unknown_setting_is_named(tmp_path):
    said = "[sampling] 'backgroud_share' is not a setting; did you mean 'background_share'?"
    assert complaint(tmp_path, "liver", "background_share", "backgroud_share") == said


@pytest.mark.parametrize("setting", ['schedule = "plateau"', "stop_patience = 2"])
def test_a_refit_cannot_watch_patients_that_it_trains_on(tmp_path, setting):
    text = TINY.format(task="liver", region="body").replace("[input]", "refit = true\n[input]")
    (tmp_path / "config.toml").write_text(text.replace("[optimizer]", f"[optimizer]\n{setting}"))
    with pytest.raises(UsageError, match="refit leaves no patients to validate on"):
        load_config(tmp_path / "config.toml")
    (tmp_path / "config.toml").write_text(text)
    assert load_config(tmp_path / "config.toml").refit


@pytest.mark.parametrize(
    "before, after, said",
    [
        ('name = "tiny"', 'name = "tiny"\nseed = -1', "seed must be at least 0"),
        ('name = "tiny"', 'name = "tiny"\nval_step = 0', "val_step must be at least 1"),
        ("size = [64, 64]", "size = [64]", r"\[input\] size is \[64\]; it must be two whole numbers"),
        ("width = 0.35", "width = 0", r"\[network\] width must be above 0"),
        ("width = 0.35", "dropout = 1.5", r"\[network\] dropout must be from 0"),
        ("epochs = 2", "epochs = 2\nwarmup_epochs = -1", "warmup_epochs must be at least 0"),
        ("synthetic_lesions = 0.5", "lesion_radius_mm = [16, 0]", "the smallest and the largest radius"),
        ("[augmentation]", '[loss]\nclass_weights = ["a", "b"]\n[augmentation]', "two numbers above 0"),
    ],
)
def test_a_number_that_would_end_a_training_is_named(tmp_path, before, after, said):
    (tmp_path / "tiny.toml").write_text(TINY.format(task="slice", region="body").replace(before, after))
    with pytest.raises(UsageError, match=said):
        load_config(tmp_path / "tiny.toml")


def test_an_epoch_shorter_than_a_batch_is_refused(tmp_path):
    assert "an epoch's slices at least one batch" in complaint(tmp_path, "liver", "slices = 16", "slices = 4")


@pytest.mark.parametrize("rate", ["0.0", "-1e-3", "nan", "inf"])
def test_a_learning_rate_that_teaches_nothing_is_refused(tmp_path, rate):
    said = complaint(tmp_path, "liver", "[optimizer]", f"[optimizer]\nlearning_rate = {rate}")
    assert said.endswith("it must be above 0.")


@pytest.mark.parametrize("share", ["0.8", "-0.1"])
def test_shares_that_are_none_are_refused(tmp_path, share):
    assert "together at most 1" in complaint(
        tmp_path, "liver", "background_share = 0.25", f"background_share = {share}"
    )


def test_a_configuration_survives_json_and_old_ones_get_todays_defaults():
    config = load_config(CONFIGS / "paper.toml")
    assert config_from_dict(json.loads(json.dumps(config.to_dict()))) == config
    old = json.loads(json.dumps(load_config(CONFIGS / "tumor-slice.toml").to_dict()))
    for section, settings in {
        "network": ("architecture", "head"),
        "optimizer": ("schedule", "precision", "stop_patience"),
    }.items():
        for setting in settings:
            del old[section][setting]
    del old["loss"], old["keep_epochs"]
    assert config_from_dict(old) == load_config(CONFIGS / "tumor-slice.toml")


def test_the_papers_configuration_is_the_papers():
    config = load_config(CONFIGS / "paper.toml")
    assert (config.architecture, config.network.width, config.network.head) == ("mobilenet_v2", 1.0, "average")
    assert (config.input.size, config.input.neighbor_mm) == ((224, 224), 0.0)
    optimizer = config.optimizer
    assert (optimizer.learning_rate, optimizer.batch, optimizer.epochs, optimizer.schedule) == (1e-4, 32, 30, "plateau")
    assert optimizer.stop_patience > optimizer.plateau_patience > 0 and config.keep_epochs


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.toml")), ids=lambda path: path.stem)
def test_shipped_configurations_load(path):
    assert load_config(path).name == path.stem
