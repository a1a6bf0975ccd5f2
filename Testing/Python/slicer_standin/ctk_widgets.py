"""The widgets of the Common Toolkit that the panels use, with CTK's properties and signals, drawn plainly."""

from __future__ import annotations

from fnmatch import fnmatch

from PySide6 import QtCore, QtWidgets

from .pythonqt import PythonQtObject, wrapped


class ctkCollapsibleButton(PythonQtObject, QtWidgets.QWidget):  # noqa: N801
    """A titled part of a panel that can be folded; it is open until `collapsed` is set."""

    contentsCollapsed = QtCore.Signal(bool)
    _header = None

    def __init__(self, parent=None):
        super().__init__(parent)
        self._header = QtWidgets.QToolButton(self)
        self._header.setCheckable(True)
        self._header.setChecked(True)
        self._header.setToolButtonStyle(QtCore.Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._header.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self._header.toggled.connect(self._fold)
        self._fold(True)
        height = self._header.sizeHint().height()
        self.setContentsMargins(0, height, 0, 0)

    def resizeEvent(self, event):
        self._header.setGeometry(0, 0, self.width, self._header.sizeHint().height())

    def childEvent(self, event):
        super().childEvent(event)
        if event.added() and event.child().isWidgetType() and self._header and not self._header.isChecked():
            event.child().setVisible(False)

    def _fold(self, opened: bool) -> None:
        self._header.setArrowType(QtCore.Qt.ArrowType.DownArrow if opened else QtCore.Qt.ArrowType.RightArrow)
        for child in self.children():
            if child.isWidgetType() and child is not self._header:
                child.setVisible(opened)
        self.setMaximumHeight(16777215 if opened else self._header.sizeHint().height())
        self.contentsCollapsed.emit(not opened)

    def _get_text(self):
        return self._header.text()

    def _set_text(self, text):
        self._header.setText(text)

    def _get_collapsed(self):
        return not self._header.isChecked()

    def _set_collapsed(self, collapsed):
        self._header.setChecked(not collapsed)

    text = QtCore.Property(str, _get_text, _set_text)
    collapsed = QtCore.Property(bool, _get_collapsed, _set_collapsed)


def _forwarded(name: str, kind: type):
    """A property of a slider widget that is its spin box's."""

    def read(self):
        return getattr(self._box, name)

    def write(self, value):
        setattr(self._box, name, value)
        self._rescale()

    return QtCore.Property(kind, read, write)


class ctkSliderWidget(PythonQtObject, QtWidgets.QWidget):  # noqa: N801
    """A slider beside a spin box for a real number."""

    valueChanged = QtCore.Signal(float)
    signatures = {"valueChanged": ("valueChanged(double)",)}
    value, minimum, maximum, singleStep = (
        _forwarded(name, float) for name in ("value", "minimum", "maximum", "singleStep")
    )
    decimals, suffix = _forwarded("decimals", int), _forwarded("suffix", str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._box = wrapped(QtWidgets.QDoubleSpinBox)(self)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal, self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        layout.addWidget(self._box)
        self._box.valueChanged.connect(self._moved)
        self._slider.valueChanged.connect(
            lambda step: self._box.setValue(self._box.minimum + step * self._box.singleStep)
        )
        self._rescale()

    def _moved(self, value: float) -> None:
        self._slider.blockSignals(True)
        self._slider.setValue(round((value - self._box.minimum) / self._box.singleStep))
        self._slider.blockSignals(False)
        self.valueChanged.emit(value)

    def _rescale(self) -> None:
        self._slider.blockSignals(True)
        self._slider.setRange(0, round((self._box.maximum - self._box.minimum) / self._box.singleStep))
        self._slider.blockSignals(False)


class ctkPathLineEdit(PythonQtObject, QtWidgets.QWidget):  # noqa: N801
    """A line for a path; CTK's has a button that browses for one beside it.

    As CTK's it tells of a change of path only where the path is valid: not empty and, with name filters, fitting one of
    them.
    """

    Dirs, Files = 0x001, 0x002
    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._edit = QtWidgets.QLineEdit(self)
        self._filters, self._name_filters = self.Dirs | self.Files, []
        button = QtWidgets.QToolButton(self)
        button.setText("...")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._edit)
        layout.addWidget(button)
        self._valid = False
        self._edit.textChanged.connect(self._on_text)

    def _on_text(self, path):
        valid = any(fnmatch(path, each) for each in self._name_filters) if self._name_filters else bool(path)
        if valid:
            self.currentPathChanged.emit(path)
        if valid != self._valid:
            self._valid = valid
            self.validInputChanged.emit(valid)

    def _get_path(self):
        return self._edit.text()

    def _set_path(self, path):
        self._edit.setText(path)

    currentPath = QtCore.Property(str, _get_path, _set_path)
    filters = QtCore.Property(int, lambda self: self._filters, lambda self, value: setattr(self, "_filters", value))
    nameFilters = QtCore.Property(
        "QStringList", lambda self: self._name_filters, lambda self, value: setattr(self, "_name_filters", value)
    )


class ctkMessageBox(PythonQtObject, QtWidgets.QMessageBox):  # noqa: N801
    """A question, to which the user says yes at once."""

    def exec_(self):
        return QtWidgets.QMessageBox.StandardButton.Ok


WIDGETS = (ctkCollapsibleButton, ctkMessageBox, ctkPathLineEdit, ctkSliderWidget)
