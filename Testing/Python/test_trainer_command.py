"""The trainer's commands: what --help says, and what is said where TensorFlow is missing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from CompressionTrainerLib.workflow.commands import STAGES
from LiverTumorLib import cli
from LiverTumorLib.cli import build_parser
from LiverTumorLib.errors import RequirementError

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "CompressionTrainer/CompressionTrainerLib/training/configs/liver-roi.toml"
COMMANDS = [
    ["compress", "fast", "--out", "out"],
    ["train", str(CONFIG), "--out", "out"],
    ["prune", "run"],
    ["slim", "run"],
    ["distill", "run", "--config", str(CONFIG), "--out", "out"],
    ["quantize", "run"],
    ["export", "run", "--out", "out"],
    ["variants", "run", "--out", "out"],
]
DATA = ["--data", "data", "--split", "split.json", "--cache", "cache"]
# With None in sys.modules Python says ModuleNotFoundError at the import, as it does where the package is not installed.
WITHOUT = (
    "import sys; sys.path[:0] = {paths!r}; sys.modules[{package!r}] = None; from LiverTumorLib.cli import main; "
    "sys.exit(main())"
)


@pytest.mark.parametrize("package", ["tensorflow", "tf_keras", "tensorflow_model_optimization"])
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_missing_package_is_one_sentence_that_says_what_to_install(tmp_path, words, package):
    code = WITHOUT.format(paths=[str(ROOT / "LiverTumorClassifier"), str(ROOT / "CompressionTrainer")], package=package)
    done = subprocess.run(
        [sys.executable, "-c", code, *words, *DATA], capture_output=True, text=True, cwd=tmp_path, timeout=600
    )
    assert done.returncode == RequirementError.exit_code and done.stdout == ""
    (sentence,) = done.stderr.strip().splitlines()
    assert sentence.startswith("livertumor: The trainer needs tensorflow, ") and sentence.endswith(
        "run: pip install '.[train]'"
    )
    assert package in sentence.partition("of which")[2]
    assert list(tmp_path.iterdir()) == []


def test_a_missing_tensorboard_is_said_where_it_was_asked_for(tmp_path):
    code = WITHOUT.format(
        paths=[str(ROOT / "LiverTumorClassifier"), str(ROOT / "CompressionTrainer")], package="tensorboard"
    )
    words = ["train", str(CONFIG), "--out", "out", "--tensorboard", *DATA]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=tmp_path, timeout=600
    )
    assert done.returncode == RequirementError.exit_code
    assert "of which tensorboard cannot be found" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        *(words[0] for words in COMMANDS),
        "export-onnx",
        "benchmark",
        "compare",
        "report",
        "saliency",
        "evaluate",
        "segment",
        "classify",
        "demo",
        "models",
    ],
)
def test_help_describes_the_command(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        build_parser().parse_args([command, "--help"])
    text = capsys.readouterr().out
    usage, description, *_ = text.split("\n\n")
    assert len(description) > 20 and description.rstrip().endswith(".")
    assert "%%" not in text and "%(" not in text


def test_the_help_of_compress_names_every_stage(capsys):
    with pytest.raises(SystemExit, match="0"):
        build_parser().parse_args(["compress", "--help"])
    description = capsys.readouterr().out.split("\n\n")[1]
    assert [stage for stage in STAGES if not re.search(rf"\b{stage}\b", description)] == []


def test_a_command_is_found_by_its_name_alone():
    """Its own module is the only one that is loaded for it."""
    (commands,) = (action for action in build_parser()._actions if action.choices)
    assert set(commands.choices) == set(cli.COMMANDS)
    for name in cli.COMMANDS:
        (alone,) = (action for action in build_parser(name)._actions if action.choices)
        assert name in alone.choices and alone.choices[name].format_help() == commands.choices[name].format_help()


def test_every_option_has_a_help_text():
    (commands,) = (action for action in build_parser()._actions if action.choices)
    for name, parser in commands.choices.items():
        assert [action.dest for action in parser._actions if not (action.help or action.choices)] == [], name
