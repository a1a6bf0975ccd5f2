"""Runs inside Slicer (ctest), with and without a main window: the three panels open, and the two that analyze do so on
a phantom."""

import importlib.util
import time
import unittest

import slicer

ANALYSES = {"LiverSegmentationMobileUNet": "lesionTable", "LiverTumorClassifier": "sliceTable"}
PATIENCE_S = 300


class LiverTumorPanelsTest(unittest.TestCase):
    def setUp(self):
        slicer.mrmlScene.Clear()

    def openPanel(self, name):
        """The module's widget object, opened as the module selector does it."""
        getattr(slicer.modules, name.lower()).widgetRepresentation()
        widget = getattr(slicer.modules, f"{name}Widget")
        if hasattr(widget, "enter"):
            widget.enter()
        return widget

    def addPhantom(self):
        from LiverTumorLib.mrml import ct_to_node
        from LiverTumorLib.phantom import make_phantom

        return ct_to_node(make_phantom(seed=1, shape=(24, 128, 128), spacing_mm=(3.0, 3.0, 10.0))[0], slicer.mrmlScene)

    def test_panelsOpen(self):
        for name in (*ANALYSES, "CompressionTrainer"):
            widget = self.openPanel(name)
            self.assertGreater(widget.layout.count(), 0, name)

    def test_phantomIsAnalysed(self):
        # Slicer installs nothing while it is tested.
        if not any(map(importlib.util.find_spec, ("ai_edge_litert", "onnxruntime"))):
            self.skipTest("neither ai-edge-litert nor onnxruntime is installed in this Python")
        volumeNode = self.addPhantom()
        for name, table in ANALYSES.items():
            panel = self.openPanel(name).panel
            panel.parameters.inputVolume = volumeNode
            panel.ui.applyButton.click()
            self.assertTrue(panel.run.running, panel.ui.statusLabel.text)
            end = time.monotonic() + PATIENCE_S
            while panel.run.running and time.monotonic() < end:
                slicer.app.processEvents()
                time.sleep(0.01)
            self.assertFalse(panel.run.running)
            self.assertGreater(getattr(panel.ui, table).rowCount, 0, panel.ui.statusLabel.text)

    def test_closedSceneLeavesThePanelsUsable(self):
        self.addPhantom()
        panels = [self.openPanel(name).panel for name in ANALYSES]
        slicer.mrmlScene.Clear()
        for panel in panels:
            self.assertFalse(panel.ui.applyButton.enabled)
        volumeNode = self.addPhantom()
        for panel in [self.openPanel(name).panel for name in ANALYSES]:
            panel.parameters.inputVolume = volumeNode
            slicer.app.processEvents()
            self.assertTrue(panel.ui.applyButton.enabled)


if __name__ == "__main__":
    unittest.main()
