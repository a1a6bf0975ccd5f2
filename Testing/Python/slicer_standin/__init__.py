"""What slicer-core lacks of Slicer's Python, enough to load the module files and to use their logic without the
application.

Only what this project uses is here, with Slicer's behavior; anything else is missing and raises. Panels are opened in
the application of `application`: real Qt with the manners of Slicer's PythonQt, and plain widgets in place of qMRML's
and CTK's. What is here was checked with Slicer 5.12.3's own ScriptedLoadableModule, parameterNodeWrapper and util on
top of it.
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
