"""Qt as Slicer's Python sees it: PySide6 classes with PythonQt's manners.

Properties of the meta object are attributes (`button.enabled = False`, `combo.currentText`), `connect` takes a
signature, and an attribute that the class does not have cannot be set. Everything else is Qt itself.
"""

from __future__ import annotations

import sys
import types
import xml.etree.ElementTree as ElementTree
from functools import cache

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

# Signals of widgets written in Python whose arguments Qt's type system does not know: {name: signatures PythonQt would
# accept}.
Signatures = dict[str, tuple[str, ...]]


class PythonQtObject:
    """Mixed into a QObject class. `signatures` names the signals that the class has beyond those of the meta object."""

    signatures: Signatures = {}

    def __getattribute__(self, name: str):
        if name in ("connect", "disconnect"):  # PySide returns QObject's own, whatever the class says
            return types.MethodType(vars(PythonQtObject)[name], self)
        if not name.startswith("_"):
            known = _properties(type(self))
            if name == "name" or name in known:
                return QtCore.QObject.property(self, "objectName" if name == "name" else name)
        return super().__getattribute__(name)

    def __setattr__(self, name: str, value) -> None:
        if name.startswith("_"):
            return super().__setattr__(name, value)
        if isinstance(value, QtCore.QObject) and QtCore.QObject.objectName(value) == name:
            return None  # PySide's loader makes children attributes; PythonQt's does not
        name = "objectName" if name == "name" else name
        if name not in _properties(type(self)):
            raise AttributeError(f"{type(self).__name__} has no property {name!r}")
        value = list(value) if isinstance(value, tuple) else value  # any sequence will do for PythonQt
        if not QtCore.QObject.setProperty(self, name, value):
            raise TypeError(f"{type(self).__name__}.{name} cannot be set to {value!r}")
        return None

    def className(self) -> str:
        return self.metaObject().className()

    def connect(self, signature: str, receiver) -> None:
        """Connect a signal named by its C++ signature; one without arguments passes none on."""
        signal, connections = self._signal(signature), vars(self).setdefault("_connections", {})
        wrapped = (lambda *_: receiver()) if signature.endswith("()") else receiver
        connections[signature, receiver] = wrapped
        signal.connect(wrapped)

    def disconnect(self, signature: str, receiver) -> None:
        self._signal(signature).disconnect(vars(self)["_connections"].pop((signature, receiver)))

    def _signal(self, signature: str):
        normalized = QtCore.QMetaObject.normalizedSignature(signature)
        normalized = normalized.decode() if isinstance(normalized, bytes) else bytes(normalized.data()).decode()
        name = normalized.partition("(")[0]
        if self.metaObject().indexOfSignal(normalized) < 0 and normalized not in self.signatures.get(name, ()):
            raise ValueError(f"{type(self).__name__} has no signal {signature!r}")
        return super().__getattribute__(name)


@cache
def _properties(cls: type) -> frozenset[str]:
    """All but those by which a layout asks for its children's sizes: PySide looks for them in Python each time, where
    the answer would ask again, twice as often at each level of a form."""
    meta = cls.staticMetaObject
    names = frozenset(meta.property(index).name() for index in range(meta.propertyCount()))
    return names - {"sizeHint", "minimumSizeHint"}


@cache
def wrapped(cls: type) -> type:
    """The class with PythonQt's manners."""
    return type(cls.__name__, (PythonQtObject, cls), {"__module__": "qt"})


class QtModule(types.ModuleType):
    """The module `qt`: all of QtCore, QtGui and QtWidgets in one name space."""

    def __getattr__(self, name: str):
        for part in (QtCore, QtGui, QtWidgets):
            if found := getattr(part, name, None):
                is_object = isinstance(found, type) and issubclass(found, QtCore.QObject)
                value = wrapped(found) if is_object else found
                setattr(self, name, value)
                return value
        raise AttributeError(f"module 'qt' has no attribute {name!r}")


class UiLoader(QtUiTools.QUiLoader):
    """Loads .ui files with the classes of `qt`, `ctk` and `slicer`; a class that is in none of them is an error."""

    def createWidget(self, class_name, parent=None, name=""):
        for module in ("qt", "ctk", "slicer"):
            if cls := getattr(sys.modules[module], class_name, None):
                widget = cls(parent) if parent is not None else cls()
                widget.setObjectName(name)
                return widget
        raise RuntimeError(f"no widget class {class_name!r}")

    def createLayout(self, class_name, parent=None, name=""):
        layout = getattr(sys.modules["qt"], class_name)()
        layout.setObjectName(name)
        if isinstance(parent, QtWidgets.QWidget) and parent.layout() is None:
            parent.setLayout(layout)
        return layout

    def load(self, device, parent=None):
        """Connections are made here: Qt cannot make those between signals and slots with MRML types written in
        Python."""
        form, start, connections = bytes(device.readAll().data()).partition(b"<connections>")
        connections, end, rest = connections.partition(b"</connections>")
        made = [
            tuple(c.findtext(tag) for tag in ("sender", "signal", "receiver", "slot"))
            for c in ElementTree.fromstring(start + connections + end or b"<connections/>")
        ]
        buffer = QtCore.QBuffer()
        buffer.setData(form + rest)
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        widget = super().load(buffer, parent)
        if widget is None:
            raise RuntimeError(self.errorString())
        for sender, signal, receiver, slot in made:
            source, target = (
                widget if n == widget.objectName else widget.findChild(QtCore.QObject, n) for n in (sender, receiver)
            )
            source.connect(signal, getattr(target, slot.partition("(")[0]))
        return widget


def make_qt() -> types.ModuleType:
    """The module to put in `sys.modules["qt"]`."""
    module = QtModule("qt")
    module.QUiLoader = UiLoader
    return module
