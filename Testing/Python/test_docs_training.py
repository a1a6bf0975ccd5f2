"""What the pages about training say can be typed: every command, option, setting and configuration that they name is
there."""

import re
import shlex
from dataclasses import fields

import pytest
from CompressionTrainerLib.training.config import _SECTIONS, load_config
from CompressionTrainerLib.workflow.config import CONFIGS, NETWORKS
from LiverTumorLib.cli import build_parser
from read_extension import ROOT

TEXTS = {
    name: (ROOT / "Docs" / name).read_text(encoding="utf-8") for name in ("training.md", "checklist.md", "commands.md")
}
COMMANDS = build_parser()._subparsers._group_actions[0].choices


def test_every_command_is_understood():
    lines = re.findall(r"^livertumor (.+)$", TEXTS["training.md"].replace("\\\n", ""), re.MULTILINE)
    assert len(lines) > 12
    for line in lines:
        arguments = build_parser().parse_args(shlex.split(line))
        if line.startswith("compress"):
            assert (CONFIGS / f"{arguments.config}.toml").is_file()
            assert arguments.network is None or (NETWORKS / f"{arguments.network}.toml").is_file()


def test_the_studys_commands_are_understood():
    lines = re.findall(r"`livertumor ([^`]*--[^`]*)`", (ROOT / "Docs" / "study.md").read_text(encoding="utf-8"))
    distill = next(line for line in lines if line.startswith("distill"))
    arguments = build_parser().parse_args(
        [*shlex.split(distill), *["--data", "D", "--split", "S", "--cache", "C", "--out", "O"]]
    )
    assert load_config(arguments.config).task == "slice"


def test_the_recipe_of_the_shipped_models_is_understood():
    recipe = (ROOT / "Docs" / "models.md").read_text(encoding="utf-8").partition("## How they were made")[2]
    values = dict(re.findall(r'^(\w)="?([^"\n]+)"?$', recipe, re.MULTILINE))
    lines = re.findall(r"^livertumor (.+)$", recipe, re.MULTILINE)
    assert len(lines) > 12
    for line in lines:
        while "$" in line:
            line = re.sub(r"\$(\w)", lambda match: values[match[1]], line)
        arguments = build_parser().parse_args(shlex.split(line))
        if hasattr(arguments, "config"):
            assert (ROOT / arguments.config).is_file(), arguments.config


def test_every_command_is_on_the_page_of_commands():
    for command in COMMANDS:
        assert re.search(rf"(?:`|livertumor ){command}\b", TEXTS["commands.md"]), command


@pytest.mark.parametrize("name", TEXTS)
def test_options_settings_and_files_exist(name):
    spans = re.findall(r"`([^`\n]+)`", TEXTS[name])
    options = {flag for command in COMMANDS.values() for action in command._actions for flag in action.option_strings}
    for span in spans:
        words = span.split()
        if words[0] in COMMANDS and len(words) > 1:
            own = {flag for action in COMMANDS[words[0]]._actions for flag in action.option_strings}
            assert {word for word in words if word.startswith("--")} <= own, span
        assert {word for word in words if word.startswith("--")} <= options, span
        if setting := re.match(r"\[(\w+)\] (\w+)", span):
            assert setting[2] in {field.name for field in fields(_SECTIONS[setting[1]])}, span
        if span.endswith(".toml") and "/" in span:
            assert (ROOT / "CompressionTrainer" / "CompressionTrainerLib" / span).is_file(), span


def test_every_row_of_the_checklist_is_there_once():
    rows = []
    for cell in re.findall(r"^\| ([\d, –]+) \|", TEXTS["checklist.md"], re.MULTILINE):
        for part in cell.split(", "):
            first, _, last = part.partition("–")
            rows += range(int(first), int(last or first) + 1)
    assert sorted(rows) == list(range(1, 90))
