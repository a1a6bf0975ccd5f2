"""The slice classifier: with the liver and without it, on whole slices and on the liver region, in a run and slice by
slice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from LiverTumorLib.ct import CTVolume, to_axial
from LiverTumorLib.models.bundle import load_bundle, write_bundle
from LiverTumorLib.models.catalogue import SHIPPED
from LiverTumorLib.models.session import open_session
from LiverTumorLib.phantom import make_phantom
from LiverTumorLib.pipelines.classification import classify_case
from LiverTumorLib.pipelines.live import SliceScorer
from LiverTumorLib.pipelines.slicewise import liver_cells, slice_logits, smoothed_logits
from LiverTumorLib.records.options import RunOptions
from LiverTumorLib.records.results import TUMOR


@pytest.fixture(scope="module")
def phantom():
    """A coarse phantom and its truth."""
    return make_phantom(seed=1, shape=(30, 128, 128), spacing_mm=(3.0, 3.0, 8.0))


@pytest.fixture(scope="module", params=["liver", "body"])
def model(request, tmp_path_factory):
    """The shipped classifier, as one of the liver region and as one of whole slices."""
    shipped = load_bundle(SHIPPED / "tumor-slice")
    spec = replace(shipped.manifest.input, region=request.param, liver_hu=100.0 if request.param == "liver" else None)
    folder = tmp_path_factory.mktemp(request.param) / "model"
    files = {path.name: path.read_bytes() for path in shipped.folder.iterdir() if path.name != "manifest.json"}
    write_bundle(folder, replace(shipped.manifest, input=spec), files)
    return request.param, folder


def probabilities(output) -> np.ndarray:
    return np.array([record.probability for record in output.result.slices])


def test_where_nobody_knows_the_liver(phantom, model):
    """A classifier of the liver region finds it, another one scores all slices and says of none that it holds liver."""
    region, folder = model
    output = classify_case(phantom[0], RunOptions(slice_model=folder))
    fields = {record.field for record in output.result.slices}
    assert fields == ({"liver", "no liver"} if region == "liver" else {"unknown"})
    assert [used["task"] for used in output.result.models] == (["liver", "slice"] if region == "liver" else ["slice"])
    assert output.labels is None and output.result.summary.liver_ml is None
    scored = np.array([record.field != "no liver" for record in output.result.slices])
    assert (probabilities(output)[scored] > 0).all() and not probabilities(output)[~scored].any()
    threshold = output.result.models[-1]["threshold"]
    assert (
        sorted(output.result.summary.suspicious_slices) == np.flatnonzero(probabilities(output) >= threshold).tolist()
    )


def test_a_known_liver_takes_the_place_of_stage_1(phantom, model):
    volume, truth = phantom
    output = classify_case(volume, RunOptions(liver_model="not installed", slice_model=model[1]), liver=truth)
    has_liver = (truth > 0).any(axis=(1, 2))
    assert [record.field == "liver" for record in output.result.slices] == has_liver.tolist()
    assert not probabilities(output)[~has_liver].any() and (probabilities(output)[has_liver] > 0).all()
    tumor_mm2 = [record.tumor_mm2 for record in output.result.slices]
    assert (np.array(tumor_mm2) > 0).tolist() == (truth == TUMOR).any(axis=(1, 2)).tolist()


def test_a_scan_without_liver_has_no_suspicious_slice(model):
    volume = CTVolume(np.full((8, 64, 64), -1000, np.int16), np.diag([4.0, 4.0, 4.0, 1.0]), "air")
    output = classify_case(volume, RunOptions(slice_model=model[1]), liver=np.zeros(volume.shape, np.uint8))
    assert not probabilities(output).any() and output.result.summary.suspicious_slices == []
    assert "No liver found." in output.result.summary.notes


def test_slice_by_slice_is_as_the_whole_run(phantom, model):
    """Asked in any order. Live mode finds the liver before it makes a scorer of the liver region."""
    region, folder = model
    volume, truth = phantom
    axial, session = to_axial(volume), open_session(load_bundle(folder))
    for labels in [truth] if region == "liver" else [truth, None]:
        whole = probabilities(classify_case(volume, RunOptions(slice_model=folder), liver=labels))
        scorer = SliceScorer(session, axial.volume, None if labels is None else axial.bring(labels))
        order = np.random.default_rng(0).permutation(len(whole))
        assert [scorer.score(int(k)) for k in order] == pytest.approx(whole[order], abs=1e-3)


def test_a_sagittal_scan_is_scored_as_the_axial_one(phantom, model):
    volume, truth = phantom
    sagittal = CTVolume(volume.array.transpose(2, 1, 0).copy(), volume.ijk_to_ras[:, [2, 1, 0, 3]], "sagittal")
    options = RunOptions(slice_model=model[1])
    expected = probabilities(classify_case(volume, options, liver=truth))
    assert probabilities(classify_case(sagittal, options, liver=truth.transpose(2, 1, 0))) == pytest.approx(
        expected, abs=1e-3
    )


def test_what_is_suspicious_beside_the_liver_does_not_count():
    cells, liver = np.full((1, 2, 3, 1), 0.1, np.float32), np.zeros((1, 32, 48), np.float32)
    cells[0, 0, 0], cells[0, 1, 2] = 0.9, 0.6
    liver[0, 16:, 16:] = 1
    outputs = [np.array([[0.1, 0.9]], np.float32), cells]
    assert slice_logits(outputs, None) == pytest.approx(np.log(9), abs=1e-4)
    assert slice_logits(outputs, liver) == pytest.approx(np.log(1.5), abs=1e-4)
    assert slice_logits(outputs[:1], liver) == pytest.approx(np.log(9), abs=1e-4), "a network without cells"


def test_the_tip_of_a_liver_is_looked_at_in_the_cell_that_holds_most_of_it():
    liver = np.zeros((1, 32, 48), np.float32)
    liver[0, 17:19, 3:5] = 1
    expected = np.zeros((1, 2, 3), bool)
    expected[0, 1, 0] = True
    np.testing.assert_array_equal(liver_cells(liver, (2, 3)), expected)


def test_a_single_odd_slice_does_not_decide_and_thick_slices_stand_alone():
    logits = np.full(21, -2.0, np.float32)
    logits[10] = 4.0
    assert smoothed_logits(logits, 1.0).max() < 0
    logits[5:16] = 4.0
    assert smoothed_logits(logits, 1.0)[10] > 2.5, "a lesion of eleven slices stays one"
    alone = np.array([-2.0, 4.0, -2.0], np.float32)
    assert smoothed_logits(alone, 20.0) == pytest.approx(alone, abs=0.01)
