"""A text of our own in a slice view: Slicer's DataProbe rewrites the four corner annotations."""

from __future__ import annotations

_SIZE = 20
_PLACE = (0.5, 0.96)  # of the view, from the lower left; the corners are Slicer's


class SliceText:
    """The text of one slice view; nothing at all where there are no views (no main window).

    Args:
        slice_node: the view's vtkMRMLSliceNode.
    """

    def __init__(self, slice_node) -> None:
        import slicer
        import vtk

        manager = slicer.app.layoutManager()
        widget = manager.sliceWidget(slice_node.GetLayoutName()) if manager is not None else None
        self._view = widget.sliceView() if widget is not None else None
        if self._view is None:
            return
        self._actor = vtk.vtkTextActor()
        self._actor.GetPositionCoordinate().SetCoordinateSystemToNormalizedViewport()
        self._actor.SetPosition(*_PLACE)
        style = self._actor.GetTextProperty()
        style.SetFontSize(_SIZE)
        style.SetJustificationToCentered()
        style.SetVerticalJustificationToTop()
        style.SetShadow(True)
        self._renderer = self._view.renderWindow().GetRenderers().GetFirstRenderer()
        self._renderer.AddViewProp(self._actor)

    def show(self, text: str, color: tuple[float, float, float]) -> None:
        """Change the text; color in fractions of one."""
        if self._view is not None:
            self._actor.SetInput(text)
            self._actor.GetTextProperty().SetColor(*color)
            self._view.scheduleRender()

    def remove(self) -> None:
        """Take the text out of the view."""
        if self._view is not None:
            self._renderer.RemoveViewProp(self._actor)
            self._view.scheduleRender()
            self._view = None
