"""The case picture: right pixels, right words, and no case it cannot draw."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="the case picture needs matplotlib")

from LiverTumorLib.ct import CTVolume
from LiverTumorLib.errors import OutputError
from LiverTumorLib.phantom import make_phantom
from LiverTumorLib.pipelines.lesions import measure
from LiverTumorLib.records.options import CaseOutput
from LiverTumorLib.records.results import CaseResult, CaseSummary, SliceRecord
from LiverTumorLib.report import case_picture
from LiverTumorLib.report.picture import DISCLAIMER, case_figure
from LiverTumorLib.report.views import SEGMENT_COLOR, TRUTH_COLOR, WINDOW_HU

MODELS = [
    {"id": "liver-roi", "version": "1.2.3", "sha256": "0"},
    {"id": "tumor-slice", "version": "4.5", "sha256": "0"},
]


@pytest.fixture(scope="module")
def case():
    volume, labels = make_phantom(1, (50, 128, 128))
    return volume, labels, output_of(volume, labels)


def output_of(volume, labels):
    lesions, summary = measure(labels, volume)
    records = [
        SliceRecord(
            k,
            float(volume.ras([0, 0, k])[2]),
            "liver" if (labels[k] > 0).any() else "no liver",
            float((labels[k] == 2).any()),
        )
        for k in range(labels.shape[0])
    ]
    summary.suspicious_slices = [record.index for record in records if record.probability > 0.5]
    return CaseOutput(CaseResult(volume.name, summary, lesions, records, MODELS, {"liver": 1.5}), labels)


def words(figure):
    figure.draw_without_rendering()
    texts = [t.get_text() for t in figure.texts]
    for axes in figure.axes:
        texts += [t.get_text() for t in axes.texts] + [axes.get_title()]
    for legend in figure.legends:
        texts += [t.get_text() for t in legend.get_texts()]
    return "\n".join(texts)


def contours(axes, color):
    """Vertices (n, 2) in mm of all contours of a color."""
    found = [
        c.get_paths()[0].vertices
        for c in axes.collections
        if c.get_paths() and np.allclose(c.get_edgecolor()[0][:3], color, atol=1e-3)
    ]
    return np.concatenate(found) if found else np.empty((0, 2))


def test_picture_is_a_png_of_one_page_and_leaves_nothing_else(case, tmp_path):
    import matplotlib.image

    volume, labels, output = case
    path = tmp_path / "new" / "case.png"
    case_picture(path, volume, output, truth=labels)
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert matplotlib.image.imread(path).shape[:2] == (946, 1540)
    assert [p.name for p in path.parent.iterdir()] == ["case.png"]


def test_contours_lie_round_the_labels_in_all_three_cuts(case):
    volume, labels, output = case
    figure = case_figure(volume, output)
    lesion = output.result.lesions[0]
    k = lesion.diameter_slice
    _, j, i = np.round((np.linalg.inv(volume.ijk_to_ras) @ [*lesion.centroid_ras, 1])[2::-1]).astype(int)
    cuts = ((labels[k], (3, 3)), (labels[:, j], (3, 5)), (labels[:, :, i], (3, 5)))
    for axes, (cut, step) in zip(figure.axes[:3], cuts, strict=True):
        for label, mask in ((1, cut >= 1), (2, cut == 2)):
            rows, columns = np.nonzero(mask)
            low = (columns.min() * step[0], rows.min() * step[1])
            high = ((columns.max() + 1) * step[0], (rows.max() + 1) * step[1])
            vertices = contours(axes, SEGMENT_COLOR[label])
            np.testing.assert_allclose(vertices.min(0), low, atol=0.01)
            np.testing.assert_allclose(vertices.max(0), high, atol=0.01)


def test_cuts_have_physical_proportions_window_and_directions(case):
    volume, labels, output = case
    figure = case_figure(volume, output)
    figure.draw_without_rendering()
    for axes in figure.axes[:3]:
        assert axes.get_aspect() == 1.0
        image = axes.get_images()[0]
        assert (image.norm.vmin, image.norm.vmax) == WINDOW_HU
        box, (x0, x1), (y0, y1) = axes.get_window_extent(), axes.get_xlim(), axes.get_ylim()
        assert box.width / box.height == pytest.approx((x1 - x0) / abs(y1 - y0), rel=0.01)
    axial, coronal, sagittal = figure.axes[:3]
    assert axial.get_ylim()[0] > axial.get_ylim()[1]  # anterior on top
    assert coronal.get_ylim()[0] < coronal.get_ylim()[1]  # superior on top
    assert {t.get_text() for t in axial.texts} == set("RLAP")
    assert {t.get_text() for t in coronal.texts} == set("RLSI")
    assert {t.get_text() for t in sagittal.texts} == set("APSI")
    assert axial.get_xlim()[1] - axial.get_xlim()[0] < 384  # the air round the body is cropped


def test_words_tell_the_case(case):
    volume, _, output = case
    noted = replace(volume, notes=("Slice 3 was interpolated.",))
    result = replace(
        output.result,
        name="cost_$5_and_$6",
        summary=replace(output.result.summary, notes=["Slice 3 was interpolated."]),
    )
    text = words(case_figure(noted, CaseOutput(result, output.labels)))
    summary = result.summary
    assert "cost_$5_and_$6" in text and DISCLAIMER in text
    assert f"{summary.liver_ml:.0f} ml" in text and f"{summary.tumor_ml:.1f} ml" in text
    assert f"{summary.tumor_burden_percent:.1f} %" in text
    for lesion in result.lesions:
        assert f"{lesion.volume_ml:.2f}" in text and f"{lesion.centroid_ras[2]:.1f}" in text
    assert "liver-roi 1.2.3, tumor-slice 4.5" in text
    assert text.count("Slice 3 was interpolated.") == 1
    assert "Truth" not in text


def test_truth_is_dashed_and_a_missed_tumor_is_shown(case):
    volume, labels, _ = case
    missed = np.minimum(labels, 1)
    output = output_of(volume, missed)
    figure = case_figure(volume, output, truth=labels)
    text = words(figure)
    assert "Truth" in text and "No lesions found" in text
    k = int((labels == 2).sum((1, 2)).argmax())
    assert f"slice {k} " in figure.axes[0].get_title()
    assert len(contours(figure.axes[0], TRUTH_COLOR)) and not len(contours(figure.axes[0], SEGMENT_COLOR[2]))


def test_curve_shades_gated_slices_marks_suspicious_ones_and_draws_a_known_threshold(case):
    volume, _, output = case
    models = [*MODELS, {"id": "x", "version": "1", "task": "slice", "threshold": 0.37}]
    curve = case_figure(volume, CaseOutput(replace(output.result, models=models), output.labels)).axes[5]
    line = curve.get_lines()[1]
    np.testing.assert_allclose(line.get_xdata(), [r.ras_s for r in output.result.slices])
    marked = next(item for item in curve.get_lines() if item.get_marker() == "o")
    assert len(marked.get_xdata()) == len(output.result.summary.suspicious_slices) > 0
    assert "threshold 0.37" in [t.get_text() for t in curve.texts]
    spans = [(p.get_x(), p.get_x() + p.get_width()) for p in curve.patches]
    for record in output.result.slices:
        assert any(a < record.ras_s < b for a, b in spans) == (record.field == "no liver")


def test_many_lesions_are_cut_with_their_number(case):
    volume, _, output = case
    lesions = [replace(output.result.lesions[0], id=n + 1) for n in range(31)]
    text = words(case_figure(volume, CaseOutput(replace(output.result, lesions=lesions), output.labels)))
    assert "… and 22 more" in text


def test_classification_only(case):
    volume, _, output = case
    records = [replace(record, field="unknown") for record in output.result.slices]
    result = CaseResult("c", CaseSummary(), [], records, MODELS)
    figure = case_figure(volume, CaseOutput(result))
    text = words(figure)
    assert "Lesions were not segmented" in text and "–" in text and not figure.legends
    best = max(records, key=lambda record: record.probability).index
    assert f"slice {best} " in figure.axes[0].get_title()
    assert not figure.axes[5].patches


def test_empty_case_says_so(case):
    volume, labels, _ = case
    nothing = np.zeros_like(labels)
    lesions, summary = measure(nothing, volume)
    text = words(case_figure(volume, CaseOutput(CaseResult("none", summary, lesions, [], []), nothing)))
    assert (
        "No lesions found" in text
        and "Slices were not classified" in text
        and "0 ml" in text
        and "models: none" in text
    )


@pytest.mark.parametrize("spacing_k", [0.3, 5.0, 40.0])
@pytest.mark.parametrize("slices", [1, 2, 50])
def test_thin_thick_and_single_slices(case, tmp_path, slices, spacing_k):
    volume, labels, _ = case
    part = slice(25, 25 + slices) if slices < 50 else slice(None)
    matrix = volume.ijk_to_ras @ np.diag([1, 1, spacing_k / 5.0, 1])
    cut = CTVolume(volume.array[part], matrix)
    case_picture(tmp_path / "a.png", cut, output_of(cut, labels[part]), truth=labels[part])
    assert (tmp_path / "a.png").stat().st_size > 20_000


def test_any_orientation_gives_the_same_axial_cut(case):
    volume, labels, output = case
    expected = case_figure(volume, output).axes[0]
    matrix = volume.ijk_to_ras[:, [1, 2, 0, 3]]  # i, j, k of the sagittal grid run along old j, k, i
    turned = CTVolume(volume.array.transpose(2, 0, 1), matrix)
    turned_labels = np.ascontiguousarray(labels.transpose(2, 0, 1))
    axes = case_figure(turned, CaseOutput(output.result, turned_labels)).axes[0]
    np.testing.assert_array_equal(axes.get_images()[0].get_array(), expected.get_images()[0].get_array())
    np.testing.assert_allclose(contours(axes, SEGMENT_COLOR[2]), contours(expected, SEGMENT_COLOR[2]))


def test_oblique_volume_is_drawn(case, tmp_path):
    volume, labels, _ = case
    angle = np.radians(30)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    tilted = CTVolume(volume.array, turn @ volume.ijk_to_ras)
    case_picture(tmp_path / "t.png", tilted, output_of(tilted, labels))
    assert (tmp_path / "t.png").exists()


def test_wrong_grid_and_unwritable_target_are_refused(case, tmp_path):
    volume, labels, output = case
    with pytest.raises(ValueError, match="truth"):
        case_picture(tmp_path / "a.png", volume, output, truth=labels[1:])
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputError):
        case_picture(tmp_path / "folder.png", volume, output)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.png"]


def test_no_pyplot_and_nothing_at_import():
    code = """
import sys, numpy as np
import LiverTumorLib.report
assert "matplotlib" not in sys.modules
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.records.options import CaseOutput
from LiverTumorLib.records.results import CaseResult, CaseSummary
from LiverTumorLib.report.picture import case_figure
case_figure(CTVolume(np.zeros((2, 8, 8), np.int16), np.eye(4)), CaseOutput(CaseResult("x", CaseSummary())))
assert "matplotlib" in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
