"""The whole pipeline on any grid: flipped, permuted, oblique, anisotropic and sheared scans of one patient give one
answer.

Geometry does not depend on what the networks know, so plain thresholds on what a network would be shown stand in for
them here; the real networks run in test_pipelines.py.
"""

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from LiverTumorLib.ct import CTVolume, to_axial
from LiverTumorLib.ct.canvas import InputSpec
from LiverTumorLib.models.manifest import Calibration
from LiverTumorLib.pipelines import run
from LiverTumorLib.pipelines.segmentation import segment_case
from LiverTumorLib.pipelines.tumor import find_tumor
from LiverTumorLib.records.options import RunOptions
from LiverTumorLib.records.results import LIVER, TUMOR
from scipy.spatial.transform import Rotation

LIVER_MM, LESION_MM = 40.0, 15.0  # radii
LESION_AT = np.array([10.0, -12.0, 8.0])  # in the liver, from its middle, RAS
SPECS = {
    "liver": (InputSpec((112, 112), 2.0), 45.0),  # HU from which the stand-in answers
    "tumor": (InputSpec((112, 112), 1.25, "liver"), 115.0),
    "slice": (InputSpec((112, 112), 1.5), 115.0),
}


class Thresholds:
    """A session whose "network" knows HU only: probability rises around a threshold, as in the middle slice shown."""

    runtime, lanes = "none", 2

    def __init__(self, task: str) -> None:
        self.spec, self.hu = SPECS[task]
        self.task = task
        self.bundle = SimpleNamespace(
            id=task,
            describe=lambda: {"id": task, "task": task},
            manifest=SimpleNamespace(task=task, input=self.spec, calibration=Calibration(), threshold=0.5, sure=0.0),
        )

    def predict_each(self, images) -> Iterator[list[np.ndarray]]:
        low, high = self.spec.window_hu
        for image in images:
            hu = image[..., 1] / np.float32(255) * (high - low) + low
            probability = np.clip((hu - self.hu) / 40 + 0.5, 0, 1)
            tumor = probability.max()
            yield [np.stack([1 - tumor, tumor]) if self.task == "slice" else probability[..., None]]


@pytest.fixture(autouse=True, scope="module")
def thresholds():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            run,
            "get_bundle",
            lambda model: Thresholds({"liver-roi": "liver", "liver-tumor": "tumor"}.get(model, "slice")).bundle,
        )
        patch.setattr(run, "open_session", lambda bundle, threads: Thresholds(bundle.id))
        yield


@st.composite
def grids(draw):
    """A matrix whose grid covers the patient from any side, and the shape that this takes."""
    spacing = np.array([draw(st.floats(1.9, 3)), draw(st.floats(1.9, 3)), draw(st.floats(1.6, 6))])
    order = draw(st.permutations(range(3)))
    axis = np.array(draw(st.tuples(*[st.floats(-1, 1)] * 3)))
    assume(np.linalg.norm(axis) > 0.1)
    turn = Rotation.from_rotvec(np.radians(draw(st.floats(0, 44))) * axis / np.linalg.norm(axis)).as_matrix()
    axes = turn[:, order] * np.array(draw(st.tuples(*[st.sampled_from((-1.0, 1.0))] * 3)))
    matrix = np.eye(4)
    matrix[:3, :3] = axes * spacing[list(order)]
    shear = draw(st.floats(-0.3, 0.3)) * np.linalg.norm(matrix[:3, 2]) / np.linalg.norm(matrix[:3, 1])
    matrix[:3, 2] += shear * matrix[:3, 1]  # as a tilted gantry: slices slide along their plane
    count = np.ceil(2 * 66 / np.linalg.norm(matrix[:3, :3], axis=0)).astype(int)
    middle = np.array(draw(st.tuples(*[st.floats(-300, 300)] * 3)))
    matrix[:3, 3] = middle - matrix[:3, :3] @ ((count - 1) / 2)
    return tuple(count[::-1]), matrix, middle


def _patient(shape, matrix, middle) -> tuple[CTVolume, np.ndarray, np.ndarray]:
    """A round body with a round liver and a round bright lesion, and distances of all voxels from both."""
    ras = CTVolume(np.zeros(shape, np.int16), matrix).ras(np.stack(np.indices(shape)[::-1], axis=-1)) - middle
    liver, lesion = np.linalg.norm(ras, axis=-1), np.linalg.norm(ras - LESION_AT, axis=-1)
    array = np.full(shape, -1000, np.int16)
    array[liver < 62] = 10
    array[liver < LIVER_MM] = 80
    array[lesion < LESION_MM] = 150
    return CTVolume(array, matrix), liver, lesion


