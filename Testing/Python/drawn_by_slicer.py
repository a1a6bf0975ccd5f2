"""What a radiologist sees of a result, drawn by Slicer's own displayable managers; `test_slice_views.py` runs each of
these tests."""

import numpy as np
import pytest
from LiverTumorLib.mrml import ct_to_node, labels_to_segmentation
from LiverTumorLib.mrml.views import mark_lesion, show_marker
from mrml_scene import new_scene
from panel_tools import phantom
from scipy.ndimage import binary_dilation, binary_erosion
from slice_views import SliceViewOfSlicer


@pytest.fixture
def seen():
    """The phantom with its truth as the segmentation, in the slice with most tumor."""
    scene = new_scene()
    view = SliceViewOfSlicer(scene)
    volume, truth = phantom()
    ct = ct_to_node(volume, scene)
    segmentation = labels_to_segmentation(truth, ct)
    view.show(ct)
    k = int((truth == 2).sum(axis=(1, 2)).argmax())
    view.node.SetSliceOffset(float(volume.ras([0, 0, k])[2]))
    return view, segmentation, k


def places(mask: np.ndarray, k: int) -> np.ndarray:
    j, i = np.nonzero(mask)
    return phantom()[0].ras(np.stack([i, j, np.full_like(i, k)], axis=-1))


def test_outlines_leave_liver_and_lesions_to_be_judged(seen):
    view, segmentation, k = seen
    picture, tumor = view.draw(), phantom()[1][k] == 2
    liver = phantom()[1][k] > 0
    inside = binary_erosion(liver, iterations=2) & ~(
        binary_dilation(tumor, iterations=2) & ~binary_erosion(tumor, iterations=2)
    )
    colors = view.at(picture, places(inside, k))
    assert np.ptp(colors, axis=1).max() <= 2, "the CT's gray, not a fill"
    rim = view.at(picture, places(binary_dilation(tumor) & ~binary_erosion(tumor), k))
    expected = np.array(segmentation.GetSegmentation().GetSegment("Lesion 1").GetColor()) * 255
    assert (np.abs(rim - expected).max(axis=1) < 30).any(), "the lesion's outline"
    assert np.ptp(rim, axis=1).max() > 100


def test_the_marker_is_where_the_lesion_is_and_can_be_hidden(seen):
    view, segmentation, k = seen
    plain = view.draw()
    [place] = places(phantom()[1][k] == 2, k)[:1]
    mark_lesion(segmentation, place, "Lesion 1")
    marked = view.draw()
    changed = np.argwhere((marked != plain).any(axis=-1))
    assert len(changed) > 20, "a cross and its label"
    y, x = changed.T
    cyan = np.abs(marked[y, x].astype(int) - (51, 255, 255)).max(axis=1) < 40
    assert cyan.any(), "Slicer's own would be a red disk"
    around = np.stack(np.meshgrid(*[np.arange(-3.0, 3.5, 0.5)] * 2), axis=-1).reshape(-1, 2)
    near = np.c_[place[:2] + around, np.full(len(around), place[2])]
    assert (view.at(marked, near) != view.at(plain, near)).any(axis=1).mean() < 0.5, "what is under it can be seen"
    show_marker(segmentation, False)
    np.testing.assert_array_equal(view.draw(), plain)
