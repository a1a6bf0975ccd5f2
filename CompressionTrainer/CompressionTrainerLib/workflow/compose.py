"""A chain's configuration as text, for a chain that was put together from another one."""

from __future__ import annotations

import json
import os
from pathlib import Path

from .config import Chain


def chain_text(chain: Chain) -> str:
    """The TOML file that `load_chain` reads as `chain`, wherever it lies: the files that it names stand there with
    their whole paths."""
    lines = [f"name = {_toml(chain.name)}", f"network = {_toml(chain.network.path)}"]
    for stage, settings in chain.stages.items():
        given = {"config": chain.student.path, **settings} if stage == "distill" else settings
        lines += ["", f"[{stage}]", *(f"{key} = {_toml(value)}" for key, value in given.items())]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    """A text, number, truth value or list; what JSON makes of these is TOML too."""
    return json.dumps(os.path.abspath(value) if isinstance(value, Path) else value, ensure_ascii=False)
