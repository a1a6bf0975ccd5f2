"""Rejected lesions are liver, also in its segment; and a liver that was edited is no longer what was measured."""

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")

import slicer
from lesions_scene import (  # noqa: F401 - fixtures
    BALLS,
    GRID,
    MISSED,
    ball,
    ct_fixture,
    draw,
    erase,
    figures,
    found_fixture,
    labels,
    lesion_rows,
    scene_fixture,
)
from LiverTumorLib.errors import InputError
from LiverTumorLib.files import read_labels
from LiverTumorLib.mrml import measure_again, undo
from LiverTumorLib.mrml.corrections import contents, is_corrected, is_redrawn
from LiverTumorLib.mrml.layers import LABELMAP, merged_labels, voxels_of
from LiverTumorLib.mrml.lesion_edits import delete_lesions
from LiverTumorLib.mrml.segment_contents import contents_of
from LiverTumorLib.mrml.segment_tags import judgment_of, set_judgment
from LiverTumorLib.mrml.worklist import follow_judgments, is_liver_changed, judge, worklist
from LiverTumorLib.records.judgments import Judgment


def voxels(segmentation, ct, identifier) -> np.ndarray:
    return merged_labels(segmentation, ct, [(identifier, 1)]) > 0


def state(segmentation) -> tuple:
    display = segmentation.GetDisplayNode()
    seen = {each: display.GetSegmentVisibility(each) for each in segmentation.GetSegmentation().GetSegmentIDs()}
    return contents(segmentation), contents_of(segmentation), figures(segmentation), lesion_rows(segmentation), seen


def test_the_liver_gets_the_voxels_and_gives_them_back(found, ct):
    before, liver, lesion = state(found), voxels(found, ct, "Liver"), voxels(found, ct, "Lesion 1")
    judge(found, ct, ["Lesion 1"], status="rejected")
    np.testing.assert_array_equal(voxels(found, ct, "Liver"), liver | lesion)
    np.testing.assert_array_equal(voxels(found, ct, "Lesion 1"), lesion, "it keeps its own")
    assert figures(found)["liver_ml"] == before[2]["liver_ml"], "which had them all along"
    assert not is_redrawn(found) and is_corrected(found) and not is_liver_changed(found)
    judge(found, ct, ["Lesion 1"], status="rejected", note="a vessel")
    judge(found, ct, ["Lesion 1"], status="", note="")
    assert state(found) == before and not is_corrected(found)
    assert found.GetSegmentation().GetNumberOfLayers() == 1


def test_undo_brings_back_what_was_there(found, ct):
    before = state(found)
    judge(found, ct, ["Lesion 1", "Lesion 3"], status="rejected")
    rejected = state(found)
    judge(found, ct, ["Lesion 3"], status="accepted")
    undo(found)
    assert state(found) == rejected
    undo(found)
    assert state(found) == before


def test_a_later_edit_leaves_rejected_lesions_to_the_liver(found, ct):
    judge(found, ct, ["Lesion 1"], status="rejected")
    delete_lesions(found, ct, ["Lesion 2"])
    np.testing.assert_array_equal(voxels(found, ct, "Liver"), (labels() > 0) & ~ball(*BALLS[3]))
    np.testing.assert_array_equal(voxels(found, ct, "Lesion 1"), ball(*BALLS[1]))
    judge(found, ct, ["Lesion 1"], status="")
    np.testing.assert_array_equal(voxels(found, ct, "Liver"), (labels() > 0) & ~ball(*BALLS[1]) & ~ball(*BALLS[3]))


def test_a_scene_in_which_a_lesion_was_rejected_before(found, ct):
    """By an earlier version, which left a hole in the liver."""
    set_judgment(found.GetSegmentation().GetSegment("Lesion 1"), Judgment("rejected"))
    follow_judgments(found)
    np.testing.assert_array_equal(voxels(found, ct, "Liver"), (labels() > 0) & ~ball(*BALLS[2]) & ~ball(*BALLS[3]))
    assert not is_redrawn(found)
    changed = found.GetSegmentation().GetMTime()
    follow_judgments(found)
    assert found.GetSegmentation().GetMTime() == changed, "once"