# No shrinking: each example takes a good part of a second.
@settings(deadline=None, max_examples=20, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(grids())
def test_one_patient_on_any_grid(grid):
    volume, from_liver, from_lesion = _patient(*grid)
    output = segment_case(volume, RunOptions(keep_probabilities=True))
    labels, axial = output.labels, to_axial(volume).volume
    assert labels.shape == volume.shape and labels.dtype == np.uint8

    # A border may be off by the larger of half a voxel and half a canvas pixel in every direction; not more, and
    # nowhere else.
    reach = 1 + np.linalg.norm(np.maximum(np.maximum(volume.spacing, axial.spacing), 2.0)) / 2
    assert (labels > 0)[from_liver < LIVER_MM - reach].all() and not labels[from_liver > LIVER_MM + reach].any()
    assert (labels == TUMOR)[from_lesion < LESION_MM - reach].all() and not (labels == TUMOR)[
        from_lesion > LESION_MM + reach
    ].any()
    for name, radius, distance in (("liver", LIVER_MM, from_liver), ("tumor", LESION_MM, from_lesion)):
        probability = output.probabilities[name]
        assert probability.shape == volume.shape and probability.dtype == np.float16
        assert (probability[distance < radius - 2 * reach] > 0.5).all() and (
            probability[distance > radius + 2 * reach] < 0.5
        ).all()

    lesion = output.result.lesions[0]
    assert len(output.result.lesions) == 1
    assert np.linalg.norm(np.array(lesion.centroid_ras) - grid[2] - LESION_AT) < 1.5
    assert lesion.volume_ml == pytest.approx(4 / 3 * np.pi * LESION_MM**3 / 1000, rel=0.3)
    assert lesion.longest_diameter_mm == pytest.approx(2 * LESION_MM, abs=2 * reach)
    assert lesion.mean_probability > 0.5
    assert output.result.summary.liver_ml == pytest.approx(4 / 3 * np.pi * LIVER_MM**3 / 1000, rel=0.15)
    # Steep scans are measured on the upright grid they were resampled to. A border half a millimeter off, a quarter of
    # a voxel, is 10 %.
    assert output.result.summary.tumor_ml == pytest.approx(
        (labels == TUMOR).sum() * volume.voxel_ml, rel=1.5 / LESION_MM
    )

    records = output.result.slices
    assert len(records) == axial.shape[0] and np.all(np.diff([record.ras_s for record in records]) > 0)
    for record in records:
        if record.tumor_mm2:
            assert record.field == "liver" and record.probability > 0
    assert {record.index for record in records if record.probability >= 0.5} == set(
        output.result.summary.suspicious_slices
    )


def test_tumor_is_believed_up_to_the_margin_on_every_side():
    """Above and below the liver too, where stage 1 has found nothing in the slice."""
    array, labels = np.full((60, 60, 60), 80, np.int16), np.zeros((60, 60, 60), np.uint8)
    array[10:50, 10:50, 10:50] = 150
    labels[20:40, 20:40, 20:40] = LIVER
    volume = CTVolume(array, np.diag([-1.0, -1.0, 1.0, 1.0]))
    find_tumor(Thresholds("tumor"), volume, labels, True, 5.0, lambda fraction: None).paint(labels, 0.5, TUMOR)
    for axis in range(3):
        used = np.flatnonzero((labels == TUMOR).any(axis=tuple({0, 1, 2} - {axis})))
        assert (used[0], used[-1]) == (pytest.approx(15, abs=1), pytest.approx(44, abs=1)), axis
    assert not labels[16, 16, 16], "a corner is farther than the margin"


class Everywhere(Thresholds):
    """A session whose "network" answers the same probability everywhere."""

    def __init__(self, task: str, probability: float) -> None:
        super().__init__(task)
        self.probability = probability

    def predict_each(self, images) -> Iterator[list[np.ndarray]]:
        for _ in images:
            yield [np.full((*self.spec.size, 1), self.probability, np.float32)]


@pytest.mark.parametrize(("probability", "beyond"), [(0.6, False), (0.9, True)])
def test_beyond_the_liver_tumor_has_to_be_surer_than_inside(probability, beyond):
    array, labels = np.full((20, 80, 80), 60, np.int16), np.zeros((20, 80, 80), np.uint8)
    labels[:, 20:60, 20:60] = LIVER
    volume = CTVolume(array, np.diag([-1.0, -1.0, 2.0, 1.0]))
    session = Everywhere("tumor", probability)
    find_tumor(session, volume, labels, True, 5.0, lambda fraction: None, 0.25).paint(labels, 0.25, TUMOR)
    assert labels[10, 40, 40] == TUMOR
    assert bool(labels[10, 40, 63] == TUMOR) is beyond


def test_beyond_the_liver_no_tumor_is_believed_in_fat_or_air():
    """A network that calls everything tumor, and a liver with lung on one side of it."""
    array, labels = np.full((20, 80, 80), 60, np.int16), np.zeros((20, 80, 80), np.uint8)
    array[:, :, :30] = -800
    array[10, 40, 40] = -300  # a speck inside the liver, where the network is trusted
    labels[:, 20:60, 30:60] = LIVER
    volume = CTVolume(array, np.diag([-1.0, -1.0, 2.0, 1.0]))
    find_tumor(Everywhere("tumor", 1.0), volume, labels, True, 5.0, lambda fraction: None).paint(labels, 0.5, TUMOR)
    tumor = labels[10] == TUMOR
    assert tumor[40, 63] and tumor[17, 45], "soft tissue within the margin"
    assert not tumor[:, :28].any(), "lung within the margin"
    assert tumor[40, 40]
