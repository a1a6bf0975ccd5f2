"""What is said where TensorFlow, or one of the packages that go with it, is missing."""

from __future__ import annotations

from importlib.util import find_spec

from LiverTumorLib.errors import RequirementError

PACKAGES = ("tensorflow", "tf_keras", "tensorflow_model_optimization")


def need_trainer_packages() -> None:
    """Raises RequirementError, saying what to install, where a package is missing; loads none of them."""
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise RequirementError(
            f"The trainer needs {', '.join(PACKAGES)}, of which {', '.join(missing)} cannot be found; "
            "in the folder of this software's source, run: pip install '.[train]'"
        )
