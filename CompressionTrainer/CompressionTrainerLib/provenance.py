"""Which code and which models gave the figures, and the log of every look at test data."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from LiverTumorLib import __version__
from LiverTumorLib.errors import OutputError

CHECKOUT = Path(__file__).parents[2]


def checkout_log() -> Path | None:
    """The log that is committed with the source; None where this runs from an installed package."""
    return CHECKOUT / "Testing" / "evaluation-log.jsonl" if (CHECKOUT / ".git").exists() else None


def provenance(command: str, models: list[dict]) -> dict:
    """Date (UTC), version and commit of this software, whether tracked files differ from that, command and models."""
    known = commit()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": __version__,
        "commit": known or "unknown",
        "uncommitted_changes": bool(known and _git("status", "--porcelain", "--untracked-files=no")),
        "command": command,
        "models": models,
    }


def commit() -> str:
    """The commit of this code; "" where it is not a checkout, as after an installation, or there is no git."""
    # An environment may lie in another repository.
    return _git("rev-parse", "HEAD") if (CHECKOUT / ".git").exists() else ""


def code_of(record: Mapping, digits: int | None = None) -> str:
    """Which code made a record of a run or a measurement: its commit (the first `digits` of it), or the package's
    version."""
    known = record.get("commit")
    if known and known != "unknown":
        return f"commit {known[:digits]}"
    version = record.get("version") or record.get("versions", {}).get("livertumor")
    return f"package version {version}" if version else "unknown version"


def append_log(path: Path, record: dict) -> None:
    """Append one JSON line; raises OutputError where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
    except OSError as error:
        raise OutputError(
            f"The evaluation cannot be logged in {path}: {error.strerror}; choose another file with --log."
        ) from error


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(CHECKOUT), *arguments], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
