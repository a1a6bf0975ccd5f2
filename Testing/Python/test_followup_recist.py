"""RECIST 1.1 against what the guideline and its committee have published, and rules that hold for all diameters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from LiverTumorLib.followup.recist import TimePoint, assess, measurable_mm


def responses(*points: TimePoint) -> list[str]:
    return [found.response for found in assess(points)]


def of_sums(*sums: float) -> list[str]:
    return responses(*(TimePoint([total]) for total in sums))


# Eisenhauer et al., Eur J Cancer 45 (2009) 228-247, time point response with target lesions: the overall response after
# 100 mm, by target lesions, other lesions and new ones.
TARGETS = {"CR": 0.0, "PR": 60.0, "SD": 100.0, "PD": 130.0, "NE": None}
WITH_TARGETS = [
    ("CR", 0, 0, "CR"),
    ("CR", 2, 0, "PR"),  # other lesions are there still: non-CR/non-PD
    ("CR", None, 0, "PR"),  # not evaluated
    ("PR", 2, 0, "PR"),
    ("PR", None, 0, "PR"),
    ("SD", 2, 0, "SD"),
    ("SD", None, 0, "SD"),
    ("NE", 2, 0, "NE"),
    ("PD", 2, 0, "PD"),
    ("PD", 0, 1, "PD"),
    ("CR", 0, 1, "PD"),  # any, any, new
    ("PR", 2, 1, "PD"),
    ("NE", None, 1, "PD"),
]


@pytest.mark.parametrize(("target", "others", "new", "overall"), WITH_TARGETS)
def test_time_point_response_with_target_lesions(target, others, new, overall):
    found = assess([TimePoint([100.0], 2), TimePoint([TARGETS[target]], others, new)])[-1]
    assert (found.response, found.target) == (overall, target)


# The same, only other lesions.
@pytest.mark.parametrize(
    ("others", "new", "overall"),
    [(0, 0, "CR"), (2, 0, "Non-CR/Non-PD"), (None, 0, "NE"), (2, 1, "PD"), (None, 1, "PD")],
)
def test_time_point_response_without_target_lesions(others, new, overall):
    assert responses(TimePoint([], 3), TimePoint([], others, new))[-1] == overall


# 32 % less, then 28 %, then 33 %. The middle one is no PR by its own date, yet most would see a PR.
def test_shrinkage_that_hovers_about_30_percent():
    found = assess([TimePoint([total]) for total in (100.0, 68.0, 72.0, 67.0)])
    assert [item.response for item in found] == ["baseline", "PR", "SD", "PR"]
    assert [item.best for item in found[1:]] == ["PR", "PR", "PR"]


# The EORTC's "Managing PR when TP measurements change slightly over time" (recist.eortc.org): best response stays PR.
def test_the_eortc_example_keeps_its_best_response():
    found = assess([TimePoint([total], 1) for total in (100.0, 70.0, 70.0, 80.0, 80.0, 80.0)])
    assert [item.best for item in found[1:]] == ["PR"] * 5
    assert "PD" not in {item.response for item in found}


# Evaluation of target lesions: growth counts from the smallest sum, and needs 20 % as well as 5 mm.
@pytest.mark.parametrize(
    ("sums", "last"),
    [
        ((100, 50, 60), "PD"),
        ((100, 50, 59.9), "PR"),  # 19.8 % above the nadir, and still 40 % below the first date
        ((20, 10, 13), "PR"),  # 30 % above the nadir, but 3 mm only, and 35 % below the first date
        ((24, 20, 24.5), "SD"),  # 22.5 % above the nadir, 4.5 mm
        ((100, 119.9), "SD"),
        ((100, 120), "PD"),
        ((25, 30), "PD"),
        ((100, 70), "PR"),
        ((100, 70.1), "SD"),
        ((100, 0, 6), "PD"),
    ],
)
def test_thresholds(sums, last):
    assert of_sums(*sums)[-1] == last


# CDISC, Disease Response Supplement for RECIST 1.1, example: the target is 59 % smaller while
# another lesion is not evaluated, then all have gone.
def test_the_cdisc_example():
    points = [TimePoint([100.0], 1), TimePoint([41.0], None), TimePoint([0.0], 0)]
    assert responses(*points) == ["baseline", "PR", "CR"]


# Schwartz et al., Eur J Cancer 62 (2016) 132-137: a lesion that comes back after CR is progression, otherwise it is
# measured again.
def test_a_lesion_that_comes_back():
    gone = [TimePoint([30.0], 0), TimePoint([0.0], 0)]
    assert responses(*gone, TimePoint([3.0], 0, returned=1))[-1] == "PD"
    kept = [TimePoint([30.0, 20.0], 0), TimePoint([0.0, 20.0], 0), TimePoint([4.0, 20.0], 0, returned=1)]
    assert responses(*kept)[-1] == "PR"  # 24 mm after 50 and 20: its 4 mm count, and are no progression


def test_no_lesions_at_all_and_new_ones_after_none():
    assert responses(TimePoint([], 0), TimePoint([], 0)) == ["baseline", "NED"]
    assert responses(TimePoint([], 0), TimePoint([], 0, new=1))[-1] == "PD"


def test_thick_slices_make_only_larger_lesions_measurable():
    assert [measurable_mm(mm) for mm in (1.0, 5.0, 10.0)] == [10.0, 10.0, 20.0]


def test_dates_with_other_targets_are_refused():
    with pytest.raises(ValueError, match="same target"):
        assess([TimePoint([1.0]), TimePoint([1.0, 2.0])])


@given(st.lists(st.floats(0, 300), min_size=2, max_size=6))
def test_every_series_of_sums_gets_one_reasoned_response(sums):
    sums[0] += 10
    found = assess([TimePoint([total]) for total in sums])
    for item in found[1:]:
        assert item.response in ("CR", "PR", "SD", "PD") and item.reason
        assert (item.response == "PD") == (item.nadir_change_mm >= 5 and item.sum_mm >= 1.2 * item.nadir_mm - 1e-9)


@given(st.floats(10, 300), st.floats(0, 300))
def test_two_targets_count_as_their_sum(one, other):
    now = (one + other) * 0.6
    assert (
        of_sums(round(one + other, 2), round(now, 2))[-1]
        == responses(TimePoint([one, other]), TimePoint([now, 0.0]))[-1]
    )
