"""The application around the modules: `slicer.app`, its views and `slicer.modules`, on real Qt (off-screen) and real
MRML."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import slicer
import vtk

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6 import QtCore, QtWidgets  # noqa: E402

from . import ctk_widgets, install, qmrml_widgets  # noqa: E402
from .pythonqt import make_qt, wrapped  # noqa: E402

_VIEWS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}


class Application(wrapped(QtWidgets.QApplication)):
    """`slicer.app`."""

    startupCompleted = QtCore.Signal()

    def layoutManager(self):
        """None without a main window, as in Slicer."""
        return self._layout_manager

    def moduleManager(self):
        return self._module_manager

    def testingEnabled(self) -> bool:
        return False

    def userSettings(self):
        """Slicer's are a file of the user's; these last as long as the application runs."""
        return self._settings

    def startupEnvironment(self):
        return QtCore.QProcessEnvironment.systemEnvironment()


class ModuleManager(wrapped(QtCore.QObject)):
    moduleAboutToBeUnloaded = QtCore.Signal(str)
    signatures = {"moduleAboutToBeUnloaded": ("moduleAboutToBeUnloaded(QString)",)}


class SliceView:
    """A slice view: what is drawn in it, and how often a drawing was asked for."""

    def __init__(self) -> None:
        self._window = None
        self.renderings = 0

    def renderWindow(self):
        if self._window is None:  # it takes time to make one
            self._window = vtk.vtkRenderWindow()
            self._window.SetOffScreenRendering(1)
            self._window.AddRenderer(vtk.vtkRenderer())
        return self._window

    def scheduleRender(self) -> None:
        self.renderings += 1


class SliceWidget:
    def __init__(self, scene, name: str) -> None:
        self._view = SliceView()
        self._logic = slicer.vtkMRMLSliceLogic()
        self._logic.SetMRMLScene(scene)
        node = self._logic.AddSliceNode(name)
        node.SetOrientation(_VIEWS[name])

    def sliceLogic(self):
        return self._logic

    def mrmlSliceNode(self):
        return self._logic.GetSliceNode()

    def sliceView(self):
        return self._view


class PlotView(wrapped(QtWidgets.QWidget)):
    dataSelected = QtCore.Signal(object, object)
    signatures = {"dataSelected": ("dataSelected(vtkStringArray*,vtkCollection*)",)}


class PlotWidget:
    def __init__(self) -> None:
        self._view = PlotView()

    def plotView(self) -> PlotView:
        return self._view


class LayoutManager:
    """Three slice views and a plot view."""

    plotViewCount = 1

    def __init__(self, scene) -> None:
        self._plot = PlotWidget()
        self._widgets = {name: SliceWidget(scene, name) for name in _VIEWS}

    def sliceViewNames(self) -> tuple[str, ...]:
        return tuple(self._widgets)

    def sliceWidget(self, name: str) -> SliceWidget:
        return self._widgets[name]

    def plotWidget(self, index: int) -> PlotWidget:
        return [self._plot][index]

    def mrmlSliceLogics(self):
        logics = vtk.vtkCollection()
        for widget in self._widgets.values():
            logics.AddItem(widget.sliceLogic())
        return logics


class ModulePanel(qmrml_widgets.qMRMLWidget):
    """What a module's widget is put into; the only one of a module."""

    isEntered = QtCore.Property(
        bool, lambda self: self._entered, lambda self, entered: setattr(self, "_entered", entered)
    )

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._entered = False
        self.setLayout(wrapped(QtWidgets.QVBoxLayout)())

    def reload(self) -> None:
        """Make the widget again from the module's code as it is now; `slicer.util.reloadScriptedModule` ends with
        this."""
        _make_widget(self._name, self)


class LoadedModule:
    """`slicer.modules.<name in lower case>`."""

    def __init__(self, name: str, path: str) -> None:
        self.name, self.path = name, path
        self._panel = ModulePanel(name)
        self._panel.setMRMLScene(slicer.mrmlScene)
        self._panel.resize(420, 900)

    def widgetRepresentation(self) -> ModulePanel:
        return self._panel


