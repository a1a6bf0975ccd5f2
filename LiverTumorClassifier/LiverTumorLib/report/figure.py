"""A matplotlib figure that no window shows."""

from __future__ import annotations

from ..errors import RequirementError


def new_figure(size_inch: tuple[float, float], dpi: int):
    """An empty white figure with an Agg canvas of its own. Raises RequirementError where there is no matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise RequirementError(
            "Pictures and reports need matplotlib; install it with: pip install matplotlib"
        ) from error
    figure = Figure(figsize=size_inch, dpi=dpi, facecolor="white")
    FigureCanvasAgg(figure)
    return figure
