"""What slicer-core lacks of Slicer's Python, enough to load the module files and to use their logic without the application.

Only what this project uses is here, with Slicer's behaviour; anything else is missing and raises. There is no window, so the
widgets cannot be made.
"""

from pathlib import Path


def install() -> None:
    """Make the stand-ins importable as parts of slicer-core's `slicer` package, and give it a scene."""
    import slicer

    parts = str(Path(__file__).with_name("parts"))
    if parts not in slicer.__path__:
        slicer.__path__.append(parts)
    if not hasattr(slicer, "mrmlScene"):
        slicer.mrmlScene = slicer.vtkMRMLScene()


class ModuleParent:
    """The object that Slicer hands to a module's constructor; an attribute that Slicer's has not cannot be set."""

    __slots__ = ("acknowledgementText", "categories", "contributors", "dependencies", "helpText", "path", "title")

    def __init__(self, path: str) -> None:
        self.path = path
