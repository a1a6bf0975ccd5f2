"""Lesions that a reader deletes, merges, splits and adds, and takes back."""

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")

from lesions_scene import (  # noqa: F401 - fixtures
    BALLS,
    GRID,
    MISSED,
    ball,
    case,
    ct_fixture,
    draw,
    found_fixture,
    labels,
    lesion_rows,
    names,
    ras,
    scene_fixture,
)
from LiverTumorLib.errors import InputError
from LiverTumorLib.mrml import can_undo, labels_from_segmentation, measure_again, show_segmentation, undo
from LiverTumorLib.mrml.corrections import is_corrected
from LiverTumorLib.mrml.history import changed_since
from LiverTumorLib.mrml.lesion_edits import delete_lesions, merge_lesions, split_lesion
from LiverTumorLib.mrml.missed import forget_missed, growing_missed, is_missed_shown, taking_missed
from LiverTumorLib.mrml.worklist import judge, worklist
from mrml_scene import at_once_of

show_missed, take_missed = at_once_of(growing_missed), at_once_of(taking_missed)


def test_a_false_lesion_is_deleted_and_comes_back(found, ct):
    probability_before = lesion_rows(found)[2]["mean_probability"]
    delete_lesions(found, ct, ["Lesion 2"])
    assert names(found) == ["Liver", "Lesion 1", "Lesion 3"], "the others keep their numbers"
    expected = labels()
    expected[ball(*BALLS[2])] = 1
    np.testing.assert_array_equal(labels_from_segmentation(found, ct), expected)
    assert [row["id"] for row in lesion_rows(found)] == [1, 3]
    assert lesion_rows(found)[1]["mean_probability"] == pytest.approx(probability_before, abs=0.01)
    assert found.GetSegmentation().GetNumberOfLayers() == 1
    assert can_undo(found) and not changed_since(found)
    judge(found, ct, ["Lesion 1"], note="mine")
    assert changed_since(found), "going back would lose the note"
    undo(found)
    assert names(found) == ["Liver", "Lesion 1", "Lesion 2", "Lesion 3"]
    np.testing.assert_array_equal(labels_from_segmentation(found, ct), labels())
    assert [row["id"] for row in lesion_rows(found)] == [1, 2, 3] and not is_corrected(found)


def test_lesions_are_merged(found, ct):
    judge(found, ct, ["Lesion 2"], kind="metastasis")
    merge_lesions(found, ct, ["Lesion 3", "Lesion 2"])
    assert names(found) == ["Liver", "Lesion 1", "Lesion 2"]
    rows = worklist(found)
    assert [row.figures["id"] for row in rows] == [1, 2] and rows[1].judgment.kind == "metastasis"
    voxels = ball(*BALLS[2]).sum() + ball(*BALLS[3]).sum()
    assert rows[1].figures["volume_ml"] == pytest.approx(voxels * abs(np.linalg.det(GRID[:3, :3])) / 1000, abs=1e-4)
    np.testing.assert_array_equal(labels_from_segmentation(found, ct), labels())
    with pytest.raises(InputError, match="two or more"):
        merge_lesions(found, ct, ["Lesion 1", "Lesion 1"])
    split_lesion(found, ct, "Lesion 2")  # into its pieces
    assert [row["id"] for row in lesion_rows(found)] == [1, 2, 3]
    assert [row.judgment.kind for row in worklist(found)] == ["", "metastasis", "metastasis"]
    undo(found)
    undo(found)
    assert worklist(found)[1].judgment.kind == "metastasis" and len(worklist(found)) == 3


def test_one_piece_is_split_at_its_waist(found, ct):
    one, two = ball((7, 9, 11), 4), ball((7, 9, 17), 4)
    drawn = draw(found, "Lesion", one | two)
    measure_again(found, ct)
    split_lesion(found, ct, drawn)
    rows = worklist(found)
    assert [row.figures["id"] for row in rows] == [1, 2, 3, 4, 5]
    volumes = [row.figures["volume_ml"] for row in rows[3:]]
    assert volumes[0] == pytest.approx(volumes[1], rel=0.2)
    with pytest.raises(InputError, match="without a waist"):
        split_lesion(found, ct, "Lesion 3")
    assert len(worklist(found)) == 5


def test_a_lesion_that_is_gone_is_not_judged(found, ct):
    found.GetSegmentation().RemoveSegment("Lesion 2")
    with pytest.raises(InputError, match="no longer there"):
        judge(found, ct, ["Lesion 1", "Lesion 2"], status="accepted")
    assert not worklist(found)[0].judgment.is_said
    for edit in (delete_lesions, merge_lesions):
        with pytest.raises(InputError, match="no longer there"):
            edit(found, ct, ["Lesion 1", "Lesion 2"])
    with pytest.raises(InputError, match="no longer there"):
        split_lesion(found, ct, "Lesion 2")
    assert not can_undo(found)


def test_a_missed_lesion_is_grown_shown_and_taken(found, ct, scene):
    nodes = scene.GetNumberOfNodes()
    near = (MISSED[0][0], MISSED[0][1] + 3, MISSED[0][2] + 2)  # beside it
    missed = show_missed(found, ct, ras(near))
    assert missed.highest == pytest.approx(0.3, abs=0.01) and missed.threshold < missed.highest
    assert missed.volume_ml == pytest.approx(ball(*MISSED).sum() * abs(np.linalg.det(GRID[:3, :3])) / 1000, abs=1e-3)
    assert names(found) == ["Liver", "Lesion 1", "Lesion 2", "Lesion 3"], "nothing is taken yet"
    forget_missed(found)
    assert scene.GetNumberOfNodes() == nodes and not is_missed_shown(found)
    show_missed(found, ct, ras(MISSED[0]))
    take_missed(found, ct)
    assert scene.GetNumberOfNodes() == nodes and not is_missed_shown(found)
    expected = labels()
    expected[ball(*MISSED)] = 2
    np.testing.assert_array_equal(labels_from_segmentation(found, ct), expected)
    assert [row.name for row in worklist(found)] == ["Lesion 1", "Lesion 2", "Lesion 3", "Lesion 4"]
    undo(found)
    np.testing.assert_array_equal(labels_from_segmentation(found, ct), labels())


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ((8, 60, 10), "outside of Liver"),
        (BALLS[1][0], "in Lesion 1 already"),
        (BALLS[2][0], "in Lesion 2, which was rejected"),
        ((3, 6, 6), "saw nothing there"),
    ],
)
def test_where_nothing_can_be_grown_a_sentence_says_why(found, ct, place, says):
    judge(found, ct, ["Lesion 2"], status="rejected")
    with pytest.raises(InputError, match=says):
        show_missed(found, ct, ras(place))
    assert not is_missed_shown(found)
    with pytest.raises(InputError, match="click on one first"):
        take_missed(found, ct)


def test_without_a_kept_map_nothing_is_grown(ct):
    found = show_segmentation(case(keep=False), ct).segmentationNode
    with pytest.raises(InputError, match="Keep probability volumes"):
        show_missed(found, ct, ras(MISSED[0]))
