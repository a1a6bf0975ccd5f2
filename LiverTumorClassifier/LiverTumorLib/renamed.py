"""Keys that files of earlier versions spell the British way."""

from __future__ import annotations

from typing import Any

RENAMED = {"licence": "license", "neighbour_mm": "neighbor_mm", "weights_licence": "weights_license"}


def with_new_keys(content: Any) -> Any:
    """JSON or TOML content with the keys of today, at any depth; a key that is there in both spellings stays as it is.

    Raises:
        ValueError: nested too deeply.
    """
    try:
        return _renamed(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _renamed(content: Any) -> Any:
    if isinstance(content, list):
        return [_renamed(item) for item in content]
    if not isinstance(content, dict):
        return content
    return {
        key if (new := RENAMED.get(key, key)) in content else new: _renamed(value) for key, value in content.items()
    }
