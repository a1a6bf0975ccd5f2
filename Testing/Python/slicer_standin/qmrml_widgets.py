"""The widgets of qMRML that the panels use, on real MRML nodes, with Slicer's properties, methods and signals."""

from __future__ import annotations

import slicer
from PySide6 import QtCore, QtWidgets

from .pythonqt import PythonQtObject

_SCENE_EVENTS = (
    slicer.vtkMRMLScene.NodeAddedEvent,
    slicer.vtkMRMLScene.NodeRemovedEvent,
    slicer.vtkMRMLScene.EndCloseEvent,
)


class qMRMLWidget(PythonQtObject, QtWidgets.QWidget):  # noqa: N801
    """A widget that hands its scene on to those inside it."""

    mrmlSceneChanged = QtCore.Signal(object)
    signatures = {"mrmlSceneChanged": ("mrmlSceneChanged(vtkMRMLScene*)",)}

    def setMRMLScene(self, scene) -> None:
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self):
        return self._scene


def _setting(name: str, kind):
    """A property of a node selector that changes what it offers."""

    def read(self):
        return self._settings[name]

    def write(self, value):
        self._settings[name] = value
        self._follow()

    return QtCore.Property(kind, read, write)


class qMRMLSortFilterProxyModel(PythonQtObject, QtCore.QObject):  # noqa: N801
    """Says which nodes a selector does not offer, whatever they are."""

    def __init__(self, parent):
        super().__init__(parent)
        self._hidden = []

    def _write(self, identifiers) -> None:
        self._hidden = list(identifiers)
        self.parent()._follow()

    hiddenNodeIDs = QtCore.Property("QStringList", lambda self: self._hidden, _write)


class qMRMLNodeComboBox(PythonQtObject, QtWidgets.QWidget):  # noqa: N801
    """Chooses a node of the scene; entries follow the scene, and a chosen node that leaves it is chosen no longer."""

    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)
    signatures = {
        "currentNodeChanged": ("currentNodeChanged(vtkMRMLNode*)",),
        "currentNodeIDChanged": ("currentNodeIDChanged(QString)",),
    }
    nodeTypes, noneDisplay = _setting("nodeTypes", "QStringList"), _setting("noneDisplay", str)
    showChildNodeTypes, noneEnabled = _setting("showChildNodeTypes", bool), _setting("noneEnabled", bool)
    addEnabled, renameEnabled, removeEnabled = (
        _setting(name, bool) for name in ("addEnabled", "renameEnabled", "removeEnabled")
    )

    def __init__(self, parent=None):
        super().__init__(parent)
        self._box = QtWidgets.QComboBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self._settings = {
            "nodeTypes": [],
            "showChildNodeTypes": True,
            "noneEnabled": False,
            "noneDisplay": "None",
            "addEnabled": True,
            "renameEnabled": False,
            "removeEnabled": True,
        }
        self._scene, self._observed, self._nodes, self._current = None, [], [], None
        self._filter = qMRMLSortFilterProxyModel(self)
        self._box.currentIndexChanged.connect(self._picked)
        self.destroyed.connect(lambda _, observed=self._observed: _stop_observing(observed))

    def setMRMLScene(self, scene) -> None:
        _stop_observing(self._observed)
        self._scene = scene
        self._observed += [(scene, scene.AddObserver(event, self._follow)) for event in _SCENE_EVENTS] if scene else []
        self._follow()

    def sortFilterProxyModel(self):
        return self._filter

    def currentNode(self):
        return self._current

    def setCurrentNode(self, node) -> None:
        """A node that may not be chosen counts as none."""
        self._choose(node if node in self._nodes else None)

    def nodeCount(self) -> int:
        return len(self._nodes)

    def _follow(self, *_) -> None:
        self._nodes = [node for node in self._all_nodes() if self._fits(node)]
        current = self._current if self._current in self._nodes else None
        if current is None and not self._settings["noneEnabled"] and self._nodes:
            current = self._nodes[0]
        self._box.blockSignals(True)
        self._box.clear()
        if self._settings["noneEnabled"]:
            self._box.addItem(self._settings["noneDisplay"])
        for node in self._nodes:
            self._box.addItem(node.GetName())
        self._box.blockSignals(False)
        self._choose(current, moved=True)

    def _all_nodes(self) -> list:
        return [self._scene.GetNthNode(index) for index in range(self._scene.GetNumberOfNodes())] if self._scene else []

    def _fits(self, node) -> bool:
        if node.GetID() in self._filter.hiddenNodeIDs:
            return False
        kinds = self._settings["nodeTypes"]
        if self._settings["showChildNodeTypes"]:
            return any(node.IsA(kind) for kind in kinds) and not node.GetHideFromEditors()
        return node.GetClassName() in kinds and not node.GetHideFromEditors()

    def _picked(self, index: int) -> None:
        index -= self._settings["noneEnabled"]
        self._choose(self._nodes[index] if index >= 0 else None)

    def _choose(self, node, moved: bool = False) -> None:
        changed, self._current = node is not self._current, node
        if changed or moved:
            self._box.blockSignals(True)
            self._box.setCurrentIndex(
                self._nodes.index(node) + self._settings["noneEnabled"] if node else self._settings["noneEnabled"] - 1
            )
            self._box.blockSignals(False)
        if changed:
            self.currentNodeChanged.emit(node)
            self.currentNodeIDChanged.emit(node.GetID() if node else "")

    def _get_id(self):
        return self._current.GetID() if self._current else ""

    def _set_id(self, identifier):
        self.setCurrentNode(self._scene.GetNodeByID(identifier) if self._scene and identifier else None)

    currentNodeID = QtCore.Property(str, _get_id, _set_id)


def _stop_observing(observed: list) -> None:
    while observed:
        scene, tag = observed.pop()
        scene.RemoveObserver(tag)


class qMRMLSegmentationShow3DButton(PythonQtObject, QtWidgets.QPushButton):  # noqa: N801
    """Makes a segmentation's surfaces and shows or hides them in the 3D views."""

    def __init__(self, parent=None):
        super().__init__("Show 3D", parent)
        self.setCheckable(True)
        self._node = None
        self.clicked.connect(self._toggle)

    def setSegmentationNode(self, node) -> None:
        self._node = node
        self.setEnabled(node is not None)
        self.setChecked(bool(node and node.GetSegmentation().ContainsRepresentation("Closed surface")))

    def segmentationNode(self):
        return self._node

    def _toggle(self, shown: bool) -> None:
        if shown:
            self._node.CreateClosedSurfaceRepresentation()
        else:
            self._node.RemoveClosedSurfaceRepresentation()


WIDGETS = (qMRMLWidget, qMRMLNodeComboBox, qMRMLSegmentationShow3DButton)
