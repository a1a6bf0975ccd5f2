"""Lesions that are drawn by hand over the liver or over one another, and rejected: nothing is lost of either."""

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")

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
    paint,
    ras,
    scene_fixture,
)
from LiverTumorLib.errors import InputError
from LiverTumorLib.files import read_labels
from LiverTumorLib.mrml import labels_from_segmentation, measure_again, undo
from LiverTumorLib.mrml.corrections import contents
from LiverTumorLib.mrml.export import exporting_labels, exporting_lesions
from LiverTumorLib.mrml.kept_axes import LONG, draw_axis
from LiverTumorLib.mrml.layers import LABELMAP, merged_labels
from LiverTumorLib.mrml.lesion_edits import delete_lesions, merge_lesions, split_lesion
from LiverTumorLib.mrml.lesions import take_lesions
from LiverTumorLib.mrml.missed import growing_missed, taking_missed
from LiverTumorLib.mrml.report import start_report
from LiverTumorLib.mrml.segment_contents import contents_of
from LiverTumorLib.mrml.worklist import follow_judgments, is_liver_changed, judge, worklist
from mrml_scene import at_once_of

export_labels = at_once_of(exporting_labels)
VOXEL_ML = abs(np.linalg.det(GRID[:3, :3])) / 1000
EDGE = (7, 20, 3), 4  # middle and radius of a ball that is half outside of the liver


def voxels(segmentation, ct, identifier) -> np.ndarray:
    return merged_labels(segmentation, ct, [(identifier, 1)]) > 0


def state(segmentation) -> tuple:
    return contents(segmentation), contents_of(segmentation), figures(segmentation), lesion_rows(segmentation)


def check_everywhere(segmentation, ct, expected, path) -> None:
    """The liver and the lesions that count, wherever they go to."""
    np.testing.assert_array_equal(labels_from_segmentation(segmentation, ct), expected)
    np.testing.assert_array_equal(
        np.minimum(take_lesions(segmentation, ct).labels().without_rejected().labels, 2), expected
    )
    for ending in (".seg.nrrd", ".nii.gz"):
        export_labels(segmentation, ct, path / f"labels{ending}")
        np.testing.assert_array_equal(np.minimum(read_labels(path / f"labels{ending}")[0], 2), expected)


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("place", [MISSED, EDGE])
def test_a_lesion_drawn_by_hand_and_rejected_leaves_no_hole(found, ct, tmp_path, place, overlap):
    liver = voxels(found, ct, "Liver")
    drawn = paint(found, "Metastasis", ball(*place), overlap)
    measure_again(found, ct)
    before, liver_before = state(found), voxels(found, ct, "Liver")
    assert figures(found)["liver_ml"] == pytest.approx(((labels() > 0) | ball(*place)).sum() * VOXEL_ML, abs=1e-3)
    judge(found, ct, [drawn], status="rejected")
    np.testing.assert_array_equal(voxels(found, ct, "Liver"), liver, "what was liver, and no more")
    np.testing.assert_array_equal(voxels(found, ct, drawn), ball(*place))
    check_everywhere(found, ct, labels(), tmp_path)
    assert figures(found)["liver_ml"] == pytest.approx((labels() > 0).sum() * VOXEL_ML, abs=1e-3)
    assert not is_liver_changed(found)
    counted = figures(found)
    measure_again(found, ct)
    assert figures(found) == {**counted, "notes": figures(found)["notes"]}, "as if it had been measured"
    judge(found, ct, [drawn], status="")
    np.testing.assert_array_equal(voxels(found, ct, "Liver"), liver_before)
    assert state(found)[:2] == before[:2] and figures(found)["liver_ml"] == before[2]["liver_ml"]


