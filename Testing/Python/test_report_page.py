"""The page of a study: which lesions have views, and what its table and notes say of a reader's work."""

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="the page needs matplotlib")

from LiverTumorLib.ct import CTVolume
from LiverTumorLib.records.judgments import Judgment
from LiverTumorLib.records.options import CaseOutput
from LiverTumorLib.records.results import CaseResult, CaseSummary, Lesion
from LiverTumorLib.records.review import Review
from LiverTumorLib.report.page import case_page, page_figure, target_lesions

SHAPE = (12, 40, 40)
VOLUME = CTVolume(np.full(SHAPE, 60, np.int16), np.diag([-2.0, -2.0, 5.0, 1.0]), "Case")
LABELS = np.ones(SHAPE, np.uint8)


def lesion(number: int, longest: float, by_hand: str | None = None) -> Lesion:
    place = (-40.0, -40.0, 25.0)
    axis = ((-35.0, -40.0, 25.0), (-45.0, -40.0, 25.0))
    return Lesion(number, 1.5, longest, 5.0, 5, 60.0, 9.0, place, 4, 6, 3.0, 0.9, axis, axis, by_hand)


def page(lesions: list[Lesion], review: Review | None = None, patient: str = "", notes=()):
    summary = CaseSummary(1500.0, 12.0, 0.8, len(lesions), 30.0, [], list(notes))
    output = CaseOutput(CaseResult("Case 7", summary, lesions), LABELS)
    return page_figure(VOLUME, output, review or Review(), patient)


def texts(figure) -> list[str]:
    """Everything that is written on a page."""
    written = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        written += [axes.get_title(), *(text.get_text() for text in axes.texts)]
    return written


def test_targets_are_the_two_longest_of_ten_mm_or_more():
    lesions = [lesion(1, 12.0), lesion(2, 30.0), lesion(3, 9.9), lesion(4, 15.0)]
    assert [each.id for each in target_lesions(lesions)] == [2, 4]
    rejected = Review(judgments={2: Judgment("rejected")})
    assert [each.id for each in target_lesions(lesions, rejected)] == [4, 1]
    assert [each.id for each in target_lesions([lesion(1, 8.0), lesion(2, 9.0)])] == [2], "none is measurable"
    assert target_lesions([]) == []


def test_the_table_says_what_the_reader_says():
    review = Review(
        True, {1: "Dome"}, {1: Judgment("accepted", "metastasis", "Compare with MR."), 2: Judgment("rejected")}
    )
    written = texts(page([lesion(1, 30.0, "long"), lesion(2, 20.0)], review, notes=["The liver is cut."]))
    for expected in ("Case 7", "Dome", "accepted", "metastasis", "Compare with MR.", "rejected", " (long by hand)"):
        assert expected in written, expected
    assert "Research use only, not for diagnosis" in written
    notes = "\n".join(written)
    for sentence in ("corrected by a reader", "Dome: the long axis was measured by hand", "The liver is cut"):
        assert sentence in notes
    assert "Dome: 30.0 × 5.0 mm, long axis by hand, axial slice 5" in written
    assert not any(text.startswith("Lesion 2:") for text in written), "a rejected lesion has no views"


def test_the_patient_is_named_where_asked_for_only():
    assert "Doe, Jane" in texts(page([lesion(1, 30.0)], patient="Doe, Jane"))
    assert not any("Doe" in text for text in texts(page([lesion(1, 30.0)])))


def test_axes_are_drawn_where_they_were_measured():
    figure = page([lesion(1, 30.0)])
    [axial] = [axes for axes in figure.axes if axes.get_title() == "Axial"]
    [long, _short] = [line for line in axial.lines if len(line.get_xdata()) == 2 and line.get_marker() == "|"]
    # R -35 and -45 mm are columns 17.5 and 22.5 of 2 mm, whose middle is half a voxel on.
    np.testing.assert_allclose(long.get_xdata(), [36.0, 46.0])
    np.testing.assert_allclose(long.get_ydata(), [41.0, 41.0])


def test_many_lesions_are_cut_with_their_number():
    written = texts(page([lesion(number, 30.0) for number in range(1, 31)]))
    [more] = [text for text in written if text.startswith("… and ")]
    shown = sum(text.startswith("Lesion ") and ":" not in text and text != "Lesion" for text in written)
    assert more == f"… and {30 - shown} more" and shown >= 9


def test_without_lesions_the_scan_is_shown():
    written = texts(page([]))
    assert "No lesions found" in written and "Overview" in written


def test_the_same_case_makes_the_same_file(tmp_path):
    output = CaseOutput(CaseResult("Case", CaseSummary(1.0, 1.0, 1.0, 1, 30.0), [lesion(1, 30.0)]), LABELS)
    for name in ("a.pdf", "b.pdf"):
        case_page(tmp_path / name, VOLUME, output)
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    with pytest.raises(ValueError, match="are not on the volume's grid"):
        case_page(tmp_path / "c.pdf", VOLUME, CaseOutput(output.result, LABELS[1:]))
