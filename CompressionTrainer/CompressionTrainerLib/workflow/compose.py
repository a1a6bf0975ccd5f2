"""A workflow's configuration as text, for a workflow that was put together from another one."""

from __future__ import annotations

import json
import os
from pathlib import Path

from .config import Workflow


def workflow_text(workflow: Workflow) -> str:
    """The TOML file that `load_workflow` reads as `workflow`, wherever it lies: the files that it names stand there
    with their whole paths."""
    lines = [f"name = {_toml(workflow.name)}", f"network = {_toml(workflow.network.path)}"]
    for stage, settings in workflow.stages.items():
        student = {"config": workflow.student.path} if stage == "distill" and workflow.student else {}
        given = student | settings
        lines += ["", f"[{stage}]", *(f"{key} = {_toml(value)}" for key, value in given.items())]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    """A text, number, truth value or list; what JSON makes of these is TOML too."""
    return json.dumps(os.path.abspath(value) if isinstance(value, Path) else value, ensure_ascii=False)