def test_undo_brings_back_what_was_drawn(found, ct):
    drawn = paint(found, "Metastasis", ball(*EDGE))
    measure_again(found, ct)
    before = state(found)
    judge(found, ct, [drawn], status="rejected")
    undo(found)
    assert state(found) == before
    judge(found, ct, [drawn], status="rejected")
    np.testing.assert_array_equal(voxels(found, ct, "Liver"), labels() == 1)


def test_a_lesion_that_was_never_measured(found, ct, tmp_path):
    """It is drawn and rejected at once."""
    drawn = paint(found, "Metastasis", ball(*EDGE))
    judge(found, ct, [drawn], status="rejected")
    check_everywhere(found, ct, labels(), tmp_path)


def test_the_liver_as_the_reader_has_corrected_it(found, ct, tmp_path):
    """What was added to it before a lesion is drawn there counts, what was erased does not."""
    segments = found.GetSegmentation()
    added, erased = ball((7, 20, 3), 2) & (labels() == 0), ball((7, 36, 20), 3)
    segments.RemoveSegment(paint(found, "Spleen", erased))
    drawn = segments.GetSegment(draw(found, "Liver of the reader", voxels(found, ct, "Liver") | added))
    segments.GetSegment("Liver").AddRepresentation(LABELMAP, drawn.GetRepresentation(LABELMAP))
    segments.GetSegment("Liver").SetLabelValue(1)
    drawn.RemoveRepresentation(LABELMAP)
    segments.RemoveSegment(segments.GetSegmentIdBySegment(drawn))
    follow_judgments(found)  # as the panel does after each stroke
    corrected = labels()
    corrected[erased & (corrected == 1)] = 0
    corrected[added] = 1
    check_everywhere(found, ct, corrected, tmp_path)
    one, two = paint(found, "Metastasis", ball(*EDGE)), paint(found, "Lesion", ball((7, 36, 20), 4))
    follow_judgments(found)
    judge(found, ct, [one, two], status="rejected")
    check_everywhere(found, ct, corrected, tmp_path)


@pytest.mark.parametrize("kept", [None, "[", "[1]", '{"mask": 3}'])
def test_a_liver_that_no_run_has_found(found, ct, tmp_path, kept):
    """Where nobody saw the liver before the lesion was drawn, what it encloses is liver."""
    found.SetAttribute("LiverTumor.liver", kept)
    inside, edge = paint(found, "Metastasis", ball(*MISSED)), paint(found, "Lesion", ball(*EDGE))
    judge(found, ct, [inside, edge], status="rejected")
    expected = labels()
    expected[ball(*EDGE)] = 0
    check_everywhere(found, ct, expected, tmp_path)


@pytest.mark.parametrize("which", ["the network's", "the drawn one"])
def test_one_of_two_overlapping_lesions_is_rejected(found, ct, tmp_path, which):
    over = ball((7, 20, 25), 3)
    one = ball(*BALLS[1])
    drawn = draw(found, "Metastasis", over)
    measure_again(found, ct)
    before = state(found)
    both = figures(found)["tumor_ml"]
    rows = {row["segment"]: row["volume_ml"] for row in lesion_rows(found)}
    assert rows["Lesion 1"] == pytest.approx(one.sum() * VOXEL_ML, abs=1e-4), "each is measured as a whole"
    assert rows[drawn] == pytest.approx(over.sum() * VOXEL_ML, abs=1e-4)
    assert both == pytest.approx(((labels() == 2) | over).sum() * VOXEL_ML, abs=1e-3), "and what both have, once"
    gone, kept = ("Lesion 1", drawn) if which == "the network's" else (drawn, "Lesion 1")
    judge(found, ct, [gone], status="rejected")
    expected = labels()
    expected[one] = 1
    expected[one if kept == "Lesion 1" else over] = 2
    check_everywhere(found, ct, expected, tmp_path)
    np.testing.assert_array_equal(voxels(found, ct, gone), one if gone == "Lesion 1" else over)
    liver = (labels() == 1) | (one & ~over) if gone == "Lesion 1" else labels() == 1
    np.testing.assert_array_equal(voxels(found, ct, "Liver"), liver, "and nothing of the other lesion")
    counted = figures(found)
    assert counted["tumor_ml"] == pytest.approx((expected == 2).sum() * VOXEL_ML, abs=1e-3)
    assert counted["liver_ml"] == pytest.approx((labels() > 0).sum() * VOXEL_ML, abs=1e-3)
    measure_again(found, ct)
    assert figures(found) == {**counted, "notes": figures(found)["notes"]}
    judge(found, ct, [gone], status="")
    assert state(found)[:2] == before[:2] and figures(found)["tumor_ml"] == both


