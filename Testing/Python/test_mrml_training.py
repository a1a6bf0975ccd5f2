"""A corrected case becomes one that the trainer finds and reads."""

import re

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")

from CompressionTrainerLib.data.labeled import read_case
from CompressionTrainerLib.data.layouts import find_cases
from LiverTumorLib.errors import InputError, OutputError
from LiverTumorLib.mrml import ct_to_node, labels_to_segmentation
from LiverTumorLib.mrml.export import exporting_labels
from LiverTumorLib.mrml.training import adding_training_case
from LiverTumorLib.mrml.worklist import judge
from mrml_scene import GRIDS, at_once_of, make_ct, make_labels, new_scene

add_training_case, export_labels = at_once_of(adding_training_case), at_once_of(exporting_labels)


@pytest.fixture
def nodes():
    ct = ct_to_node(make_ct(GRIDS["oblique"]), new_scene())
    return labels_to_segmentation(make_labels(make_ct()), ct), ct


@pytest.mark.parametrize("name", ["Abdomen", "5: CT, Leber/portal", "volume-7", "liver_seg", "CT_0000"])
def test_the_trainer_finds_what_was_added(nodes, tmp_path, name):
    segmentation, ct = nodes
    ct.SetName("first")
    add_training_case(segmentation, ct, tmp_path / "data")
    ct.SetName(name)
    add_training_case(segmentation, ct, tmp_path / "data")
    found = find_cases(tmp_path / "data")
    assert found.layout == "pairs" and len(found.cases) == 2 and not found.problems
    for case in found.cases:
        read = read_case(case)
        np.testing.assert_array_equal(read.volume.array, make_ct().array)
        np.testing.assert_allclose(read.volume.ijk_to_ras, GRIDS["oblique"], atol=1e-4)
        np.testing.assert_array_equal(read.labels, make_labels(make_ct()))


def test_a_rejected_lesion_is_liver(nodes, tmp_path):
    segmentation, ct = nodes
    judge(segmentation, ct, ["Lesion 1"], status="rejected")
    add_training_case(segmentation, ct, tmp_path)
    read = read_case(find_cases(tmp_path).cases[0])
    np.testing.assert_array_equal(read.labels, make_labels(make_ct()) > 0)


def test_a_case_that_is_there_stays(nodes, tmp_path):
    segmentation, ct = nodes
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "abdomen.nii").write_bytes(b"somebody's")
    with pytest.raises(OutputError, match=re.escape("abdomen.nii is there already")):
        add_training_case(segmentation, ct, tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["masks", "abdomen.nii"]


@pytest.mark.parametrize(
    ("there", "layout"),
    [("dataset.json", "MSD"), ("batch 1/volume-3.nii", "LiTS"), ("p1/PATIENT_DICOM/i", "3D-IRCADb")],
)
def test_no_case_is_put_where_it_would_not_be_found(nodes, tmp_path, there, layout):
    (tmp_path / there).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / there).write_text("{}")
    with pytest.raises(OutputError, match=f"layout of {layout}, beside which"):
        add_training_case(*nodes, tmp_path)
    assert not (tmp_path / "images").exists()


def test_no_half_of_a_case_is_left(nodes, tmp_path):
    (tmp_path / "images").write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="cannot be written"):
        add_training_case(*nodes, tmp_path)
    assert not list((tmp_path / "masks").iterdir())


def test_a_tilted_gantry_is_made_upright(tmp_path):
    ct = ct_to_node(make_ct(GRIDS["gantry tilt"]), new_scene())
    segmentation = labels_to_segmentation(make_labels(make_ct()), ct)
    with pytest.raises(OutputError, match="tilted gantry of Abdomen"):
        export_labels(segmentation, ct, tmp_path / "labels.nii.gz")
    add_training_case(segmentation, ct, tmp_path)
    read = read_case(find_cases(tmp_path).cases[0])
    truth = make_labels(make_ct())
    assert [np.count_nonzero(read.labels == label) for label in (1, 2)] == [
        np.count_nonzero(truth == label) for label in (1, 2)
    ]
    middle = read.volume.ras(np.argwhere(read.labels == 2)[:, ::-1]).mean(axis=0)
    np.testing.assert_allclose(
        middle, make_ct(GRIDS["gantry tilt"]).ras(np.argwhere(truth == 2)[:, ::-1]).mean(axis=0), atol=0.5
    )
    assert read.volume.array.min() < -900 and read.volume.array[0, 0, 0] < -900, "air around it"


def test_without_a_liver_there_is_nothing_to_learn(nodes, tmp_path):
    empty = labels_to_segmentation(np.zeros_like(make_labels(make_ct())), nodes[1])
    with pytest.raises(InputError, match="no liver"):
        add_training_case(empty, nodes[1], tmp_path)
