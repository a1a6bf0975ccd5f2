"""What the panels of the modules share. Runs inside the Slicer application only."""

from .run_control import RunControl, ensure_requirements

__all__ = ["RunControl", "ensure_requirements"]
