"""Typed access to a parameter node, for the types this project's modules use. Connecting widgets is not possible here."""

from typing import get_type_hints

_PLAIN = {bool: False, int: 0, float: 0.0, str: ""}


def parameterNodeWrapper(cls):
    """Class decorator: annotated members live in the parameter node, plain values as text and nodes as references."""
    members = get_type_hints(cls)
    defaults = {}
    for name, kind in members.items():
        if kind not in _PLAIN and not (isinstance(kind, type) and kind.__name__.startswith("vtkMRML")):
            raise TypeError(f"the stand-in knows no parameters of type {kind} ({cls.__name__}.{name})")
        defaults[name] = getattr(cls, name, _PLAIN.get(kind))
        setattr(cls, name, _PlainParameter(name, kind) if kind in _PLAIN else _NodeParameter(name, kind))

    def initialize(self, parameterNode):
        object.__setattr__(self, "parameterNode", parameterNode)
        for name, kind in members.items():
            if kind in _PLAIN and not parameterNode.HasParameter(name):
                setattr(self, name, defaults[name])

    def set_attribute(self, name, value):
        if name not in members:
            raise AttributeError(f"{cls.__name__} has no parameter {name!r}")
        object.__setattr__(self, name, value)

    cls.__init__ = initialize
    cls.__setattr__ = set_attribute
    return cls


class _PlainParameter:
    def __init__(self, name, kind):
        self.name, self.kind = name, kind

    def __get__(self, wrapper, owner=None):
        text = wrapper.parameterNode.GetParameter(self.name)
        return text == "True" if self.kind is bool else self.kind(text)

    def __set__(self, wrapper, value):
        if not isinstance(value, self.kind):
            raise TypeError(f"{self.name} is {self.kind.__name__}, not {type(value).__name__}")
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