def test_both_of_two_overlapping_lesions_are_rejected_and_taken_back(found, ct, tmp_path):
    drawn = draw(found, "Metastasis", ball((7, 20, 25), 3))
    measure_again(found, ct)
    before = state(found)
    judge(found, ct, ["Lesion 1"], status="rejected")
    judge(found, ct, [drawn], status="rejected")
    expected = labels()
    expected[ball(*BALLS[1])] = 1
    check_everywhere(found, ct, expected, tmp_path)
    judge(found, ct, ["Lesion 1"], status="")
    check_everywhere(found, ct, labels(), tmp_path)
    judge(found, ct, [drawn], status="")
    assert state(found)[:2] == before[:2] and figures(found) == before[2]


def test_an_edit_keeps_what_lies_beneath_another_lesion(found, ct, tmp_path):
    over = ball((7, 20, 25), 3)
    drawn = draw(found, "Metastasis", over)
    measure_again(found, ct)
    delete_lesions(found, ct, ["Lesion 2"])
    np.testing.assert_array_equal(voxels(found, ct, "Lesion 1"), ball(*BALLS[1]))
    np.testing.assert_array_equal(voxels(found, ct, drawn), over)
    delete_lesions(found, ct, [drawn])
    expected = labels()
    expected[ball(*BALLS[2])] = 1
    check_everywhere(found, ct, expected, tmp_path)
    np.testing.assert_array_equal(voxels(found, ct, "Lesion 1"), ball(*BALLS[1]))
    undo(found)
    undo(found)
    np.testing.assert_array_equal(voxels(found, ct, drawn), over)


def test_overlapping_lesions_are_merged(found, ct, tmp_path):
    over = ball((7, 20, 25), 3)
    drawn = draw(found, "Metastasis", over)
    last = draw(found, "Tumor", ball((7, 20, 22), 2))  # over both
    measure_again(found, ct)
    merge_lesions(found, ct, ["Lesion 1", drawn])
    merged = ball(*BALLS[1]) | over
    np.testing.assert_array_equal(voxels(found, ct, "Lesion 1"), merged)
    np.testing.assert_array_equal(voxels(found, ct, last), ball((7, 20, 22), 2))
    assert figures(found)["tumor_ml"] == pytest.approx(((labels() == 2) | over).sum() * VOXEL_ML, abs=1e-3)
    judge(found, ct, [last], status="rejected")
    expected = labels()
    expected[merged] = 2
    check_everywhere(found, ct, expected, tmp_path)
    judge(found, ct, ["Lesion 1"], status="rejected")
    expected[merged] = 1
    check_everywhere(found, ct, expected, tmp_path)


def test_a_lesion_beneath_another_one_is_split(found, ct):
    one, two, over = ball((7, 9, 11), 4), ball((7, 9, 17), 4), ball((7, 9, 19), 2)
    lesion, last = draw(found, "Lesion", one | two), draw(found, "Tumor", over)
    measure_again(found, ct)
    split_lesion(found, ct, lesion)
    new = worklist(found)[-1].lesion.identifier
    parts = voxels(found, ct, lesion), voxels(found, ct, new)
    np.testing.assert_array_equal(parts[0] | parts[1], one | two)
    assert not (parts[0] & parts[1]).any() and parts[0].sum() == pytest.approx(parts[1].sum(), rel=0.2)
    np.testing.assert_array_equal(voxels(found, ct, last), over)


