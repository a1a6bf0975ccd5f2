"""What the panels of the modules are made of. Runs inside the Slicer application only.

A module's widget class makes its panel in `setup` and hands Slicer's calls on to it; everything else is here, since the
module files are loaded before Slicer knows all folders that hold this package.
"""

from .panel import Panel
from .run_control import RunControl, ensure_requirements

__all__ = ["Panel", "RunControl", "ensure_requirements"]
