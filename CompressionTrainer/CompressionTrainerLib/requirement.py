"""What is said where TensorFlow, or one of the packages that go with it, is missing."""

from __future__ import annotations

from importlib.util import find_spec

from LiverTumorLib.errors import RequirementError

PACKAGES = ("tensorflow", "tf_keras", "tensorflow_model_optimization")


def need_trainer_packages(*more: str) -> None:
    """Raises RequirementError, saying what to install, where a package (of PACKAGES, or one `more`) is missing; loads
    none of them."""
    needed = (*PACKAGES, *more)
    missing = [package for package in needed if find_spec(package) is None]
    if missing:
        raise RequirementError(
            f"The trainer needs {', '.join(needed)}, of which {', '.join(missing)} cannot be found; "
            "in the folder of this software's source, run: pip install '.[train]'"
        )
