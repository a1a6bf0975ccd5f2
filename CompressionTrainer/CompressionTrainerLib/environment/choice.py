"""Which Python trains: Slicer's own, a virtual environment of the user's, or any other; TensorFlow stays out of
Slicer's process."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from LiverTumorLib.errors import UsageError
from LiverTumorLib.models.catalogue import user_folder

from .process import child_environment

OWN, SLICER, OTHER = KINDS = ("own", "slicer", "other")
UNFINISHED = "unfinished"  # in a virtual environment: an installation was begun there and has not come to its end


@dataclass(frozen=True)
class TrainerPython:
    """A Python and the environment variables it is started with.

    Attributes:
        kind: one of KINDS.
        executable: the interpreter, which need not be there yet.
        variables: of the child, PYTHONPATH included.
    """

    kind: str
    executable: Path
    variables: Mapping[str, str]

    @property
    def installable(self) -> bool:
        """Whether packages may be installed there; a Python of the user's is the user's to fill."""
        return self.kind != OTHER

    @property
    def ready(self) -> bool:
        """Whether it is there, as far as can be told without starting it."""
        return self.executable.is_file() and not (self.kind == OWN and (own_folder() / UNFINISHED).exists())


def own_folder() -> Path:
    """The user's virtual environment for training, beside the user's models; its path is short, since TensorFlow's are
    long."""
    return user_folder().parent / "trainer"


def trainer_python(kind: str, path: str | Path = "", startup: Mapping[str, str] | None = None) -> TrainerPython:
    """The Python of a kind.

    Args:
        kind: "own" (a virtual environment of the user's, made by Slicer's Python), "slicer" or "other".
        path: the interpreter of kind "other".
        startup: the environment variables from before Slicer changed them, for "other"; by default this process's.

    Raises:
        UsageError: an unknown kind, or a path that is not a program.
    """
    here = dict(os.environ)
    if kind == SLICER:
        return TrainerPython(kind, Path(sys.executable), child_environment(here))
    if kind == OWN:
        here.pop("PYTHONPATH", None)  # Slicer's packages are not to stand before those installed there
        place = "Scripts/python.exe" if os.name == "nt" else "bin/python"
        return TrainerPython(kind, own_folder() / place, child_environment(here))
    if kind != OTHER:
        raise UsageError(f"There is no Python of the kind {kind!r}; choose one of {', '.join(KINDS)}.")
    executable = Path(path).expanduser()
    if not (path and executable.is_file() and os.access(executable, os.X_OK)):
        raise UsageError(
            f"'{path}' is not a program; choose the python (python.exe) of an environment with TensorFlow in it."
        )
    others = dict(here if startup is None else startup)
    others.pop("PYTHONPATH", None)
    return TrainerPython(kind, Path(os.path.abspath(executable)), child_environment(others))