@contextmanager
def running(window: bool = True) -> Iterator[Application]:
    """The application with an empty scene, as long as the block lasts.

    An exception that Qt or VTK met in a receiver, where nobody hears of it, is raised when the block ends.

    Args:
        window: with a layout manager; False is Slicer started with --no-main-window.
    """
    install()
    app = QtWidgets.QApplication.instance() or Application([])
    app.setStyle("Fusion")
    slicer.mrmlScene = slicer.vtkMRMLScene()
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(slicer.mrmlScene)
    app._layout_manager = LayoutManager(slicer.mrmlScene) if window else None
    app._module_manager = ModuleManager()
    scratch = tempfile.TemporaryDirectory()
    app._settings = QtCore.QSettings(str(Path(scratch.name) / "Slicer.ini"), QtCore.QSettings.Format.IniFormat)
    added = {"app": app, "modules": _modules(slicer.mrmlScene), **{cls.__name__: cls for cls in qmrml_widgets.WIDGETS}}
    vars(slicer).update(added)
    ctk = types.ModuleType("ctk")
    vars(ctk).update({cls.__name__: cls for cls in ctk_widgets.WIDGETS})
    sys.modules.update(qt=make_qt(), ctk=ctk)
    unheard: list[BaseException] = []
    hook, sys.excepthook = sys.excepthook, lambda kind, error, trace: unheard.append(error)
    try:
        yield app
    finally:
        for module in list(vars(slicer.modules).values()):
            if isinstance(module, LoadedModule):
                close_module(module.name)
        app.processEvents()
        # Which processEvents leaves alone.
        QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
        sys.excepthook = hook
        for name in added:
            delattr(slicer, name)
        del sys.modules["qt"], sys.modules["ctk"]
        scratch.cleanup()
    if unheard:
        raise unheard[0]


_TURNS = 13  # of the event loop, in which a panel may make what is not seen first


def load_module(name: str) -> LoadedModule:
    """A module whose widget has been made, as it is before a user opens it."""
    module = getattr(slicer.modules, name.lower(), None)
    if module is None:
        module = LoadedModule(name, importlib.import_module(name).__file__)
        setattr(slicer.modules, name.lower(), module)
        _make_widget(name, module.widgetRepresentation())
    return module


def open_module(name: str):
    """Open a module's panel as a user does, and wait until it is seen; returns its widget object."""
    widget = show_module(name)
    for _turn in range(_TURNS):
        slicer.app.processEvents()
    return widget


def show_module(name: str):
    """What Slicer does when a user opens a module, until its event loop turns again; returns its widget object."""
    module = load_module(name)
    module.widgetRepresentation().show()
    module.widgetRepresentation().isEntered = True
    widget = getattr(slicer.modules, f"{name}Widget")
    if hasattr(widget, "enter"):  # Slicer calls it where a module has it
        widget.enter()
    return widget


def _make_widget(name: str, panel: ModulePanel) -> None:
    widget = getattr(importlib.import_module(name), f"{name}Widget")(panel)
    setattr(slicer.modules, f"{name}Widget", widget)
    widget.setup()


def leave_module(name: str) -> None:
    """Go to another module."""
    getattr(slicer.modules, f"{name}Widget").exit()
    getattr(slicer.modules, name.lower()).widgetRepresentation().isEntered = False


def close_module(name: str) -> None:
    """Unload a module, as the application does when it ends."""
    slicer.app.moduleManager().moduleAboutToBeUnloaded.emit(name)
    getattr(slicer.modules, name.lower()).widgetRepresentation().deleteLater()
    delattr(slicer.modules, name.lower())
    delattr(slicer.modules, f"{name}Widget")


def screenshot(name: str, path: Path) -> None:
    """Save a picture of a module's panel."""
    panel = getattr(slicer.modules, name.lower()).widgetRepresentation()
    slicer.app.processEvents()
    if not panel.grab().save(str(path)):
        raise OSError(f"{path} cannot be written")


def _modules(scene):
    """`slicer.modules` with the logics of Slicer's own modules that the panels ask for; the selection follows
    ShowChartInLayout."""
    application_logic = slicer.vtkSlicerApplicationLogic()
    application_logic.SetMRMLScene(scene)
    scene.AddNode(slicer.vtkMRMLLayoutNode())
    plots = slicer.vtkSlicerPlotsLogic()
    plots.SetMRMLApplicationLogic(application_logic)
    plots.SetMRMLScene(scene)
    segmentations = slicer.vtkSlicerSegmentationsModuleLogic()  # without it no surfaces are made
    segmentations.SetMRMLScene(scene)
    sequences = slicer.vtkSlicerSequencesLogic()  # without it a sequence's proxy nodes do not follow its browser
    sequences.SetMRMLScene(scene)
    return types.SimpleNamespace(
        plots=types.SimpleNamespace(logic=lambda: plots, _application_logic=application_logic),
        segmentations=types.SimpleNamespace(logic=lambda: segmentations),
        sequences=types.SimpleNamespace(logic=lambda: sequences),
    )