@pytest.mark.parametrize("overlap", [False, True])
def test_a_drawn_lesion_is_deleted(found, ct, tmp_path, overlap):
    drawn = paint(found, "Metastasis", ball(*EDGE), overlap)
    measure_again(found, ct)
    delete_lesions(found, ct, [drawn])
    check_everywhere(found, ct, labels(), tmp_path)


def test_a_rejected_lesion_stays_so_while_others_are_edited(found, ct, tmp_path):
    drawn = paint(found, "Metastasis", ball(*EDGE))
    measure_again(found, ct)
    before = contents(found)
    judge(found, ct, [drawn], status="rejected")
    at_once_of(growing_missed)(found, ct, ras(MISSED[0]))
    at_once_of(taking_missed)(found, ct)
    expected = labels()
    expected[ball(*MISSED)] = 2
    check_everywhere(found, ct, expected, tmp_path)
    judge(found, ct, ["Lesion 5"], status="rejected")
    check_everywhere(found, ct, labels(), tmp_path)
    delete_lesions(found, ct, ["Lesion 5"])
    judge(found, ct, [drawn], status="")
    assert contents(found) == before


def test_a_scene_that_slicer_saved(found, ct, scene, tmp_path):
    drawn = paint(found, "Metastasis", ball(*EDGE))
    measure_again(found, ct)
    before = contents(found)
    judge(found, ct, [drawn], status="rejected")
    attributes = {name: found.GetAttribute(name) for name in found.GetAttributeNames()}
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(tmp_path / "saved.seg.nrrd"))
    assert storage.WriteData(found) == 1
    np.testing.assert_array_equal(read_labels(tmp_path / "saved.seg.nrrd")[0], labels())
    read = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    assert storage.ReadData(read) == 1
    for name, value in attributes.items():
        read.SetAttribute(name, value)
    np.testing.assert_array_equal(labels_from_segmentation(read, ct), labels())
    judge(read, ct, [drawn], status="")
    assert contents(read) == before


def test_a_lesion_does_not_inherit_the_axis_of_another_one(found, ct):
    """That was drawn for a lesion in it, which is deleted or merged into it."""
    drawn = draw(found, "Metastasis", ball((7, 20, 21), 2))
    measure_again(found, ct)
    before = {row["id"]: row["longest_diameter_mm"] for row in lesion_rows(found)}
    draw_axis(found, lesion_rows(found), 4, LONG, (tuple(ras((7, 20, 20))), tuple(ras((7, 20, 22)))))
    [*_, row] = measure_again(found, ct).result.lesions
    assert row.axes_by_hand == "long" and row.longest_diameter_mm != before[4]
    for edit in (lambda: delete_lesions(found, ct, [drawn]), lambda: merge_lesions(found, ct, ["Lesion 1", drawn])):
        edit()
        assert {row["id"]: row["longest_diameter_mm"] for row in lesion_rows(found)} == {n: before[n] for n in BALLS}
        undo(found)
        assert lesion_rows(found)[3]["axes_by_hand"] == "long"


@pytest.mark.parametrize("change", ["voxels", "judgment", "removed"])
@pytest.mark.parametrize("export", [exporting_labels, exporting_lesions])
@pytest.mark.parametrize("ending", [".seg.nrrd", ".nii.gz"])
def test_what_changes_while_it_is_exported_is_said(found, ct, scene, tmp_path, export, ending, change):
    path = tmp_path / f"lesions{ending if export is exporting_labels else '.csv'}"
    steps = export(found, ct, path)
    output = next(steps)()  # in the background, while the user goes on
    _change(found, scene, change)
    with pytest.raises(InputError, match="^Liver segmentation was changed meanwhile; start again.$"):
        steps.send(output)
    assert not path.exists()


