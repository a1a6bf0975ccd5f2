"""Settings of the trainer's stages: what a configuration says is what its command line gives, for every field of every
stage."""

import argparse
import dataclasses
from pathlib import Path

import pytest
from CompressionTrainerLib.settings import add_settings, as_words, changed, read_settings, settings_from
from CompressionTrainerLib.workflow.commands import COMMANDS
from LiverTumorLib.errors import UsageError

# Another value than the default for each field, as a configuration file has it; fields that are not here take the value
# of their kind.
SAID = {
    "same_patient": [["a", "b"], ["c", "d"]],
    "leave_out": [3, "x"],
    "threads": [4, 8],
    "split": "slice",
    "slices": "liver",
    "weights": "last",
    "strategy": "mirrored",
    "up_to_stride": 8,
}
BY_STAGE = {"benchmark": {"slices": 7}, "evaluate": {"threads": 3}}


def told(stage: str) -> dict:
    """Something for every field that can be said together."""
    values = {}
    for field in dataclasses.fields(COMMANDS[stage].settings):
        if field.name in (known := SAID | BY_STAGE.get(stage, {})):
            values[field.name] = known[field.name]
        elif field.type == "bool":
            values[field.name] = not field.default
        else:
            kind = str(field.type).split(" ")[0]
            values[field.name] = {"int": 6, "float": 0.25, "str": "something", "Path": "here/file.npz"}[kind]
    if "from_teacher" in values:
        del values["start"]
    return values


@pytest.mark.parametrize("stage", COMMANDS)
def test_a_configuration_and_the_command_line_mean_the_same(stage, tmp_path):
    kind = COMMANDS[stage].settings
    given = read_settings(tmp_path / "workflow.toml", stage, kind, told(stage))
    assert given.keys() == told(stage).keys()
    parser = argparse.ArgumentParser()
    add_settings(parser, kind)
    settings = settings_from(kind, parser.parse_args(as_words(kind, given)))
    assert settings == kind(**given) and changed(settings) == given
    assert settings_from(kind, parser.parse_args([])) == kind()


def test_values_come_as_the_fields_want_them(tmp_path):
    prepare = read_settings(
        tmp_path / "workflow.toml",
        "prepare",
        COMMANDS["prepare"].settings,
        {"leave_out": [3], "same_patient": [[7, "b"]]},
    )
    assert prepare == {"leave_out": ("3",), "same_patient": (("7", "b"),)}
    assert read_settings(tmp_path / "c.toml", "benchmark", COMMANDS["benchmark"].settings, {"threads": 2}) == {
        "threads": (2,)
    }
    train = read_settings(tmp_path / "c.toml", "train", COMMANDS["train"].settings, {"imagenet": "weights.npz"})
    assert train == {"imagenet": tmp_path / "weights.npz"}
    assert as_words(COMMANDS["quantize"].settings, {"keep_zeros": False, "distill": False}) == ["--no-keep-zeros"]


@pytest.mark.parametrize(
    ("stage", "values", "said"),
    [
        ("prune", {"sparsty": 0.1}, "'sparsty' is not a setting; did you mean 'sparsity'?"),
        ("prune", {"sparsity": 1}, "sparsity is 1; it must be between 0 and 1."),
        ("prune", {"epochs": 0}, "epochs is 0; it must be at least 1."),
        ("prune", {"epochs": 1.5}, "epochs is 1.5; it must be a whole number."),
        ("prune", {"epochs": True}, "epochs is True; it must be a whole number."),
        ("slim", {"up_to_stride": 3}, "up_to_stride is 3; it must be one of 1, 2, 4, 8, 16, 32."),
        ("benchmark", {"threads": [1, 0]}, "threads is [1, 0]; it must be at least 1."),
        ("quantize", {"distill": "yes"}, "distill is 'yes'; it must be true or false."),
        ("train", {"imagenet": 3}, "imagenet is 3; it must be the name of a file."),
        ("distill", {"start": "x.h5", "from_teacher": True}, "start and from_teacher both name the weights"),
        ("prune", 3, "'prune' is a section; write [prune] and its settings below."),
    ],
)
def test_what_does_not_fit_is_told_with_its_file(stage, values, said):
    with pytest.raises(UsageError) as caught:
        read_settings(Path("workflow.toml"), stage, COMMANDS[stage].settings, values)
    assert str(caught.value).startswith("workflow.toml: ") and said in str(caught.value)


def test_what_excludes_each_other_is_told_on_the_command_line_too():
    parser = argparse.ArgumentParser()
    kind = COMMANDS["distill"].settings
    add_settings(parser, kind)
    with pytest.raises(UsageError, match="leave one of them out"):
        settings_from(kind, parser.parse_args(["--start", "x.h5", "--from-teacher"]))
