"""A CT with three lesions, a fourth that was missed, and the result on it as nodes in Slicer's scene."""

import numpy as np
import pytest
import slicer
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.mrml import ct_to_node, show_segmentation
from LiverTumorLib.mrml.layers import Layer
from LiverTumorLib.mrml.results import LESIONS_ROLE, SUMMARY_ROLE
from LiverTumorLib.mrml.segmentations import write_segments
from LiverTumorLib.mrml.tables import fill_lesion_table, fill_summary_table, records_of
from LiverTumorLib.pipelines.lesions import measure
from LiverTumorLib.records.options import CaseOutput
from LiverTumorLib.records.results import CaseResult
from LiverTumorLib.records.segments import SEGMENTS
from mrml_scene import GRIDS, new_scene
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

SHAPE = (14, 40, 44)
BALLS = {1: ((7, 20, 20), 5), 2: ((6, 12, 33), 3), 3: ((9, 31, 33), 2)}  # number: middle and radius in voxels
MISSED = (8, 30, 10), 3  # seen on the map, below the threshold
GRID = GRIDS["oblique"]


def ball(place, radius) -> np.ndarray:
    grid = np.mgrid[tuple(slice(0, size) for size in SHAPE)]
    return sum((axis - at) ** 2 for axis, at in zip(grid, place, strict=True)) <= radius**2


def labels() -> np.ndarray:
    found = np.zeros(SHAPE, np.uint8)
    found[1:13, 3:37, 3:41] = 1
    for place, radius in BALLS.values():
        found[ball(place, radius)] = 2
    return found


def probability() -> np.ndarray:
    found = np.where(labels() == 2, 0.9, 0.01)
    found[ball(*MISSED)] = 0.3
    return found.astype(np.float16)


def volume() -> CTVolume:
    array = np.where(labels() > 0, 60, -1000).astype(np.int16)
    return CTVolume(array + np.random.default_rng(3).integers(-9, 9, SHAPE, dtype=np.int16), GRID, "Liver")


def case(keep: bool = True) -> CaseOutput:
    lesions, summary = measure(labels(), volume(), probability().astype(np.float32))
    models = [{"task": "liver", "threshold": 0.5}, {"task": "tumor", "threshold": 0.5}]
    maps = {"liver": (labels() > 0).astype(np.float16), "tumor": probability()} if keep else {}
    return CaseOutput(CaseResult("Liver", summary, lesions, models=models), labels(), maps)


@pytest.fixture(name="scene")
def scene_fixture():
    scene = new_scene()
    logic = slicer.vtkSlicerSegmentationsModuleLogic()  # whose converters Slicer's own undo copies with
    logic.SetMRMLScene(scene)
    yield scene


@pytest.fixture(name="ct")
def ct_fixture(scene):
    return ct_to_node(volume(), scene)


@pytest.fixture(name="found")
def found_fixture(ct):
    return show_segmentation(case(), ct).segmentationNode


def names(segmentation) -> list[str]:
    segments = segmentation.GetSegmentation()
    return [segments.GetSegment(each).GetName() for each in segments.GetSegmentIDs()]


def figures(segmentation) -> dict:
    return records_of(segmentation.GetNodeReference(SUMMARY_ROLE))[0]


def lesion_rows(segmentation) -> list[dict]:
    return records_of(segmentation.GetNodeReference(LESIONS_ROLE))


def erase(segmentation, identifier: str) -> None:
    """As by the Segment Editor: half of a segment's voxels are taken away in the layer it shares."""
    segment = segmentation.GetSegmentation().GetSegment(identifier)
    image = segment.GetRepresentation("Binary labelmap")
    voxels = vtk_to_numpy(image.GetPointData().GetScalars())
    own = np.flatnonzero(voxels == segment.GetLabelValue())
    voxels[own[: len(own) // 2]] = 0
    image.GetPointData().GetScalars().Modified()
    image.Modified()


def draw(segmentation, name: str, mask: np.ndarray, grid: np.ndarray = GRID) -> str:
    """As by the Segment Editor: a segment with a layer of its own."""
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*mask.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(mask.astype(np.uint8).ravel(), deep=True))
    image.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(grid))
    segment = slicer.vtkSegment()
    segment.SetName(name)
    segment.AddRepresentation("Binary labelmap", image)
    identifier = segmentation.GetSegmentation().GenerateUniqueSegmentID("Segment_1")
    segmentation.GetSegmentation().AddSegment(segment, identifier)
    return identifier


def paint(segmentation, name: str, mask: np.ndarray, overlap: bool = False, grid: np.ndarray = GRID) -> str:
    """As by the Segment Editor's brush, which takes from other segments what it paints, unless overlap is allowed."""
    if not overlap:
        segments = segmentation.GetSegmentation()
        images = {segments.GetSegment(each).GetRepresentation("Binary labelmap") for each in segments.GetSegmentIDs()}
        for image in images:
            first, size = image.GetExtent()[::2][::-1], image.GetDimensions()[::-1]
            voxels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(size)
            voxels[mask[tuple(slice(a, a + n) for a, n in zip(first, size, strict=True))]] = 0
            image.GetPointData().GetScalars().Modified()
            image.Modified()
    return draw(segmentation, name, mask, grid)


def ras(place) -> list[float]:
    return (np.array(GRID) @ [*place[::-1], 1.0])[:3].tolist()


def old_result(ct):
    """As earlier versions made it: all lesions are one segment, and the table does not say which they are."""
    node = ct.GetScene().AddNewNodeByClass("vtkMRMLSegmentationNode", "Old")
    node.CreateDefaultDisplayNodes()
    for segment in SEGMENTS:
        own = slicer.vtkSegment()
        own.SetName(segment.name)
        node.GetSegmentation().AddSegment(own, segment.id)
    write_segments(node, ct, Layer.of(labels()), [("Liver", 1), ("Lesion", 2)])
    lesions, summary = measure(labels(), volume())
    for role, fill in (
        (LESIONS_ROLE, lambda table: fill_lesion_table(table, lesions)),
        (SUMMARY_ROLE, lambda table: fill_summary_table(table, "Old", summary)),
    ):
        table = ct.GetScene().AddNewNodeByClass("vtkMRMLTableNode")
        fill(table)
        node.SetNodeReferenceID(role, table.GetID())
    return node
