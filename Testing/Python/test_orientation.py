"""Any grid comes to axial order and back to exactly itself: flipped, permuted, oblique, anisotropic and sheared
volumes."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from LiverTumorLib.ct import CTVolume, to_axial
from LiverTumorLib.ct.orientation import AIR_HU, MAX_TILT_DEG, axial_to_ras
from scipy.spatial.transform import Rotation

AXIAL = np.array([[-1.0, 0, 0], [0, -1.0, 0], [0, 0, 1.0]])  # columns: RAS directions of i, j, k in axial order


SLIGHT, STEEP, NONE = st.floats(0, 15), st.floats(30, 44), st.just(0.0)  # degrees; or no tilt, no shear


@st.composite
def grids(draw, tilt=SLIGHT, smallest=1, largest=7, shear=NONE, finest=0.3):
    """A shape (k, j, i) and an IJK to RAS matrix: axial axes permuted, flipped, tilted, sheared, anisotropic, anywhere
    in space."""
    shape = draw(st.tuples(*[st.integers(smallest, largest)] * 3))
    spacing = np.array(draw(st.tuples(*[st.floats(finest, 10)] * 3)))
    axis = np.array(draw(st.tuples(*[st.floats(-1, 1)] * 3)))
    assume(np.linalg.norm(axis) > 0.1)
    rotation = Rotation.from_rotvec(np.radians(draw(tilt)) * axis / np.linalg.norm(axis)).as_matrix()
    signs = np.array(draw(st.tuples(*[st.sampled_from((-1.0, 1.0))] * 3)))
    order = draw(st.permutations(range(3)))
    axes = (rotation @ AXIAL)[:, order] * signs
    # As a tilted gantry: slices slide along their plane.
    axes[:, order.index(2)] += draw(shear) * axes[:, order.index(1)]
    matrix = np.eye(4)
    matrix[:3, :3] = axes * spacing
    matrix[:3, 3] = draw(st.tuples(*[st.floats(-500, 500)] * 3))
    return shape, matrix


def _numbered(shape, matrix) -> CTVolume:
    """A volume in which every voxel has its own value."""
    return CTVolume(np.arange(np.prod(shape), dtype=np.int16).reshape(shape), matrix)


def _voxels_ras(volume: CTVolume) -> np.ndarray:
    """RAS mm of every voxel center, in the order of the array's voxels (k, j, i, 3)."""
    return volume.ras(np.stack(np.indices(volume.shape)[::-1], axis=-1))


@given(grids())
def test_axial_order_is_a_relabelling_of_the_same_voxels(grid):
    volume = _numbered(*grid)
    axial = to_axial(volume).volume
    places = _voxels_ras(volume).reshape(-1, 3)
    assert sorted(axial.shape) == sorted(volume.shape)
    assert np.allclose(_voxels_ras(axial), places[axial.array.astype(int)], atol=1e-6)


@given(st.one_of(grids(), grids(tilt=STEEP, smallest=2)))
def test_the_axial_grid_is_known_without_the_voxels(grid):
    volume = _numbered(*grid)
    np.testing.assert_allclose(axial_to_ras(volume), to_axial(volume).volume.ijk_to_ras, atol=1e-9)


@given(grids())
def test_axial_axes_point_left_posterior_and_superior(grid):
    axial = to_axial(_numbered(*grid)).volume
    cosines = np.diag(AXIAL.T @ (axial.ijk_to_ras[:3, :3] / axial.spacing))
    assert (cosines >= np.cos(np.radians(MAX_TILT_DEG))).all()


@given(grids(shear=st.floats(-0.3, 0.3), tilt=NONE))
def test_results_return_to_exactly_the_grid_they_came_from(grid):
    volume = _numbered(*grid)
    view = to_axial(volume)
    back = view.restore(view.volume.array)
    assert back.shape == volume.shape and back.dtype == volume.array.dtype
    assert np.array_equal(back, volume.array)
    assert view.volume.voxel_ml == pytest.approx(volume.voxel_ml)


@given(grids(smallest=2), st.data())
def test_a_label_at_a_known_place_is_found_at_the_right_axial_slice(grid, data):
    volume = _numbered(*grid)
    kji = tuple(data.draw(st.integers(0, n - 1)) for n in volume.shape)
    ras = volume.ras(np.array(kji[::-1]))
    view = to_axial(volume)
    marked = np.zeros(view.volume.shape, np.uint8)
    i, j, k = np.rint(np.linalg.solve(view.volume.ijk_to_ras, [*ras, 1])[:3]).astype(int)
    marked[k, j, i] = 1
    assert np.allclose(view.volume.ras(np.array((i, j, k))), ras, atol=1e-6)
    assert np.argwhere(view.restore(marked)).tolist() == [list(kji)]
    heights = view.volume.ras(np.array([(i, j, n) for n in range(view.volume.shape[0])]))[:, 2]
    assert (np.diff(heights) > 0).all()  # axial slice 0 is the most inferior


