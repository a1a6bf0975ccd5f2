"""The case picture: right pixels, right words, and no case it cannot draw."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="the case picture needs matplotlib")

from LiverTumorLib.ct import CTVolume
from LiverTumorLib.errors import OutputError, RequirementError
from LiverTumorLib.phantom import make_phantom
from LiverTumorLib.pipelines.lesions import measure
from LiverTumorLib.records.options import CaseOutput
from LiverTumorLib.records.results import CaseResult, CaseSummary, SliceRecord
from LiverTumorLib.report import case_picture
from LiverTumorLib.report import paper as paper_module
from LiverTumorLib.report.paper import Paper
from LiverTumorLib.report.picture import DISCLAIMER, SIZE_INCH, draw_case
from LiverTumorLib.report.picture_blocks import contours, ticks
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


class WatchedPaper(Paper):
    """Keeps what is drawn on it."""

    def __init__(self):
        super().__init__(SIZE_INCH)
        self.texts, self.drawn, self.dotted, self.filled, self.pictures = [], [], [], [], []

    def text(self, at, text, *more, **settings):
        self.texts.append((text, at[0]))
        super().text(at, text, *more, **settings)

    def lines(self, lines, color, points, dashes=None, **settings):
        self.drawn += [(line, color, dashes) for line in lines]
        super().lines(lines, color, points, dashes, **settings)

    def dots(self, at, color, points):
        self.dotted.append(at)
        super().dots(at, color, points)

    def fill(self, area, color):
        self.filled.append(area)
        super().fill(area, color)

    def picture(self, area, gray):
        self.pictures.append((area, gray))
        super().picture(area, gray)

    @property
    def words(self):
        return "\n".join(text for text, _ in self.texts)

    def contours(self, cut, color, dashed=False):
        """Vertices (n, 2) in mm of all contours of a color in the first, second or third cut."""
        area, _ = self.pictures[cut]
        found = []
        for line, own, dashes in self.drawn:
            if own == color and (dashes is not None) == dashed and len(line) > 4:
                xs = area.x[0] + (line[:, 0] - area.left) / (area.right - area.left) * (area.x[1] - area.x[0])
                ys = area.y[0] + (area.bottom - line[:, 1]) / (area.bottom - area.top) * (area.y[1] - area.y[0])
                if area.left <= line[:, 0].min() and line[:, 0].max() <= area.right:
                    found.append(np.stack([xs, ys], axis=1))
        return np.concatenate(found) if found else np.empty((0, 2))

    def title(self, cut):
        """What is written over the first, second or third cut."""
        area, _ = self.pictures[cut]
        [title] = [
            text
            for text, (x, y) in self.texts
            if area.left < x < area.right and 0 < area.top - y < 20 and " mm" in text
        ]
        return title

    def letters(self, cut):
        area, _ = self.pictures[cut]
        return {
            text
            for text, (x, y) in self.texts
            if len(text) == 1 and area.left < x < area.right and area.top < y < area.bottom
        }

    def curve(self):
        """What lies right of the curve's left side: its pixel there, and pixels of a line's points."""
        return [(line, dashes) for line, color, dashes in self.drawn if color == SEGMENT_COLOR[1] and line[0, 1] > 550]


def drawn(volume, output, truth=None):
    paper = WatchedPaper()
    draw_case(paper, volume, output, truth)
    return paper


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
    paper = drawn(volume, output)
    lesion = output.result.lesions[0]
    k = lesion.diameter_slice
    _, j, i = np.round((np.linalg.inv(volume.ijk_to_ras) @ [*lesion.centroid_ras, 1])[2::-1]).astype(int)
    cuts = ((labels[k], (3, 3)), (labels[:, j], (3, 5)), (labels[:, :, i], (3, 5)))
    for number, (cut, step) in enumerate(cuts):
        for label, mask in ((1, cut >= 1), (2, cut == 2)):
            rows, columns = np.nonzero(mask)
            low = (columns.min() * step[0], rows.min() * step[1])
            high = ((columns.max() + 1) * step[0], (rows.max() + 1) * step[1])
            vertices = paper.contours(number, SEGMENT_COLOR[label])
            np.testing.assert_allclose(vertices.min(0), low, atol=0.01)
            np.testing.assert_allclose(vertices.max(0), high, atol=0.01)


def test_contours_close_at_the_border_and_go_round_single_pixels():
    mask = np.zeros((4, 5), bool)
    mask[0], mask[3, 4] = True, True
    band, pixel = sorted(contours(mask, (2.0, 3.0)), key=len, reverse=True)
    assert band.min(0).tolist() == [0, 0] and band.max(0).tolist() == [10, 3]
    assert pixel.min(0).tolist() == [8, 9] and pixel.max(0).tolist() == [10, 12]
    for line in (band, pixel):
        assert line[0].tolist() == line[-1].tolist()


def test_cuts_have_physical_proportions_window_and_directions(case):
    volume, labels, output = case
    paper = drawn(volume, output)
    for area, gray in paper.pictures:
        (x0, x1), (y0, y1) = area.x, area.y
        wide, high = area.right - area.left, area.bottom - area.top
        assert wide / high == pytest.approx((x1 - x0) / abs(y1 - y0), rel=0.01)
        assert gray.dtype == np.uint8 and gray.shape[1] * 3 == pytest.approx(x1 - x0)
    (axial, gray), (coronal, upright), _ = paper.pictures
    assert axial.y[0] > axial.y[1]  # anterior on top
    assert coronal.y[0] < coronal.y[1]  # superior on top
    assert [paper.letters(cut) for cut in range(3)] == [set("RLAP"), set("RLSI"), set("APSI")]
    assert axial.x[1] - axial.x[0] < 384  # the air round the body is cropped
    k, low, high = output.result.lesions[0].diameter_slice, *WINDOW_HU
    rows, columns = (slice(*(round(mm / 3) for mm in sorted(ends))) for ends in (axial.y, axial.x))
    shown = np.clip((volume.array[k, rows, columns] - low) / (high - low), 0, 1)
    np.testing.assert_allclose(gray / 255, shown, atol=1 / 255)
    assert upright[0].mean() != upright[-1].mean()


def test_words_tell_the_case(case):
    volume, _, output = case
    noted = replace(volume, notes=("Slice 3 was interpolated.",))
    result = replace(
        output.result,
        name="cost_$5_and_$6",
        summary=replace(output.result.summary, notes=["Slice 3 was interpolated."]),
    )
    text = drawn(noted, CaseOutput(result, output.labels)).words
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
    paper = drawn(volume, output_of(volume, missed), truth=labels)
    assert "Truth" in paper.words and "No lesions found" in paper.words
    k = int((labels == 2).sum((1, 2)).argmax())
    assert f"slice {k} " in paper.title(0)
    assert len(paper.contours(0, TRUTH_COLOR, dashed=True)) and not len(paper.contours(0, SEGMENT_COLOR[2]))


def test_curve_shades_gated_slices_marks_suspicious_ones_and_draws_a_known_threshold(case):
    volume, _, output = case
    models = [*MODELS, {"id": "x", "version": "1", "task": "slice", "threshold": 0.37}]
    paper = drawn(volume, CaseOutput(replace(output.result, models=models), output.labels))
    [(line, _)] = paper.curve()
    records = sorted(output.result.slices, key=lambda record: record.ras_s)
    assert len(line) == len(records)
    heights = [record.probability for record in records]
    np.testing.assert_allclose((line[:, 1] - line[:, 1].max()) / -np.ptp(line[:, 1]), heights, atol=1e-9)
    [marked] = paper.dotted
    assert len(marked) == len(output.result.summary.suspicious_slices) > 0
    assert "threshold 0.37" in paper.words
    for (x, _), record in zip(line, records, strict=True):
        assert any(area.left < x < area.right for area in paper.filled) == (record.field == "no liver")


def test_ticks_are_round_and_few():
    assert ticks(-1.2, 321.3) == [0, 50, 100, 150, 200, 250, 300]
    assert ticks(0.0, 1.0) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert ticks(-731.0, -729.0) == pytest.approx([-731 + n / 4 for n in range(9)])


def test_many_lesions_are_cut_with_their_number(case):
    volume, _, output = case
    lesions = [replace(output.result.lesions[0], id=n + 1) for n in range(31)]
    paper = drawn(volume, CaseOutput(replace(output.result, lesions=lesions), output.labels))
    assert "… and 22 more" in paper.words


def test_classification_only(case):
    volume, _, output = case
    records = [replace(record, field="unknown") for record in output.result.slices]
    paper = drawn(volume, CaseOutput(CaseResult("c", CaseSummary(), [], records, MODELS)))
    text = paper.words
    assert "Lesions were not segmented" in text and "–" in text and "Liver\nLesion" not in text
    best = max(records, key=lambda record: record.probability).index
    assert f"slice {best} " in paper.title(0)
    assert not paper.filled


def test_empty_case_says_so(case):
    volume, labels, _ = case
    nothing = np.zeros_like(labels)
    lesions, summary = measure(nothing, volume)
    text = drawn(volume, CaseOutput(CaseResult("none", summary, lesions, [], []), nothing)).words
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


def test_any_orientation_gives_the_same_picture(case):
    volume, labels, output = case
    expected = drawn(volume, output)
    matrix = volume.ijk_to_ras[:, [1, 2, 0, 3]]  # i, j, k of the sagittal grid run along old j, k, i
    turned = CTVolume(volume.array.transpose(2, 0, 1), matrix)
    turned_labels = np.ascontiguousarray(labels.transpose(2, 0, 1))
    paper = drawn(turned, CaseOutput(output.result, turned_labels))
    for (area, gray), (expected_area, expected_gray) in zip(paper.pictures, expected.pictures, strict=True):
        assert area == expected_area
        np.testing.assert_array_equal(gray, expected_gray)
    np.testing.assert_allclose(paper.contours(0, SEGMENT_COLOR[2]), expected.contours(0, SEGMENT_COLOR[2]))


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


def test_without_the_fonts_one_sentence_says_what_to_install(case, tmp_path, monkeypatch):
    volume, _, output = case
    monkeypatch.setattr(paper_module, "find_spec", lambda name: None)
    paper_module._font.cache_clear()
    with pytest.raises(RequirementError, match="pip install matplotlib"):
        case_picture(tmp_path / "a.png", volume, output)
    assert not list(tmp_path.iterdir())


def test_matplotlib_is_not_loaded():
    code = """
import sys, numpy as np
import LiverTumorLib.report
assert "PIL" not in sys.modules
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.records.options import CaseOutput
from LiverTumorLib.records.results import CaseResult, CaseSummary
from LiverTumorLib.report.paper import Paper
from LiverTumorLib.report.picture import SIZE_INCH, draw_case
volume = CTVolume(np.zeros((2, 8, 8), np.int16), np.eye(4))
draw_case(Paper(SIZE_INCH), volume, CaseOutput(CaseResult("x", CaseSummary())))
assert "PIL" in sys.modules and "matplotlib" not in sys.modules
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
