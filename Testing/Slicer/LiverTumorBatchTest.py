"""Runs inside Slicer (ctest), without a main window: LiverTumorBatch.py on a phantom in a file of Slicer's own."""

import csv
import importlib.util
import runpy
import tempfile
import unittest
from pathlib import Path


def runBatch(arguments):
    """The exit code of the installed script."""
    from LiverSegmentationMobileUNet import LiverSegmentationMobileUNetLogic

    return runpy.run_path(LiverSegmentationMobileUNetLogic.batchScript())["main"](arguments)


class LiverTumorBatchTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.out = Path(self.folder.name) / "out"

    def writePhantom(self):
        import SimpleITK
        from LiverTumorLib.files.itk import image_from
        from LiverTumorLib.phantom import make_phantom

        volume, _truth = make_phantom(seed=1, shape=(24, 128, 128), spacing_mm=(3.0, 3.0, 10.0))
        path = Path(self.folder.name) / "phantom.nrrd"
        SimpleITK.WriteImage(image_from(volume.array, volume.ijk_to_ras), str(path))
        return path

    def test_filesAreAnalysed(self):
        # Slicer installs nothing while it is tested.
        if not any(map(importlib.util.find_spec, ("ai_edge_litert", "onnxruntime"))):
            self.skipTest("neither ai-edge-litert nor onnxruntime is installed in this Python")
        self.assertEqual(runBatch(["--", str(self.writePhantom()), str(self.out)]), 0)
        with open(self.out / "cases.csv", newline="", encoding="utf-8") as file:
            (row,) = csv.DictReader(file)
        self.assertEqual(row["status"], "done")
        self.assertTrue((self.out / "phantom" / "phantom.seg.nrrd").is_file())

    def test_aFileThatIsNotThere(self):
        self.assertEqual(runBatch(["--", str(Path(self.folder.name) / "away.nrrd"), str(self.out)]), 3)


if __name__ == "__main__":
    unittest.main()
