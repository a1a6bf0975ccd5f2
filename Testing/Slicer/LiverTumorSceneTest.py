"""Runs inside Slicer (ctest): results in the scene, with what only the application has."""

import unittest

import numpy as np
import slicer
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.mrml import ct_to_node, labels_from_segmentation, labels_to_segmentation


class LiverTumorSceneTest(unittest.TestCase):
    def setUp(self):
        slicer.mrmlScene.Clear()
        array = np.zeros((6, 8, 10), np.int16)
        array[0] = -1000
        self.ct = ct_to_node(CTVolume(array, np.diag([-0.8, -0.8, 5.0, 1.0]), "CT"), slicer.mrmlScene)
        self.labels = np.zeros(array.shape, np.uint8)
        self.labels[1:5, 2:7, 2:9] = 1
        self.labels[2:4, 3:5, 4:6] = 2

    def test_segmentIsWhatSlicerReads(self):
        node = labels_to_segmentation(self.labels, self.ct)
        lesion = slicer.util.arrayFromSegmentBinaryLabelmap(node, "Lesion 1", self.ct)
        np.testing.assert_array_equal(lesion > 0, self.labels == 2)

    def test_editedSegmentIsReadBack(self):
        node = labels_to_segmentation(self.labels, self.ct)
        edited = np.where(self.labels == 2, 0, self.labels)
        slicer.util.updateSegmentBinaryLabelmapFromArray((edited == 2).astype(np.uint8), node, "Lesion 1", self.ct)
        slicer.util.updateSegmentBinaryLabelmapFromArray((edited == 1).astype(np.uint8), node, "Liver", self.ct)
        np.testing.assert_array_equal(labels_from_segmentation(node, self.ct), edited)

    def test_segmentationIsInTheStudyOfTheCT(self):
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        study = hierarchy.CreateStudyItem(hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "patient"), "study")
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(self.ct), study)
        node = labels_to_segmentation(self.labels, self.ct)
        self.assertEqual(hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)), study)

    def test_surfaceFollowsTheSecondRun(self):
        node = labels_to_segmentation(self.labels, self.ct)
        node.CreateClosedSurfaceRepresentation()
        labels_to_segmentation(np.roll(self.labels, 1, axis=0), self.ct, node)
        self.assertTrue(node.GetSegmentation().ContainsRepresentation("Closed surface"))


if __name__ == "__main__":
    unittest.main()
