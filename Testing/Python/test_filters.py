"""Filters: what each does to a slice, that training and inference see the same, and what a wrong one is told."""

import subprocess
import sys

import numpy as np
import pytest
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.ct.canvas import Canvas, InputSpec, body_canvas, network_slices
from LiverTumorLib.ct.filters import FILTERS, WHITE, apply_filters, check_filters
from LiverTumorLib.ct.spec import FILTER_NAMES
from LiverTumorLib.models.manifest import Manifest

STRENGTHS = {
    "median": 1.0,
    "gaussian": 1.0,
    "bilateral": 40.0,
    "curvature-anisotropic": 1.0,
    "clahe": 3.0,
    "gamma": 0.7,
}
MM = (0.8, 0.8)


def filtered(plane: np.ndarray, name: str, strength: float | None = None, mm=MM) -> np.ndarray:
    if name in ("bilateral", "curvature-anisotropic"):
        pytest.importorskip("SimpleITK")
    return apply_filters(plane[None].astype(np.float32), ((name, strength or STRENGTHS[name]),), mm)[0]


def step_edge(noise: float) -> np.ndarray:
    """Dark left half, bright right half, with noise."""
    plane = np.full((96, 96), 60.0)
    plane[:, 48:] = 180.0
    return plane + np.random.default_rng(0).normal(0, noise, plane.shape)


def test_every_filter_is_tried_here():
    assert set(STRENGTHS) == set(FILTERS) and tuple(FILTERS) == FILTER_NAMES


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_keeps_size_type_range_and_black(name):
    plane = np.zeros((90, 120), np.float32)
    plane[20:70, 30:90] = np.random.default_rng(1).uniform(0, WHITE, (50, 60))
    out = filtered(plane, name)
    assert out.shape == plane.shape and out.dtype == np.float32
    assert out.min() >= -1e-3 and out.max() <= WHITE + 1e-3
    assert np.abs(out[:8]).max() < 1e-3, "far from everything black stays black, as off the scan"


@pytest.mark.parametrize("name", ["median", "gaussian", "bilateral", "curvature-anisotropic"])
def test_noise_filters_remove_noise_and_keep_the_level(name):
    before = step_edge(12.0)
    after = filtered(before, name)
    for half in (np.s_[10:-10, 10:38], np.s_[10:-10, 58:-10]):
        assert after[half].std() < 0.6 * before[half].std()
        assert after[half].mean() == pytest.approx(before[half].mean(), abs=0.5)


@pytest.mark.parametrize("name", ["median", "bilateral", "curvature-anisotropic"])
def test_edge_preserving_filters_blur_an_edge_less_than_a_gaussian(name):
    edge = step_edge(1.0)
    steepest = {kind: np.diff(filtered(edge, kind), axis=1).max() for kind in (name, "gaussian")}
    assert steepest[name] > 2 * steepest["gaussian"]


def test_strengths_are_millimeters():
    plane = np.zeros((101, 101))
    plane[50, 50] = WHITE
    fine, coarse = (filtered(plane, "gaussian", 3.0, (mm, mm)) for mm in (0.5, 1.0))
    assert coarse.max() / fine.max() == pytest.approx(4, rel=0.02)
    line = np.zeros((60, 60))
    line[28:31] = WHITE  # three voxels wide: a square of seven voxels has a minority of them, one of three does not
    assert filtered(line, "median", 3.0, (1.0, 1.0)).max() == 0
    assert filtered(line, "median", 3.0, (3.0, 3.0)).max() == WHITE
    dot = np.zeros((41, 41))
    dot[20, 20] = 80.0
    # Rows 9 mm apart are out of reach, columns 0.4 mm apart are not.
    spread = filtered(dot, "bilateral", 200.0, (9.0, 0.4))
    assert 1 < spread[20, 22] < 80 and spread[19, 20] < 1e-3


def test_gamma_bends_the_gray_values():
    assert filtered(np.full((4, 4), WHITE / 4), "gamma", 0.5)[0, 0] == pytest.approx(WHITE / 2)
    assert filtered(np.full((4, 4), WHITE), "gamma", 2.0)[0, 0] == pytest.approx(WHITE)


