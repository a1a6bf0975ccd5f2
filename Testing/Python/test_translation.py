"""Sentences that Slicer's own process shows can be translated; those of child processes come as they are."""

import ast
from pathlib import Path

import LiverTumorLib
import pytest
from LiverTumorLib import errors

FOLDERS = [Path(LiverTumorLib.__file__).parent / name for name in ("mrml", "panel")]
FILES = sorted(path for folder in FOLDERS for path in folder.glob("*.py"))
ERRORS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}


def raised_texts(path: Path) -> list[ast.expr]:
    """What is said by the errors that a file raises."""
    calls = [node.exc for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Raise)]
    calls = [call for call in calls if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ERRORS]
    return [call.args[0] for call in calls]


def is_translated(text: ast.expr) -> bool:
    """`_("...")`, perhaps with `.format(...)`, or a variable that holds one."""
    if isinstance(text, ast.Call) and isinstance(text.func, ast.Attribute) and text.func.attr == "format":
        text = text.func.value
    return isinstance(text, ast.Name) or (isinstance(text, ast.Call) and getattr(text.func, "id", "") == "_")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_errors_can_be_translated(path):
    assert [ast.unparse(text) for text in raised_texts(path) if not is_translated(text)] == []


def test_there_are_errors_to_look_at():
    assert sum(len(raised_texts(path)) for path in FILES) > 20
