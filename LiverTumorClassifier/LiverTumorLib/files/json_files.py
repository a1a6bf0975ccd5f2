"""JSON files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from ..atomic import atomic_path

LONGEST_JSON = 32 << 20  # bytes


def write_json(path: str | Path, data: Any) -> None:
    """Write data as indented UTF-8 JSON; numpy values become plain ones, NaN and infinities null.

    Raises:
        OutputError: the file cannot be written.
    """
    text = json.dumps(plain(data), indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Data from a JSON file of anybody's.

    Raises:
        OSError: it cannot be read.
        ValueError: no JSON, NaN or an infinity in it, nested too deeply, or longer than LONGEST_JSON.
    """
    with open(path, "rb") as file:
        content = file.read(LONGEST_JSON + 1)
    if len(content) > LONGEST_JSON:
        raise ValueError(f"it is longer than {LONGEST_JSON >> 20} MB")
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def plain(value: Any) -> Any:
    """A value as JSON has it: numpy values become plain ones, NaN and infinities None, paths text."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not a number")