def test_clahe_raises_faint_contrast_where_it_is_and_its_limit_limits():
    """Two faint discs, one in a dark and one in a bright half: a single curve could not raise both this much."""
    rng = np.random.default_rng(2)
    plane = step_edge(6.0)
    plane = np.kron(plane, np.ones((2, 2))) + rng.normal(0, 3, (192, 192))
    j, i = np.indices(plane.shape)
    discs = [np.hypot(j - 96, i - x) < 14 for x in (48, 144)]
    for disc in discs:
        plane[disc] += 10
    around = [np.hypot(j - 96, i - x) < 28 for x in (48, 144)]

    def contrasts(image):
        return [image[disc].mean() - image[near & ~disc].mean() for disc, near in zip(discs, around, strict=True)]

    before, mild, strong = (
        contrasts(plane),
        contrasts(filtered(plane, "clahe", 2.0)),
        contrasts(filtered(plane, "clahe", 6.0)),
    )
    for plain, low, high in zip(before, mild, strong, strict=True):
        assert 1.2 * plain < low < high
    # Gray values 1 apart come out no more than about the limit apart, and in the same order: one tile, one curve.
    ramp = np.sort(np.random.default_rng(4).normal(128, 5, (64, 64)).ravel()).reshape(64, 64)
    for limit in (1.5, 4.0):
        old, new = np.rint(ramp).ravel(), filtered(ramp, "clahe", limit).ravel()
        steps = np.diff(new)
        assert steps.min() >= 0 and steps.max() > limit
        assert (steps <= np.diff(old) * (limit + 1) * 1.02 + 1e-3).all()


def test_filters_work_in_their_order():
    plane = step_edge(20.0)[None].astype(np.float32)
    pair = (("gamma", 3.0), ("gaussian", 2.0))
    first = apply_filters(apply_filters(plane, pair[:1], MM), pair[1:], MM)
    assert np.array_equal(apply_filters(plane, pair, MM), first)
    assert np.abs(apply_filters(plane, pair[::-1], MM) - first).max() > 5


@pytest.fixture
def scan() -> CTVolume:
    rng = np.random.default_rng(3)
    array = rng.normal(-1000, 10, (4, 160, 160))
    array[:, 40:120, 30:130] = rng.normal(60, 40, (4, 80, 100))
    return CTVolume(array.astype(np.int16), np.diag([0.8, 0.8, 3, 1]))


def test_training_and_inference_see_the_same_pixels(scan):
    """The cached canvas of training is wider than the network's: cut to the network's, it is what inference makes."""
    pytest.importorskip("SimpleITK")
    filters = check_filters([["median", 1.0], ["bilateral", 20.0], ["clahe", 3.0], ["gamma", 0.8]])
    canvas = body_canvas(scan, (48, 48), 2.0)
    wide = Canvas((canvas.size[0] + 32, canvas.size[1] + 32), canvas.spacing_mm, canvas.center, canvas.voxel_mm)
    inference = network_slices(scan, canvas, (-40, 160), filters=filters)
    assert np.array_equal(network_slices(scan, wide, (-40, 160), filters=filters)[:, 16:-16, 16:-16], inference)
    assert np.abs(inference.astype(int) - network_slices(scan, canvas, (-40, 160))).max() > 20


def test_a_scan_stored_clipped_to_the_window_is_filtered_alike(scan):
    filters = check_filters([["gaussian", 2.0], ["clahe", 3.0]])
    canvas = body_canvas(scan, (48, 48), 2.0)
    clipped = scan.with_array(scan.array.clip(-40, 160))
    assert np.array_equal(*(network_slices(volume, canvas, (-40, 160), filters=filters) for volume in (scan, clipped)))


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ([["medain", 1.0]], "'medain' is not a filter; did you mean 'median'"),
        ([["xyz", 1.0]], "known are median, gaussian"),
        ([["median", 0]], "must be a number above 0"),
        ([["median", "1"]], "must be a number above 0"),
        ([["gamma", float("inf")]], "must be a number above 0"),
        ([["clahe", 1.0]], "must be a number above 1"),
        (["median"], "a filter is a name with its strength"),
        ("median", "a filter is a name with its strength"),
        ([["median", 1.0, 2.0]], "a filter is a name with its strength"),
        ([3], "a filter is a name with its strength"),
    ],
)
def test_a_wrong_filter_is_told_what_is_wrong(filters, words):
    with pytest.raises(ValueError, match=words):
        InputSpec((32, 32), 2.0, filters=filters)


def test_a_manifest_carries_filters_and_old_ones_have_none():
    spec = InputSpec((32, 32), 2.0, filters=[["median", 1], ["clahe", 2.5]])
    assert spec.filters == (("median", 1.0), ("clahe", 2.5))
    manifest = Manifest("mine", "1.0", "Mine", "liver", spec, 0.5, {}, "mine alone")
    data = manifest.to_dict()
    assert (
        Manifest.from_dict({**data, "input": {**data["input"], "filters": [["median", 1.0], ["clahe", 2.5]]}})
        == manifest
    )
    del data["input"]["filters"]
    assert Manifest.from_dict(data).input.filters == ()


def test_a_missing_simpleitk_is_named():
    code = (
        "import sys; sys.modules['SimpleITK'] = None; import numpy as np; from LiverTumorLib.ct.filters import "
        "apply_filters\n"
        "try: apply_filters(np.zeros((1, 4, 4), np.float32), (('curvature-anisotropic', 1.0),), (1, 1))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert (
        done.stdout.strip()
        == "RequirementError The filter 'curvature-anisotropic' needs SimpleITK: pip install SimpleITK."
    )
