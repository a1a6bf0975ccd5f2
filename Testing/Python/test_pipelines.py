"""The shipped networks on phantoms and on odd volumes: right place, right grid, and no crash where there is nothing to
find."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.errors import Cancelled, ModelError, UsageError
from LiverTumorLib.phantom import make_phantom
from LiverTumorLib.pipelines.segmentation import segment_case
from LiverTumorLib.pipelines.tumor import keep_sure
from LiverTumorLib.records.options import RunOptions
from LiverTumorLib.records.results import TUMOR

DATA = os.environ.get("LIVERTUMOR_TEST_DATA")


@pytest.fixture(scope="module")
def phantom():
    """A coarse phantom and its truth."""
    return make_phantom(seed=1, shape=(50, 192, 192), spacing_mm=(2.0, 2.0, 5.0))


@pytest.fixture(scope="module")
def found(phantom):
    return segment_case(phantom[0], RunOptions(keep_probabilities=True))


def _dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def _turned(volume: CTVolume, order, flips) -> CTVolume:
    """The same patient in another voxel order."""
    array = volume.array.transpose(order)
    matrix = np.eye(4)
    for axis in range(3):
        matrix[:3, 2 - axis] = volume.ijk_to_ras[:3, 2 - order[axis]]
    matrix[:3, 3] = volume.ijk_to_ras[:3, 3]
    for axis in range(3):
        if flips[axis]:
            array = np.flip(array, axis)
            matrix[:3, 3] += matrix[:3, 2 - axis] * (array.shape[axis] - 1)
            matrix[:3, 2 - axis] *= -1
    return CTVolume(array, matrix, volume.name)


def test_the_phantoms_liver_is_found(phantom, found):
    assert _dice(found.labels > 0, phantom[1] > 0) > 0.85
    assert found.result.summary.liver_ml == pytest.approx((found.labels > 0).sum() * phantom[0].voxel_ml, rel=1e-5)


def test_the_liver_is_one_part_without_holes(phantom):
    from scipy.ndimage import binary_fill_holes, label

    rough = phantom[0].array + np.random.default_rng(5).normal(0, 20, phantom[0].shape)
    volume = CTVolume(rough.astype(np.int16), phantom[0].ijk_to_ras)
    output = segment_case(volume, RunOptions(tumor=False, slices=False, keep_probabilities=True))
    liver = output.labels > 0
    assert np.array_equal(liver, output.probabilities["liver"] >= output.result.models[0]["threshold"])
    assert label(liver)[1] == 1
    assert all(np.array_equal(binary_fill_holes(plane), plane) for plane in liver)


def test_result_is_complete(phantom, found):
    result = found.result
    assert [model["task"] for model in result.models] == ["liver", "tumor", "slice"]
    assert len(result.slices) == phantom[0].shape[0]
    for record, plane in zip(result.slices, found.labels, strict=True):
        assert (record.field == "liver") == bool(plane.any())
        assert record.tumor_mm2 == pytest.approx((plane == TUMOR).sum() * 4.0)
        if record.field == "no liver":
            assert record.probability == 0
    assert sum(lesion.volume_ml for lesion in result.lesions) == pytest.approx(result.summary.tumor_ml, abs=0.01)
    assert {name: array.shape for name, array in found.probabilities.items()} == dict.fromkeys(
        ("liver", "tumor"), phantom[0].shape
    )
    assert (found.labels[found.probabilities["liver"] > 0.9] > 0).all()


@pytest.mark.parametrize(
    ("order", "flips"),
    [((0, 1, 2), (True, False, True)), ((2, 0, 1), (False, True, False)), ((1, 2, 0), (True, True, True))],
    ids=["flipped", "sagittal", "coronal"],
)
def test_voxel_order_does_not_matter(phantom, found, order, flips):
    """The same patient stored otherwise gives, voxel for voxel, the same labels on the stored grid."""
    turned = segment_case(_turned(phantom[0], order, flips))
    expected = _turned(CTVolume(found.labels.astype(np.int16), phantom[0].ijk_to_ras), order, flips).array
    assert np.array_equal(turned.labels, expected)
    assert [record.ras_s for record in turned.result.slices] == [record.ras_s for record in found.result.slices]


@pytest.mark.parametrize("tilt_deg", [12, 35])
def test_an_oblique_scan_comes_back_on_its_own_grid(phantom, tilt_deg):
    from scipy.ndimage import affine_transform

    volume, truth = phantom
    angle = np.radians(tilt_deg)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    center = volume.ras([(n - 1) / 2 for n in volume.shape[::-1]])
    about = np.eye(4)
    about[:3, 3] = center - turn[:3, :3] @ center
    matrix = about @ turn @ volume.ijk_to_ras  # the scanner's planes tilted about the patient's middle
    source = np.linalg.inv(volume.ijk_to_ras) @ matrix
    kji, offset = source[:3, :3][::-1, ::-1], source[2::-1, 3]
    array = affine_transform(volume.array.astype(np.float32), kji, offset, order=1, cval=-1000)
    expected = affine_transform(truth, kji, offset, order=0) > 0
    output = segment_case(CTVolume(array, matrix), RunOptions(slices=False))
    assert output.labels.shape == volume.shape
    assert _dice(output.labels > 0, expected) > 0.8


@pytest.mark.parametrize("content", ["air", "water", "noise"])
def test_no_liver_is_an_answer(content):
    rng = np.random.default_rng(0)
    array = np.full((12, 96, 96), -1000, np.int16)
    if content != "air":
        array[:, 20:76, 20:76] = 0 if content == "water" else rng.normal(-300, 300, (12, 56, 56))
    output = segment_case(CTVolume(array, np.diag([-4.0, -4.0, 5.0, 1.0])))
    summary = output.result.summary
    assert not output.labels.any()
    assert (summary.liver_ml, summary.tumor_ml, summary.lesion_count, summary.tumor_burden_percent) == (0, 0, 0, None)
    assert "No liver found." in summary.notes
    assert {record.probability for record in output.result.slices} == {0}


def test_one_slice(phantom, found):
    volume, _ = phantom
    k = int(np.argmax((found.labels > 0).sum(axis=(1, 2))))
    single = segment_case(CTVolume(volume.array[k : k + 1], volume.ijk_to_ras))
    assert _dice(single.labels[0] > 0, found.labels[k] > 0) > 0.8


@pytest.mark.parametrize(("slices", "slice_mm"), [(834, 0.3), (25, 10.0)], ids=["thin", "thick"])
def test_slice_thickness_does_not_change_the_liver(phantom, found, slices, slice_mm):
    """The same patient cut otherwise: as many slices as asked, and the same liver volume."""
    from scipy.ndimage import zoom

    volume, _ = phantom
    array = zoom(
        volume.array[:, ::2, ::2].astype(np.float32),
        (slices / volume.shape[0], 1, 1),
        order=1,
        grid_mode=True,
        mode="nearest",
    )
    matrix = volume.ijk_to_ras @ np.diag([2, 2, slice_mm / 5.0, 1])
    output = segment_case(CTVolume(array.astype(np.int16), matrix), RunOptions(tumor=False, slices=False))
    assert output.labels.shape == (slices, 96, 96)
    assert output.result.summary.liver_ml == pytest.approx(found.result.summary.liver_ml, rel=0.06)


def test_a_windowed_float_volume_gives_the_same(phantom, found):
    windowed = np.clip(phantom[0].array, -40, 160).astype(np.float32)
    output = segment_case(phantom[0].with_array(windowed), RunOptions(slices=False))
    assert _dice(output.labels > 0, found.labels > 0) > 0.995


def test_thresholds_options_and_stages_are_obeyed(phantom, found):
    volume, _ = phantom
    stages = []
    output = segment_case(
        volume, RunOptions(tumor=False, slices=False, liver_threshold=0.9), lambda stage, *_: stages.append(stage)
    )
    assert set(stages) == {"liver", "measure", "done"}
    assert 0 < (output.labels > 0).sum() < (found.labels > 0).sum()
    assert output.result.summary.lesion_count is None and not output.result.lesions
    assert {record.probability for record in output.result.slices} == {None}


def test_small_lesions_are_dropped(phantom, found):
    sizes = [lesion.volume_ml for lesion in found.result.lesions]
    if not sizes:
        pytest.fail("the shipped model finds no lesion at all in the phantom")
    bound = (min(sizes) + max(sizes)) / 2 if len(sizes) > 1 else sizes[0] + 1
    output = segment_case(phantom[0], RunOptions(slices=False, min_lesion_ml=bound))
    assert [lesion.volume_ml for lesion in output.result.lesions] == [size for size in sizes if size >= bound]
    assert (output.labels > 0).sum() == (found.labels > 0).sum(), "what is not a lesion stays liver"


def test_progress_rises_and_can_stop_the_run(phantom):
    fractions = []

    def stop_in_the_middle(stage, fraction, message):
        fractions.append(fraction)
        assert message
        if fraction > 0.3:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        segment_case(phantom[0], RunOptions(), stop_in_the_middle)
    assert fractions == sorted(fractions) and len(fractions) > 3


def test_a_model_of_another_task_is_refused(phantom):
    with pytest.raises(UsageError, match="is for task 'tumor', not for 'liver'"):
        segment_case(phantom[0], RunOptions(liver_model="liver-tumor"))
    with pytest.raises(ModelError, match="not installed"):
        segment_case(phantom[0], RunOptions(liver_model="nowhere"))
    with pytest.raises(UsageError, match="was not trained to find tumor straight from the abdomen"):
        segment_case(phantom[0], RunOptions(roi=False))


@pytest.mark.skipif(not DATA, reason="needs LIVERTUMOR_TEST_DATA with real CT")
def test_a_validation_patient():
    """Case 22 chose thresholds, so this is not a measurement: it tells whether the real thing works at all."""
    from LiverTumorLib.files import read_ct, read_labels

    folder = Path(DATA) / "lits17-subset"
    output = segment_case(read_ct(folder / "volume-22.nii.gz"))
    truth, _ = read_labels(folder / "segmentation-22.nii.gz")
    assert _dice(output.labels > 0, truth > 0) > 0.9
    assert _dice(output.labels == TUMOR, truth == TUMOR) > 0.5


def test_a_liver_that_is_known_takes_the_place_of_stage_1(phantom, found):
    """Given what stage 1 found, stage 2 finds the same; no liver model is used, and the liver is the one that was
    given."""
    options = RunOptions(liver_model="not installed", slices=False, keep_probabilities=True)
    output = segment_case(phantom[0], options, liver=(found.labels > 0).astype(np.uint8))
    assert [model["task"] for model in output.result.models] == ["tumor"]
    assert "liver" not in output.result.seconds
    assert _dice(output.labels == TUMOR, found.labels == TUMOR) > 0.95
    np.testing.assert_array_equal(output.probabilities["liver"] > 0.5, found.labels > 0)
    with pytest.raises(ValueError, match="not on the volume's grid"):
        segment_case(phantom[0], liver=np.zeros((2, 2, 2), np.uint8))


def test_what_is_sure_nowhere_is_left_out_and_what_is_keeps_its_rim():
    maps = np.zeros((3, 8, 20), np.float32)
    maps[1, 2:6, 2:6], maps[1, 3, 3] = 0.3, 0.9
    maps[1, 2:6, 12:16] = 0.4
    kept = keep_sure(maps, 0.25, 0.85)
    assert np.array_equal(kept[..., :10], maps[..., :10]) and kept[..., 10:].max() == np.float32(0.125)
    assert keep_sure(maps, 0.5, 0.0) is maps, "without a second threshold nothing changes"
