"""The digital abdomen: deterministic, anatomical in its numbers and places, different from seed to seed, honest about
its seeds."""

import hashlib

import numpy as np
import pytest
from LiverTumorLib.errors import UsageError
from LiverTumorLib.phantom import FIRST_TRAINING_SEED, RESERVED_SEEDS, check_training_seed, make_phantom, training_seeds
from LiverTumorLib.phantom.organs import liver_at
from LiverTumorLib.phantom.scan import grow
from scipy import ndimage

SHAPE = (50, 128, 128)  # 3 mm in plane, 5 mm slices


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(1, SHAPE)


def test_grid_is_axial_and_centered_on_the_patient(phantom):
    volume, labels = phantom
    assert volume.shape == labels.shape == SHAPE
    assert volume.array.dtype == np.int16 and labels.dtype == np.uint8
    np.testing.assert_allclose(volume.spacing, [3, 3, 5])
    direction = volume.ijk_to_ras[:3, :3] / volume.spacing
    np.testing.assert_array_equal(direction, np.diag([-1, -1, 1]))  # i to left, j to posterior, k to superior
    middle = volume.ras([(SHAPE[2] - 1) / 2, 0, 0])
    assert middle[0] == pytest.approx(0)


def test_same_seed_gives_the_same_bytes_and_another_seed_another_patient(phantom):
    def digest(pair):
        return hashlib.sha256(pair[0].array.tobytes() + pair[1].tobytes()).hexdigest()

    assert digest(make_phantom(1, SHAPE)) == digest(phantom)
    assert digest(make_phantom(2, SHAPE)) != digest(phantom)


def test_the_patient_does_not_depend_on_the_grid(phantom):
    volume, labels = phantom
    fine, fine_labels = make_phantom(1, (84, 180, 180))
    liver, fine_liver = (labels > 0).sum() * volume.voxel_ml, (fine_labels > 0).sum() * fine.voxel_ml
    assert fine_liver == pytest.approx(liver, rel=0.02)

    def center(v, mask):
        return v.ras(np.argwhere(mask).mean(0)[::-1])

    np.testing.assert_allclose(center(volume, labels > 0), center(fine, fine_labels > 0), atol=1.5)


def test_a_window_of_the_body_is_the_same_body(phantom):
    """A grid given by spacing sees the same organs at the same RAS positions."""
    volume, labels = phantom
    part, part_labels = make_phantom(1, (30, 128, 128), (3.0, 3.0, 5.0))
    offset = round(float(part.ijk_to_ras[2, 3] - volume.ijk_to_ras[2, 3]) / 5)
    np.testing.assert_allclose(part.ijk_to_ras[:3, 3], volume.ras([0, 0, offset]))
    np.testing.assert_array_equal(part_labels, labels[offset : offset + 30])


@pytest.mark.parametrize("seed", [1, 7, 42])
def test_demonstration_seeds_have_a_plausible_liver_with_five_lesions(seed):
    volume, labels = make_phantom(seed, (84, 192, 192))
    assert 1000 < (labels > 0).sum() * volume.voxel_ml < 2000
    parenchyma = volume.array[labels == 1]
    assert parenchyma.mean() == pytest.approx(112, abs=9)  # vessels raise it a little
    assert 10 < parenchyma.std() < 30
    regions, count = ndimage.label(labels == 2, np.ones((3, 3, 3)))
    assert count == 5
    sizes = np.sort(np.bincount(regions.ravel())[1:] * volume.voxel_ml)
    assert sizes[-1] == pytest.approx(33.5, rel=0.25)  # 40 mm
    assert sizes[0] < 0.7  # 8 mm: 0.27 ml, on a coarse grid
    assert volume.array[labels == 2].mean() < parenchyma.mean() - 20
    _, pieces = ndimage.label(labels > 0, np.ones((3, 3, 3)))
    assert pieces == 1


def test_tissues_have_their_density_and_lie_on_their_side(phantom):
    volume, labels = phantom
    smooth = ndimage.uniform_filter(volume.array.astype(np.float32), 3)

    def share(low, high):
        return float(((smooth > low) & (smooth < high)).mean())

    assert share(-1024, -950) > 0.3  # air round the body
    assert share(-130, -80) > 0.05  # fat
    assert share(40, 80) > 0.02  # muscle
    assert share(-900, -800) > 0.03  # lung
    assert 0.003 < (volume.array > 250).mean() < 0.03  # bone
    right_of_midline = volume.ras(np.argwhere(labels > 0)[:, ::-1])[:, 0] > 0  # the liver is on the patient's right
    assert right_of_midline.mean() > 0.75
    lung = ((smooth > -900) & (smooth < -800))[:, :96, 16:112]  # without the mattress, which has the density of lung
    assert lung[-6, :, :48].mean() > 0.05 and lung[-6, :, 48:].mean() > 0.05  # both lungs above the dome
    assert lung[4].mean() < 0.1 * lung[-6].mean()  # none at the kidneys


def test_noise_is_as_strong_as_promised_and_correlated():
    volume, _ = make_phantom(3, (3, 512, 512), (0.75, 0.75, 5.0))
    air = volume.array[1, :60, 60:-60].astype(np.float32)  # in front of the patient
    spread = air.std()
    assert 5 < spread < 14
    neighbor = np.corrcoef(air[:, 1:].ravel(), air[:, :-1].ravel())[0, 1]
    far = np.corrcoef(air[:, 12:].ravel(), air[:, :-12].ravel())[0, 1]
    assert neighbor > 0.3 and abs(far) < 0.1


def test_lesions_lie_in_the_liver_apart_from_each_other_and_one_at_its_surface():
    for seed in (1, 5, FIRST_TRAINING_SEED + 3):
        anatomy = grow(seed)
        tumors = anatomy.tumors
        depth = -liver_at(anatomy.patient, np.array([t.center for t in tumors]))
        assert (depth > 0).all()
        for n, a in enumerate(tumors):
            for b in tumors[:n]:
                assert np.linalg.norm(np.subtract(a.center, b.center)) > a.radius + b.radius
    demo = grow(1)
    assert [2 * t.radius for t in demo.tumors] == [40, 26, 18, 12, 8]
    assert -liver_at(demo.patient, np.array([demo.tumors[2].center]))[0] < demo.tumors[2].radius


def test_training_seeds_vary_in_phase_size_and_lesions():
    cases = [grow(seed) for seed in training_seeds(40)]
    assert {case.patient.phase for case in cases} == {"portal", "arterial", "plain"}
    counts = [len(case.tumors) for case in cases]
    assert min(counts) == 0 and max(counts) >= 6
    diameters = [2 * t.radius for case in cases for t in case.tumors]
    assert min(diameters) < 8 and max(diameters) > 35
    liver = [case.patient.hu["liver"] for case in cases]
    assert min(liver) < 55 and max(liver) > 110


def test_reserved_seeds_never_enter_training():
    assert (RESERVED_SEEDS.start, RESERVED_SEEDS.stop) == (1, 100)
    assert not set(training_seeds(5000)) & set(RESERVED_SEEDS)
    assert list(training_seeds(3, 2000)) == [2000, 2001, 2002]
    for seed in (0, 1, 99, FIRST_TRAINING_SEED - 1):
        with pytest.raises(UsageError, match=str(seed)):
            check_training_seed(seed)
    with pytest.raises(UsageError):
        training_seeds(2, 50)
    assert check_training_seed(FIRST_TRAINING_SEED) == FIRST_TRAINING_SEED
