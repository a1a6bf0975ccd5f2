"""The base classes of scripted modules. Widgets need Slicer's window and cannot be made here."""

import unittest
from pathlib import Path

import slicer


class ScriptedLoadableModule:
    def __init__(self, parent):
        self.parent = parent
        self.moduleName = type(self).__name__

    def resourcePath(self, filename: str) -> str:
        return str(Path(self.parent.path).parent / "Resources" / filename)


class ScriptedLoadableModuleWidget:
    def __init__(self, parent=None):
        raise RuntimeError("A module's widget needs the Slicer application.")


class ScriptedLoadableModuleLogic:
    def __init__(self, parent=None):
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self):
        """The module's only parameter node in the scene, made when it is missing."""
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node.SetAttribute("ModuleName", self.moduleName)
            node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
            node = slicer.mrmlScene.AddNode(node)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    def runTest(self):
        """Slicer's way to run all tests of the class from its menu."""
        for name in [name for name in dir(self) if "test" in name and callable(getattr(self, name))]:
            self.setUp()
            getattr(self, name)()
            self.tearDown()