@settings(deadline=None, max_examples=40)
@given(grids(tilt=STEEP, smallest=4, largest=14))
def test_a_steep_volume_is_seen_upright_with_the_right_values_at_the_right_places(grid):
    shape, matrix = grid
    slope = np.array([1.5, -2.0, 0.7])
    volume = CTVolume((_voxels_ras(CTVolume(np.zeros(shape, np.float32), matrix)) @ slope).astype(np.float32), matrix)
    assume(to_axial(volume).axes is None)
    axial = to_axial(volume).volume
    assert np.allclose(axial.ijk_to_ras[:3, :3] / axial.spacing, AXIAL)
    ras = _voxels_ras(axial)
    ijk = np.einsum("ab,...b->...a", np.linalg.inv(matrix)[:3, :3], ras - matrix[:3, 3])
    last = np.array(shape[::-1]) - 1
    inside = ((ijk >= 1e-6) & (ijk <= last - 1e-6)).all(-1)
    far = ((ijk < -1.01) | (ijk > last + 1.01)).any(-1)
    # Linear interpolation of a linear picture is exact.
    assert np.allclose(axial.array[inside], (ras @ slope)[inside], atol=0.05)
    assert (axial.array[far] == AIR_HU).all()


@settings(deadline=None, max_examples=40)
@given(grids(tilt=STEEP, smallest=3, largest=14, shear=st.floats(-0.3, 0.3)))
def test_labels_of_a_steep_volume_return_to_the_right_voxels(grid):
    volume = CTVolume(np.zeros(grid[0], np.int16), grid[1])
    view = to_axial(volume)
    assume(view.axes is None)
    center = volume.ras((np.array(volume.shape[::-1]) - 1) / 2)
    radius = 0.35 * np.ptp(_voxels_ras(volume).reshape(-1, 3), axis=0).max()
    ball = np.linalg.norm(_voxels_ras(view.volume) - center, axis=-1) <= radius
    back = view.restore(ball.astype(np.uint8))
    assert back.shape == volume.shape and back.dtype == np.uint8
    distance = np.linalg.norm(_voxels_ras(volume) - center, axis=-1) - radius
    reach = np.linalg.norm(view.volume.spacing) / 2 + 1e-6  # nearest axial voxel is at most this far
    assert back[distance < -reach].all() and not back[distance > reach].any()


@settings(deadline=None, max_examples=40)
@given(grids(tilt=STEEP, smallest=1, largest=9))
def test_a_label_everywhere_returns_everywhere(grid):
    volume = CTVolume(np.zeros(grid[0], np.int16), grid[1])
    view = to_axial(volume)
    assert view.restore(np.ones(view.volume.shape, np.uint8)).all()
    for kind in (np.float16, np.float32):
        back = view.restore(np.ones(view.volume.shape, kind), order=1)
        assert back.dtype == kind and np.allclose(back, 1)


@settings(deadline=None, max_examples=40)
@given(grids(tilt=STEEP, smallest=1, largest=9, finest=1.0))
def test_a_steep_volume_shows_all_its_voxels_even_a_single_slice(grid):
    volume = CTVolume(np.full(grid[0], 60, np.int16), grid[1])
    axial = to_axial(volume).volume
    to_ijk = np.linalg.inv(axial.ijk_to_ras)
    i, j, k = np.rint(_voxels_ras(volume).reshape(-1, 3) @ to_ijk[:3, :3].T + to_ijk[:3, 3]).astype(int).T
    assert (axial.array[k, j, i] == 60).all()


def test_a_large_steep_volume_is_resampled_within_bounds(monkeypatch):
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("x", 35, degrees=True).as_matrix() @ AXIAL * (5.0, 5.0, 8.0)
    volume = CTVolume(np.full((40, 30, 30), 60, np.int16), matrix)
    fine = to_axial(volume).volume
    assert fine.spacing == pytest.approx([3, 3, 3])
    monkeypatch.setattr("LiverTumorLib.ct.orientation.MAX_RESAMPLED", fine.array.size / 10)
    view = to_axial(volume)
    assert view.volume.array.size < fine.array.size / 7
    assert view.restore(np.ones(view.volume.shape, np.uint8)).all()


def test_a_volume_whose_slices_are_sheared_is_seen_upright():
    """Diameters and areas are measured in slices, whose axes must be perpendicular."""
    matrix = np.diag([-1.0, -1.0, 3.0, 1.0])
    matrix[0, 1] = np.tan(np.radians(15))
    view = to_axial(CTVolume(np.zeros((4, 20, 20), np.int16), matrix))
    axes = view.volume.ijk_to_ras[:3, :2] / view.volume.spacing[:2]
    assert view.axes is None and axes[:, 0] @ axes[:, 1] == pytest.approx(0)
    matrix[0, 1] = 0
    matrix[1, 2] = 0.8  # a gantry's tilt stays
    assert to_axial(CTVolume(np.zeros((4, 20, 20), np.int16), matrix)).axes is not None


@pytest.mark.parametrize("direction", ["sagittal", "coronal"])
def test_sagittal_and_coronal_acquisitions_become_axial(direction):
    axes = {"sagittal": [[0, 0, -1], [-1, 0, 0], [0, -1, 0]], "coronal": [[-1, 0, 0], [0, 0, -1], [0, -1, 0]]}[
        direction
    ]
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(axes, float) * (0.8, 0.9, 3.0)
    array = np.zeros((8, 10, 12), np.int16)
    array[3, 2, 5] = 100
    volume = CTVolume(array, matrix)
    axial = to_axial(volume).volume
    k, j, i = np.argwhere(axial.array == 100)[0]
    assert np.allclose(axial.ras(np.array((i, j, k))), volume.ras(np.array((5, 2, 3))))
    assert axial.shape[0] == 10 and k == 10 - 1 - 2  # rows of these pictures run downwards
