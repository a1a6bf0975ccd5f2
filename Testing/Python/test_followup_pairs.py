"""Which lesion is which: properties of pairing, tracks through the dates, and pairs by hand."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from LiverTumorLib.errors import InputError, UsageError
from LiverTumorLib.files.followup import PAIR_COLUMNS, write_followup
from LiverTumorLib.followup.alignment import Alignment, to_earlier, to_later
from LiverTumorLib.followup.byhand import HandPair, correct, read_pairs
from LiverTumorLib.followup.growth import days_between, doubling_days
from LiverTumorLib.followup.pairing import Nearness, pair
from LiverTumorLib.followup.recist import assess
from LiverTumorLib.followup.tracks import choose_targets, make_tracks, time_points
from LiverTumorLib.records.followup import FollowUp, Link, StudyRecord
from LiverTumorLib.records.results import Lesion
from LiverTumorLib.records.tracking import tracking_uid

FAR = 99.0


def near(rows: list[list[tuple[float, float, float]]]) -> Nearness:
    """From (inside, covered, distance) of each earlier lesion to each later one."""
    array = np.array(rows, float).reshape(len(rows), -1, 3)
    return Nearness(array[..., 0], array[..., 1], array[..., 2])


def lesion(number: int, diameter: float = 20.0, ml: float = 1.0, place: float = 0.0) -> Lesion:
    return Lesion(number, ml, diameter, diameter, 0, 50.0, 5.0, (place, 0.0, float(number)), 0, 1, 3.0)


def study(*diameters: float, date: str | None = None, key: str = "", slice_mm: float = 2.0) -> StudyRecord:
    lesions = [lesion(number, mm, mm**3 / 1000) for number, mm in enumerate(diameters, start=1)]
    return StudyRecord(
        f"ct{key}", date, key or date or "k", lesions, 1500.0, sum(item.volume_ml for item in lesions), slice_mm
    )


def test_one_to_one_split_merged_new_and_vanished():
    whole, none = (0.9, 0.9, 1.0), (0.0, 0.0, FAR)
    assert pair(near([[whole, none], [none, whole]])) == [(0, 0), (1, 1)]
    assert pair(near([[(0.4, 0.9, 6.0), (0.4, 0.9, 6.0)]])) == [(0, 0), (0, 1)]  # split
    assert pair(near([[(0.9, 0.4, 6.0)], [(0.9, 0.4, 6.0)]])) == [(0, 0), (1, 0)]  # merged
    assert pair(near([[none]])) == []  # one gone, one new


def test_a_small_shifted_neighbor_does_not_take_the_place_of_the_right_one():
    # each overlaps the other's place a little; together the right pairs overlap most
    assert pair(near([[(0.6, 0.6, 3.0), (0.0, 0.0, FAR)], [(0.3, 0.3, 5.0), (0.5, 0.5, 4.0)]])) == [(0, 0), (1, 1)]


def test_small_lesions_are_paired_by_distance_within_reach_only():
    assert pair(near([[(0.0, 0.0, 5.0)]])) == [(0, 0)]
    assert pair(near([[(0.0, 0.0, 7.0)]])) == []
    assert pair(near([[(0.0, 0.0, 7.0)]]), reach_mm=8) == [(0, 0)]


SHARES = st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 60))


@given(st.integers(1, 6), st.integers(1, 6), st.data())
def test_properties_of_pairing(p, c, data):
    rows = data.draw(st.lists(st.lists(SHARES, min_size=c, max_size=c), min_size=p, max_size=p))
    given_near = near(rows)
    links = pair(given_near)
    assert links == sorted(set(links))
    for one, other in links:  # nothing far and apart is ever paired
        assert given_near.overlap[one, other] >= 0.1 or given_near.distance_mm[one, other] <= 6
    turned = Nearness(given_near.covered.T, given_near.inside.T, given_near.distance_mm.T)
    free = {one for one in range(p)} - {one for one, _ in links}
    assert all(given_near.inside[one].max() < 0.3 for one in free)  # a lesion that lies in another is a part of it
    if len(links) == min(p, c):  # one to one: the same looked at from the other date
        assert len(pair(turned)) >= len(links)


@given(st.permutations(range(5)), st.permutations(range(5)))
def test_the_order_of_the_lesions_does_not_matter(rows, columns):
    rng = np.random.default_rng(0)
    base = Nearness(rng.random((5, 5)), rng.random((5, 5)), 40 * rng.random((5, 5)))
    mixed = Nearness(*(array[np.ix_(rows, columns)] for array in (base.inside, base.covered, base.distance_mm)))
    assert {(rows[p], columns[c]) for p, c in pair(mixed)} == set(pair(base))


def test_no_lesions_pair_with_nothing():
    assert pair(Nearness(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 3)))) == []
    assert pair(Nearness(np.zeros((2, 0)), np.zeros((2, 0)), np.zeros((2, 0)))) == []


def test_the_way_back_leads_back():
    grid = np.indices((10, 12, 14)).transpose(1, 2, 3, 0)[..., ::-1] * 5.0
    field = np.stack(
        [4 * np.sin(grid[..., 1] / 20) + 7, 3 * np.cos(grid[..., 2] / 18), 2 * np.sin(grid[..., 0] / 15)], -1
    )
    bent = Alignment(field, np.zeros(3), np.full(3, 5.0))
    places = np.random.default_rng(1).uniform(10, 40, (50, 3))
    chain = [bent, Alignment.shift(np.array([1.0, 2.0, 3.0]))]
    assert np.abs(to_earlier(chain, to_later(chain, places)) - places).max() < 0.1
    assert bent.jacobian().min() > 0
    folded = Alignment(field * [[[[6.0, 1, 1]]]] * np.sign(np.sin(grid[..., :1] / 4)), np.zeros(3), np.full(3, 5.0))
    assert folded.jacobian().min() < 0


def test_tracks_hold_what_split_merged_vanished_and_came_back():
    dates = [study(30, 20, 12, key="a"), study(18, 17, 15, key="b"), study(22, 20, 11, 8, key="c")]
    links = [
        *(Link(0, 1, 1, 1), Link(0, 1, 1, 2)),  # 1 splits
        Link(0, 2, 1, 3),
        *(Link(1, 1, 2, 1), Link(1, 2, 2, 1)),  # and merges again
        Link(1, 3, 2, 2),
        Link(0, 3, 2, 3),  # 3 vanishes and comes back; the fourth is new
    ]
    tracks = make_tracks(dates, links, [False] * 3, [1, 2])
    assert [track.status for track in tracks] == [
        ["present", "split", "merged"],
        ["present", "present", "present"],
        ["present", "vanished", "reappeared"],
        ["not yet", "not yet", "new"],
    ]
    assert tracks[0].diameter_mm == [30, 35, 22]  # parts add up, of what has merged the whole is measured
    assert tracks[2].diameter_mm == [12, 0, 11]
    assert [track.target for track in tracks] == [True, True, False, False]
    points = time_points(dates, tracks)
    assert [(list(point.targets), point.others, point.new, point.returned) for point in points] == [
        ([30, 20], 1, 0, 0),
        ([35, 15], 0, 0, 0),
        ([22, 20], 1, 1, 1),
    ]


def test_a_target_that_merges_with_another_lesion_counts_alone_at_the_first_date():
    dates = [study(30, 9, key="a"), study(41, key="b")]
    links = [Link(0, 1, 1, 1), Link(0, 2, 1, 1)]
    (track,) = make_tracks(dates, links, [False] * 2, [1])
    assert track.diameter_mm == [30, 41] and track.lesions == [[1, 2], [1]]
    apart = [*dates, study(28, 10, key="c")]
    (track,) = make_tracks(apart, [*links, Link(1, 1, 2, 1), Link(1, 1, 2, 2)], [False] * 3, [1])
    assert track.status == ["present", "merged", "split"] and track.diameter_mm == [30, 41, 28]


def test_an_unpaired_date_says_unknown_and_calls_nothing_new_or_vanished():
    dates = [study(30, key="a"), study(30, key="b")]
    tracks = make_tracks(dates, [], [False, True], [1])
    assert [track.status for track in tracks] == [["present", "unknown"], ["not yet", "present"]]
    assert time_points(dates, tracks)[1].targets == [None] and time_points(dates, tracks)[1].new == 0


def test_targets_are_the_two_longest_from_10_mm_on():
    assert choose_targets(study(9, 30, 12, 15)) == [2, 4]
    assert choose_targets(study(9.9, 9)) == []
    assert choose_targets(study(19, 21, slice_mm=10.0)) == [2]
    assert choose_targets(study(30, 20, 5), [3]) == [3]
    with pytest.raises(UsageError, match="no lesion 4"):
        choose_targets(study(30, 20, 5), [4])
    with pytest.raises(UsageError, match="twice"):
        choose_targets(study(30, 20, 5), [1, 1])


def test_tracking_uids_are_those_of_the_first_date_whatever_follows():
    first, second, third = (study(30, 12, key=key) for key in "abc")
    links = [Link(0, 1, 1, 1), Link(0, 2, 1, 2)]
    short = make_tracks([first, second], links, [False] * 2, [])
    long = make_tracks([first, second, third], [*links, Link(1, 1, 2, 2)], [False] * 3, [])
    assert [track.uid for track in short] == [track.uid for track in long][:2]
    uids = {track.uid for track in long}
    assert len(uids) == 3 and all(len(uid) <= 64 and uid.startswith("2.25.") for uid in uids)
    assert tracking_uid("a", lesion(1)) == "2.25." + tracking_uid("a", lesion(1))[5:] != tracking_uid("b", lesion(1))


# Mehrara et al., Cancer Research 67 (2007) 3970-3975: DT = t ln 2 / ln(V2 / V1), undefined for equal volumes.
def test_doubling_times():
    assert doubling_days(1, 2, 100) == pytest.approx(100)
    assert doubling_days(2, 1, 50) == pytest.approx(-50)
    assert doubling_days(1, 8, 90) == pytest.approx(30)
    assert [doubling_days(*some) for some in ((1, 1, 9), (0, 1, 9), (None, 1, 9), (1, 2, 0), (1, 2, None))] == [
        None
    ] * 5
    assert days_between("2026-02-27", "2026-03-01") == 2 and days_between(None, "2026-03-01") is None


def test_pairs_by_hand_take_the_place_of_those_found():
    dates = [study(30, 20, key="a"), study(30, 20, key="b")]
    found = [Link(0, 1, 1, 1, overlap=0.3, distance_mm=5.0), Link(0, 2, 1, 2, overlap=0.3, distance_mm=5.0)]
    swapped = correct(found, [HandPair(1, 1, 2, 2), HandPair(1, 2, 2, 1)], dates)
    assert [(link.prior_lesion, link.lesion, link.by) for link in swapped] == [(1, 2, "hand"), (2, 1, "hand")]
    gone = correct(found, [HandPair(1, 2, 2, None), HandPair(1, None, 2, 2)], dates)
    assert [(link.prior_lesion, link.lesion, link.by) for link in gone] == [(1, 1, "registration")]
    assert correct(found, [], dates) == found
    for bad in (HandPair(2, 1, 1, 1), HandPair(1, 1, 3, 1), HandPair(1, 9, 2, 1), HandPair(1, 1, 2, 0)):
        with pytest.raises(InputError, match="table of pairs names"):
            correct(found, [bad], dates)


def test_the_table_of_pairs_that_is_written_can_be_given_back(tmp_path):
    dates = [study(30, 20, date="2026-01-01"), study(30, 11, date="2026-04-01")]
    links = [Link(0, 1, 1, 1, overlap=0.9, distance_mm=1.0)]
    tracks = make_tracks(dates, links, [False] * 2, [1, 2])
    for track in tracks:
        track.center_ras = [(0.0, 0.0, 0.0), None]
    result = FollowUp(dates, [None], links, tracks, assess(time_points(dates, tracks)), ["a note"])
    assert FollowUp.from_dict(json.loads(json.dumps(result.to_dict()))) == result
    write_followup(tmp_path, result)
    pairs = read_pairs(tmp_path / "pairs.csv")
    assert pairs == [HandPair(1, 1, 2, 1), HandPair(1, 2, 2, None), HandPair(1, None, 2, 2)]
    assert [(link.prior_lesion, link.lesion) for link in correct(links, pairs, dates)] == [(1, 1)]


BAD_TABLES = ["", "a,b\n1,2\n", ",".join(PAIR_COLUMNS) + "\n1,x,2,1\n", ",".join(PAIR_COLUMNS) + "\n1,1\n", "\0"]


@pytest.mark.parametrize("text", BAD_TABLES)
def test_a_table_that_is_none_is_refused(tmp_path, text):
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"mine\.csv.*(no pair|holds no pairs|cannot be read)"):
        read_pairs(path)
    with pytest.raises(InputError, match="cannot be read as a table of pairs"):
        read_pairs(tmp_path / "none.csv")


def test_the_linear_part_of_a_deformation():
    """Of an affine one exactly, whatever the signs of its grid; a shift turns nothing."""
    turned = np.array([[1.1, 0.2, 0.0], [-0.1, 0.9, 0.05], [0.0, 0.3, 1.2]])
    origin, step = np.array([40.0, -30, 5]), np.array([-4.0, 3, 6])
    k, j, i = np.indices((5, 6, 7))
    nodes = origin + np.stack([i, j, k], axis=-1) * step
    affine = Alignment(nodes @ (turned - np.eye(3)).T + [1.0, -2, 3], origin, step)
    np.testing.assert_allclose(affine.linear(), turned, atol=1e-9)
    np.testing.assert_allclose(Alignment.shift(np.array([1.0, 2, 3])).linear(), np.eye(3), atol=1e-9)
