"""Typed access to a parameter node and its connection to widgets, for the types and widgets this project's modules
use."""

from dataclasses import dataclass
from typing import Annotated, get_args, get_origin, get_type_hints

import slicer
import vtk

_PLAIN = {bool: False, int: 0, float: 0.0, str: ""}


@dataclass(frozen=True)
class WithinRange:
    """Annotation: the value lies between the two, both included."""

    minimum: float
    maximum: float

    def check(self, value) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


def parameterNodeWrapper(cls):
    """Class decorator: annotated members live in the parameter node, plain values as text and nodes as references."""
    members = {name: _split(kind) for name, kind in get_type_hints(cls, include_extras=True).items()}
    defaults = {}
    for name, (kind, limits) in members.items():
        if kind not in _PLAIN and not (isinstance(kind, type) and kind.__name__.startswith("vtkMRML")):
            raise TypeError(f"the stand-in knows no parameters of type {kind} ({cls.__name__}.{name})")
        defaults[name] = getattr(cls, name, _PLAIN.get(kind))
        setattr(cls, name, _PlainParameter(name, kind, limits) if kind in _PLAIN else _NodeParameter(name, kind))

    def initialize(self, parameterNode):
        object.__setattr__(self, "parameterNode", parameterNode)
        object.__setattr__(self, "_connected", {})
        for name, (kind, _) in members.items():
            if kind in _PLAIN and not parameterNode.HasParameter(name):
                setattr(self, name, defaults[name])

    def set_attribute(self, name, value):
        if name not in members:
            raise AttributeError(f"{cls.__name__} has no parameter {name!r}")
        object.__setattr__(self, name, value)

    def connectGui(self, ui) -> int:
        """Connect the widgets with the dynamic property SlicerParameterName; returns the tag that disconnects them."""
        connectors = {}
        for widget in vars(ui).values():
            if name := widget.property("SlicerParameterName"):
                connectors[name] = _connector(widget, *members[name])
        connection = _Connection(self, connectors)
        tag = max(self._connected, default=-1) + 1
        self._connected[tag] = connection
        return tag

    def disconnectGui(self, tag) -> None:
        if tag in self._connected:
            self._connected.pop(tag).end()

    cls.__init__ = initialize
    cls.__setattr__ = set_attribute
    cls.connectGui = connectGui
    cls.disconnectGui = disconnectGui
    cls.StartModify = lambda self: self.parameterNode.StartModify()
    cls.EndModify = lambda self, state: self.parameterNode.EndModify(state)
    cls.AddObserver = lambda self, event, receiver, priority=0.0: self.parameterNode.AddObserver(
        event, receiver, priority
    )
    cls.RemoveObserver = lambda self, tag: self.parameterNode.RemoveObserver(tag)
    return cls


def _split(kind) -> tuple:
    """A member's type and its limits, None where there are none."""
    if get_origin(kind) is not Annotated:
        return kind, None
    kind, *annotations = get_args(kind)
    return kind, next((each for each in annotations if isinstance(each, WithinRange)), None)


class _PlainParameter:
    def __init__(self, name, kind, limits):
        self.name, self.kind, self.limits = name, kind, limits

    def __get__(self, wrapper, owner=None):
        text = wrapper.parameterNode.GetParameter(self.name)
        return text == "True" if self.kind is bool else self.kind(text)

    def __set__(self, wrapper, value):
        if not isinstance(value, self.kind):
            raise TypeError(f"{self.name} is {self.kind.__name__}, not {type(value).__name__}")
        if self.limits is not None:
            self.limits.check(value)
        wrapper.parameterNode.SetParameter(self.name, str(value))


class _NodeParameter:
    def __init__(self, name, kind):
        self.name, self.kind = name, kind

    def __get__(self, wrapper, owner=None):
        return wrapper.parameterNode.GetNodeReference(self.name)

    def __set__(self, wrapper, node):
        if node is not None and not isinstance(node, self.kind):
            raise TypeError(f"{self.name} is {self.kind.__name__}, not {type(node).__name__}")
        wrapper.parameterNode.SetNodeReferenceID(self.name, node.GetID() if node else None)


class _Connector:
    """How one kind of widget is read, written and listened to; `limits` are set where the widget has them."""

    def __init__(self, widget, signal, read, write):
        self.widget, self.signal, self.read, self.write = widget, signal, read, write


def _connector(widget, kind, limits) -> _Connector:
    import ctk
    import qt

    def attribute(name: str, signal) -> _Connector:
        return _Connector(widget, signal, lambda: getattr(widget, name), lambda value: setattr(widget, name, value))

    if type(widget) is qt.QCheckBox and kind is bool:
        return attribute("checked", widget.stateChanged)
    if type(widget) in (qt.QSpinBox, qt.QDoubleSpinBox, ctk.ctkSliderWidget) and kind is (
        int if type(widget) is qt.QSpinBox else float
    ):
        if limits is None:
            raise RuntimeError(f"{widget.name} needs a WithinRange annotation")
        widget.minimum, widget.maximum = limits.minimum, limits.maximum
        return attribute("value", widget.valueChanged)
    if type(widget) is slicer.qMRMLNodeComboBox and kind.__name__.startswith("vtkMRML"):
        widget.nodeTypes = [kind.__name__]
        return _Connector(widget, widget.currentNodeChanged, widget.currentNode, widget.setCurrentNode)
    raise RuntimeError(f"Unable to create GUI connector from datatype '{kind}' to widget type '{type(widget)}'.")


class _Connection:
    """Keeps widgets and a parameter node alike, in both directions, until it ends."""

    def __init__(self, wrapper, connectors: dict[str, _Connector]) -> None:
        self._wrapper, self._connectors, self._writing = wrapper, connectors, False
        self._receivers = {name: self._receiver(name) for name in connectors}
        for name, connector in connectors.items():
            connector.write(getattr(wrapper, name))
            connector.signal.connect(self._receivers[name])
        self._tag = wrapper.AddObserver(vtk.vtkCommand.ModifiedEvent, self._update)

    def end(self) -> None:
        for name, connector in self._connectors.items():
            connector.signal.disconnect(self._receivers[name])
        self._wrapper.RemoveObserver(self._tag)

    def _receiver(self, name: str):
        def changed(*_) -> None:
            if not self._writing:
                setattr(self._wrapper, name, self._connectors[name].read())

        return changed

    def _update(self, *_) -> None:
        if self._writing:
            return
        self._writing = True
        try:
            for name, connector in self._connectors.items():
                connector.write(getattr(self._wrapper, name))
        finally:
            self._writing = False