@pytest.mark.parametrize("change", ["voxels", "judgment", "removed"])
def test_what_changes_before_a_report_is_written_is_said(found, ct, scene, tmp_path, change):
    run = start_report(found, ct, page=tmp_path / "page.pdf")
    _change(found, scene, change)
    with pytest.raises(InputError, match="^Liver segmentation was changed meanwhile; start again.$"):
        run.wait(60)
    assert not (tmp_path / "page.pdf").exists()


def _change(segmentation, scene, what: str) -> None:
    if what == "voxels":
        erase(segmentation, "Lesion 2")
    elif what == "judgment":
        segmentation.GetSegmentation().GetSegment("Lesion 2").SetTag("LiverTumor.Status", "rejected")
    else:
        scene.RemoveNode(segmentation)


@pytest.mark.parametrize("seed", [0, 1, 105, 115])
def test_whatever_a_reader_does_in_whatever_order(found, ct, seed):
    """Against plain masks: of each lesion, and of the liver, which nobody erases."""
    random = np.random.default_rng(seed)
    liver = labels() > 0
    masks = {f"Lesion {number}": ball(*place) for number, place in BALLS.items()}
    rejected: set[str] = set()
    for _step in range(20):
        before = state(found)
        chosen = str(random.choice(list(masks)))
        kind = random.choice(["paint", "overlap", "reject", "reject", "reject", "delete", "merge"])
        others = [each for each in masks if each != chosen]
        undone = (masks.copy(), rejected.copy())
        if kind in ("paint", "overlap"):
            place = [int(random.integers(2, size - 2)) for size in liver.shape]
            mask = ball(place, int(random.integers(2, 6)))
            if kind == "paint":
                masks = {each: own & ~mask for each, own in masks.items()}
            masks[paint(found, "Metastasis", mask, kind == "overlap")] = mask
            measure_again(found, ct)
        elif kind == "reject":
            rejected ^= {chosen}
            judge(found, ct, [chosen], status="rejected" if chosen in rejected else "accepted")
        elif kind == "delete" and others:
            del masks[chosen]
            rejected -= {chosen}
            delete_lesions(found, ct, [chosen])
        elif kind == "merge" and others:
            numbers = {row.lesion.identifier: row.lesion.number for row in worklist(found)}
            first, second = sorted((chosen, str(random.choice(others))), key=numbers.get)
            masks[first] = masks[first] | masks.pop(second)
            rejected -= {second}
            merge_lesions(found, ct, [first, second])
        else:
            continue
        check_model(found, ct, liver, masks, rejected)
        if kind in ("reject", "delete", "merge") and random.random() < 0.4:
            undo(found)
            assert state(found) == before
            masks, rejected = undone
            check_model(found, ct, liver, masks, rejected)


def check_model(segmentation, ct, liver, masks, rejected) -> None:
    counted = np.any([mask for each, mask in masks.items() if each not in rejected] or [np.zeros_like(liver)], axis=0)
    expected = np.where(counted, 2, liver.astype(np.uint8))
    np.testing.assert_array_equal(labels_from_segmentation(segmentation, ct), expected)
    found = take_lesions(segmentation, ct).labels().without_rejected()
    np.testing.assert_array_equal(np.minimum(found.labels, 2), expected)
    for each, mask in masks.items():
        np.testing.assert_array_equal(voxels(segmentation, ct, each), mask)
    rows = {row["segment"]: row["volume_ml"] for row in lesion_rows(segmentation)}
    sizes = {each: mask.sum() * VOXEL_ML for each, mask in masks.items() if mask.any()}
    assert rows == pytest.approx(sizes, abs=1e-4)
    assert figures(segmentation)["tumor_ml"] == pytest.approx(counted.sum() * VOXEL_ML, abs=6e-4)
    assert figures(segmentation)["liver_ml"] == pytest.approx((liver | counted).sum() * VOXEL_ML, abs=6e-4)
    assert not is_liver_changed(segmentation)