@pytest.mark.parametrize("grid", ["its own layer", "a smaller layer", "another grid"])
def test_a_liver_in_a_layer_of_its_own(found, ct, grid):
    """As from another program, or drawn in the Segment Editor."""
    hole, lesion = (labels() == 1), ball(*BALLS[1])
    found.GetSegmentation().RemoveSegment("Liver")
    liver = draw(found, "Liver", hole)
    image = found.GetSegmentation().GetSegment(liver).GetRepresentation(LABELMAP)
    if grid == "a smaller layer":
        voxels_of(image)[:, :, 20:] = 0
        slicer.vtkOrientedImageDataResample.FillImage(image, 0, [20, 43, 0, 39, 0, 13])
        small = slicer.vtkOrientedImageData()
        slicer.vtkOrientedImageDataResample.CopyImage(image, small, [0, 19, 0, 39, 0, 13])
        image.DeepCopy(small)
        hole = hole & (np.arange(hole.shape[2]) < 20)
    if grid == "another grid":
        matrix = np.array(GRID)
        matrix[:3, 3] += matrix[:3, :3] @ [0.5, 0, 0]
        image.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(matrix))
        hole = voxels(found, ct, liver)
    before = contents(found)
    judge(found, ct, ["Lesion 1"], status="rejected")
    near = ball(BALLS[1][0], BALLS[1][1] + 1)
    if grid == "another grid":  # half a voxel aside, so that they overlap, and a rim is nobody's
        got = voxels(found, ct, liver)
        assert got[ball(BALLS[1][0], BALLS[1][1] - 1)].all() and (got | near == hole | near).all()
        undo(found)
        assert contents(found) == before
        return
    np.testing.assert_array_equal(voxels(found, ct, liver), hole | lesion)
    judge(found, ct, ["Lesion 1"], status="")
    assert contents(found) == before


def test_what_was_drawn_by_hand_may_be_anywhere(found, ct):
    drawn = draw(found, "Metastasis", ball((0, 0, 0), 3))
    measure_again(found, ct)
    liver = voxels(found, ct, "Liver")
    judge(found, ct, [drawn], status="rejected")
    np.testing.assert_array_equal(voxels(found, ct, "Liver"), liver)
    assert not is_liver_changed(found), "its figures leave the lesion out"


def test_a_segmentation_without_a_liver(found, ct):
    found.GetSegmentation().RemoveSegment("Liver")
    judge(found, ct, ["Lesion 1"], status="rejected")
    assert judgment_of(found.GetSegmentation().GetSegment("Lesion 1")).is_rejected
    with pytest.raises(InputError):
        judge(found, ct, ["Liver"], status="rejected")


def test_surfaces_follow(found, ct):
    def points() -> int:
        return found.GetSegmentation().GetSegment("Liver").GetRepresentation("Closed surface").GetNumberOfPoints()

    found.CreateClosedSurfaceRepresentation()
    before = points()
    judge(found, ct, ["Lesion 1"], status="rejected")
    assert points() < before, "the hole has a surface too"


def test_layers_in_a_file_that_slicer_saved(found, ct, scene, tmp_path):
    judge(found, ct, ["Lesion 1"], status="rejected")
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(tmp_path / "saved.seg.nrrd"))
    assert storage.WriteData(found) == 1
    read, matrix = read_labels(tmp_path / "saved.seg.nrrd")
    expected = (labels() > 0).astype(np.uint8)
    expected[ball(*BALLS[2]) | ball(*BALLS[3])] = 2
    np.testing.assert_array_equal(read, expected)
    np.testing.assert_allclose(matrix, GRID, atol=1e-9)
    content = (tmp_path / "saved.seg.nrrd").read_bytes()
    assert b"sizes: 2 44 40 14\n" in content
    (tmp_path / "damaged.seg.nrrd").write_bytes(content.replace(b"sizes: 2 44 40", b"sizes: -2 -44 40"))
    with pytest.raises(InputError, match="damaged header"):
        read_labels(tmp_path / "damaged.seg.nrrd")
    (tmp_path / "cut.seg.nrrd").write_bytes(content[:-20])
    with pytest.raises(InputError, match="damaged or incomplete"):
        read_labels(tmp_path / "cut.seg.nrrd")
    found.GetSegmentation().GetSegment("Liver").SetName("Spleen")
    found.GetSegmentation().GetSegment("Liver").SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), "")
    storage.WriteData(found)
    with pytest.raises(InputError, match="several layers of segments, and not all are known"):
        read_labels(tmp_path / "saved.seg.nrrd")


def test_a_liver_that_was_edited_is_noticed(found, ct):
    assert not is_liver_changed(found)
    erase(found, "Liver")
    assert is_liver_changed(found)
    assert not any(row.is_changed for row in worklist(found)), "no lesion has changed"
    judge(found, ct, ["Lesion 1"], status="rejected")
    assert is_liver_changed(found), "counting again measures nothing"
    measure_again(found, ct)
    assert not is_liver_changed(found)


def test_a_lesion_that_grows_within_the_liver_does_not_change_that(found, ct):
    """Its volume is that of both."""
    draw(found, "Metastasis", ball(*MISSED))
    image = found.GetSegmentation().GetSegment("Liver").GetRepresentation(LABELMAP)
    start = image.GetExtent()[4::-2]
    inner = ball(*MISSED)[tuple(slice(a, a + n) for a, n in zip(start, voxels_of(image).shape, strict=True))]
    voxels_of(image)[inner] = 0  # as the Segment Editor does, which lets no segments overlap
    image.GetPointData().GetScalars().Modified()
    image.Modified()
    assert not is_liver_changed(found)
    draw(found, "Lesion", ball((0, 0, 0), 3))
    assert is_liver_changed(found), "it has grown beyond"
