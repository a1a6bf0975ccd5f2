"""The way back from a run, a threshold or an edit of lesions that wrote over a segmentation: its segments, tables and
maps.

Slicer's scene has an undo too (`vtkMRMLScene.SaveStateForUndo`), but it is off for all nodes unless an application
switches it on, and then for everything; the Segment Editor's belongs to its widget. Both use, or could use,
`vtkSegmentationHistory`, which is used here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from .corrections import Contents, contents
from .nodes import one_update, remove_node
from .percent import show_percent

if TYPE_CHECKING:
    from .serving import Computation

MOST_STATES = 8  # of all segmentations of the scene; each holds a copy of the segments, and the kept maps of a run

_states: list[State] = []


def undoable(segmentation_node, tables: tuple[str, ...], maps: tuple[str, ...]) -> AbstractContextManager[None]:
    """Keep what a segmentation holds, so that `undo` brings it back, unless the block fails.

    Args:
        segmentation_node: None, or one that is new, has nothing to go back to.
        tables, maps: the references to the tables and to the volumes that belong to it.
    """
    return undoable_to(_state(segmentation_node, tables, maps))


@contextmanager
def undoable_to(state: State | None) -> Iterator[None]:
    """`undoable` to a state of `keeping`."""
    yield
    _states[:] = [kept for kept in _states if kept.node.GetScene() is not None]
    if state is not None:
        state.after = contents(state.node)
        _states.append(state)
        del _states[:-MOST_STATES]


def keeping(segmentation_node, tables: tuple[str, ...], maps: tuple[str, ...]) -> Computation:
    """Steps of a run that give a state for `undoable_to`, in a turn of the event loop of its own: segments drawn
    on a large CT take as long to copy as what comes after takes."""
    state = _state(segmentation_node, tables, maps)
    yield lambda: None
    return state


def _state(segmentation_node, tables: tuple[str, ...], maps: tuple[str, ...]) -> State | None:
    return State(segmentation_node, tables, maps) if segmentation_node is not None and _can_copy() else None


def can_undo(segmentation_node) -> bool:
    """Whether there is a state to go back to."""
    return _latest(segmentation_node) is not None


def changed_since(segmentation_node) -> bool:
    """Whether `undo` would lose something: what a user has done to the segments since they were last written over."""
    state = _latest(segmentation_node)
    return state is not None and state.after != contents(segmentation_node)


def undo(segmentation_node) -> None:
    """Bring back what a segmentation, its tables and maps held before it was last written over, if that is kept."""
    if (state := _latest(segmentation_node)) is not None:
        _states.remove(state)
        state.restore()


def forget(segmentation_node) -> None:
    """Let go of the states of a segmentation, where going back to them would bring a part of it only."""
    _states[:] = [state for state in _states if state.node is not segmentation_node]


def _can_copy() -> bool:
    """Whether the history can copy label maps: it asks the converters, which Slicer's segmentations logic registers."""
    import slicer

    factory = slicer.vtkSegmentationConverterFactory.GetInstance()
    return factory.ConstructRepresentationObjectByClass("vtkOrientedImageData") is not None


def _latest(segmentation_node) -> State | None:
    return next(
        (state for state in reversed(_states) if segmentation_node is not None and state.node is segmentation_node),
        None,
    )


class State:
    """A segmentation as it was, with what belongs to it."""

    def __init__(self, node, tables: tuple[str, ...], maps: tuple[str, ...]) -> None:
        import slicer

        self.node = node
        self.after: Contents = {}
        self._visible = _visible_segments(node)
        self._history = slicer.vtkSegmentationHistory()
        self._history.SetSegmentation(node.GetSegmentation())
        self._history.SaveState()
        self._attributes = _attributes(node)
        self._restore_parts = [_keep_table(node, role) for role in tables] + [_keep_map(node, role) for role in maps]

    def restore(self) -> None:
        with one_update(self.node):
            if self._history.IsRestorePreviousStateAvailable():  # else no segment has changed, of which it would warn
                self._history.RestorePreviousState()
            for name in _attributes(self.node).keys() - self._attributes.keys():
                self.node.RemoveAttribute(name)
            for name, value in self._attributes.items():
                self.node.SetAttribute(name, value)
            for identifier, visible in self._visible.items():
                self.node.GetDisplayNode().SetSegmentVisibility(identifier, visible)
        for restore in self._restore_parts:
            restore()
        self._history.SetSegmentation(None)  # which it observes


def _visible_segments(node) -> dict[str, bool]:
    display = node.GetDisplayNode()
    if display is None:
        return {}
    return {each: display.GetSegmentVisibility(each) for each in node.GetSegmentation().GetSegmentIDs()}


def _attributes(node) -> dict[str, str]:
    return {name: node.GetAttribute(name) for name in node.GetAttributeNames()}


def _keep_table(owner, role: str) -> Callable[[], None]:
    """Tables are replaced as a whole when they are filled, so the old one stays as it is."""
    node = owner.GetNodeReference(role)
    if node is None:
        return lambda: None
    table, schema = node.GetTable(), node.GetSchema()

    def restore() -> None:
        if node.GetScene() is not None:
            with one_update(node):
                node.SetAndObserveTable(table)
                node.SetAndObserveSchema(schema)

    return restore


def _keep_map(owner, role: str) -> Callable[[], None]:
    """Maps get an image of their own each time they are filled; a map that another run took away is put back."""
    node = owner.GetNodeReference(role)
    image, attributes = (node.GetImageData(), _attributes(node)) if node is not None else (None, {})

    def restore() -> None:
        if node is None:
            if (later := owner.GetNodeReference(role)) is not None:
                remove_node(later)
            return
        if node.GetScene() is None:
            owner.GetScene().AddNode(node)
            owner.SetNodeReferenceID(role, node.GetID())
        with one_update(node):
            node.SetAndObserveImageData(image)
            show_percent(node)
            for key, value in attributes.items():
                node.SetAttribute(key, value)

    return restore
