"""What has been done in a workflow's folder: each finished stage leaves an entry, each folder that the workflow made
bears a mark.

OUT/stages/STAGE.done.json    the stage's identity, what it was made of, seconds, versions and date, once it is finished
OUT/…/.stage.json             in the folder of each stage, finished or not: its identity. Only a folder with it is ever
removed.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from LiverTumorLib.atomic import holds_nothing, remove_unfinished
from LiverTumorLib.errors import OutputError
from LiverTumorLib.files import write_json

from .plan import Stage

FOLDER, MARK = "stages", ".stage.json"
_DONE = ".done.json"  # benchmark.json is what 'livertumor benchmark' writes, and what the report looks for


@dataclass(frozen=True)
class Standing:
    """Where a stage stands: "done", "stopped" (half-made), "changed" (made from something else, which `why` tells) or
    "new"."""

    what: str
    why: str = ""


def standing(out: Path, stage: Stage) -> Standing:
    """Where a stage stands.

    Raises:
        OutputError: the folder that the stage would make was not made by a workflow.
    """
    mark = read(stage.folder / MARK)
    if mark is None:
        if stage.folder.exists() and not (stage.folder.is_dir() and holds_nothing(stage.folder)):
            raise OutputError(
                f"{stage.folder} is there already and was not made by 'livertumor compress'; choose another --out."
            )
        return Standing("new")
    if mark.get("identity") != stage.identity:
        return Standing("changed", _difference(mark.get("parts", {}), stage.parts))
    done = entry(out, stage.name) or {}
    return Standing("done" if done.get("identity") == stage.identity else "stopped")


def left_over(out: Path, stages: list[Stage]) -> dict[Path, str]:
    """Folders of stages that the workflow no longer has, with the stages' names."""
    planned = {stage.folder for stage in stages}
    marks = [*out.glob(f"*/{MARK}"), *out.glob(f"*/*/{MARK}")]
    return {
        mark.parent: (read(mark) or {}).get("stage", mark.parent.name)
        for mark in sorted(marks)
        if mark.parent not in planned
    }


def mark(stage: Stage) -> None:
    """Make a stage's folder, as one of the workflow's."""
    remove_unfinished(stage.folder)
    write_json(stage.folder / MARK, {"stage": stage.name, "identity": stage.identity, "parts": stage.parts})


def finish(out: Path, stage: Stage, **more) -> None:
    """Write down that a stage is finished."""
    made = {
        "stage": stage.name,
        "identity": stage.identity,
        "parts": stage.parts,
        "folder": stage.folder.relative_to(out).as_posix(),
    }
    write_json(out / FOLDER / f"{stage.name}{_DONE}", made | {"steps": stage.steps, "words": stage.words, **more})


def entry(out: Path, name: str) -> dict | None:
    """What was written down of a stage when it was finished, perhaps from something else."""
    return read(out / FOLDER / f"{name}{_DONE}")


def forget(out: Path, name: str) -> None:
    """Remove what was written down of a stage."""
    (out / FOLDER / f"{name}{_DONE}").unlink(missing_ok=True)


def remove(folder: Path) -> None:
    """Remove a folder that the workflow has made; raises OutputError where that does not work."""
    if not (folder / MARK).is_file():
        return
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be removed: {error.strerror or error}; remove it, then give the same command again."
        ) from error


def read(path: Path) -> dict | None:
    """A JSON object; None where there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _difference(before: dict, now: dict) -> str:
    """What a stage's result depends on and is another now than it was, in a few words."""
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key), now.get(key)
        if old == new:
            continue
        if key == "after":
            return "it builds on a stage that is repeated"
        if key == "sources" or any(isinstance(value, str) and len(value) == 64 for value in (old, new)):
            what = {"sources": "configuration" if now["command"] == "train" else "data"}.get(key, key)
            return f"the content of its {what} has changed"
        return f"{key} was {old}, now {new}"
    return "it was made by another version"
