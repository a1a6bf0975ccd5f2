"""The phantom among Slicer's sample data."""

import importlib
import sys
import types
import urllib.request

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")

import slicer
from LiverTumorLib.mrml import ct_from_node
from LiverTumorLib.phantom import make_phantom
from slicer_standin import ModuleParent

NAME = "LiverSegmentationMobileUNet"


def test_the_phantom_is_a_sample(app, monkeypatch, tmp_path):
    """Registered when the application has started, as a file with all that Slicer's Sample Data module asks of one."""
    registered = []

    class SampleDataLogic:
        @staticmethod
        def registerCustomSampleDataSource(
            category, sampleName, uris, fileNames, nodeNames, checksums, thumbnailFileName
        ):
            registered.append((uris, fileNames, checksums, thumbnailFileName))
            assert (category, sampleName, nodeNames) == ("LiverTumor", "LiverTumorPhantom", "LiverTumorPhantom")

    monkeypatch.setitem(sys.modules, "SampleData", types.SimpleNamespace(SampleDataLogic=SampleDataLogic))
    module = importlib.import_module(NAME)
    module.LiverSegmentationMobileUNet(ModuleParent(module.__file__))
    app.startupCompleted.emit()
    # Tests before this one may have made modules too, which wait for the same application.
    uri, name, checksum, thumbnail = registered[0]
    assert all(entry == registered[0] for entry in registered)
    path, _ = urllib.request.urlretrieve(uri, tmp_path / name)  # as Slicer does
    assert slicer.util.computeChecksum("SHA256", str(path)) == checksum.removeprefix("SHA256:")
    assert path.stat().st_size < 2e6 and read_png(thumbnail).GetDimensions()[:2] == (192, 192)
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "LiverTumorPhantom")
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(path))
    assert storage.ReadData(volume)
    loaded, expected = ct_from_node(volume), make_phantom(1, (42, 176, 176))[0]
    np.testing.assert_allclose(loaded.ijk_to_ras, expected.ijk_to_ras, atol=1e-6)
    np.testing.assert_array_equal(loaded.array, expected.array)


def read_png(path: str):
    import vtk

    reader = vtk.vtkPNGReader()
    reader.SetFileName(path)
    reader.Update()
    return reader.GetOutput()
