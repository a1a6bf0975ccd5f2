"""Follow-up of phantoms that were moved, deformed, grown and shrunk by known fields."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("SimpleITK", reason="registration needs SimpleITK")

from followup_phantoms import Change, ball, rods, source_places, two_dates
from LiverTumorLib.errors import Cancelled, InputError, UsageError
from LiverTumorLib.followup import FollowOptions, follow, make_study
from LiverTumorLib.followup.byhand import HandPair
from LiverTumorLib.followup.registration import register

CHANGE = Change(scale={1: 0.8, 2: 1.5, 3: 1.25, 5: 1.5}, gone=(4,), new=1, shift_mm=(14.0, -9.0, 21.0), bend_mm=5.0)


@pytest.fixture(scope="module")
def moved():
    dates = two_dates(3, CHANGE)
    return dates, make_study(*dates.first, date="2026-01-10"), make_study(*dates.second, date="2026-04-20")


@pytest.fixture(scope="module")
def result(moved):
    events = []
    found = follow(moved[1:], progress=lambda *event: events.append(event))
    return found, events


def test_the_pairs_are_those_of_the_known_field(moved, result):
    found, _ = result
    assert {(link.prior_lesion, link.lesion) for link in found.links} == moved[0].pairs
    # the third lesion has grown into the second
    assert sorted(track.status[1] for track in found.tracks) == ["merged", "new", "present", "present", "vanished"]


def test_registration_says_that_it_went_well_and_finds_the_field(moved, result):
    (quality,) = result[0].registrations
    assert not quality.failure and quality.dice > 0.88 and quality.residual_mm < 2.5 and quality.folding_percent == 0
    dates, prior, current = moved
    volume = dates.second[0]
    places = volume.ras(np.argwhere(dates.second[1] > 0)[::37, ::-1])
    center = volume.ras(np.indices(volume.shape).reshape(3, -1)[::-1].T).mean(axis=0)
    alignment, _ = register(current, prior, lambda part: None)
    error = np.linalg.norm(alignment.to_prior(places) - source_places(places, CHANGE, center), axis=1)
    assert np.median(error) < 5 and np.percentile(error, 95) < 12  # mm; the field moves them by some 30


def test_the_response_follows_from_the_tables(result):
    found, _ = result
    first, last = found.assessments
    assert first.response == "baseline" and last.response == "PD" and last.new_lesions == 1
    assert "1 new lesion" in last.reason
    targets = [track for track in found.tracks if track.target]
    assert first.sum_mm == pytest.approx(sum(track.diameter_mm[0] for track in targets))
    assert last.sum_mm == pytest.approx(sum(track.diameter_mm[1] for track in targets))


def test_every_track_knows_its_place_at_both_dates(moved, result):
    studies = moved[1:]
    for track in result[0].tracks:
        for study, numbers, place in zip(studies, track.lesions, track.center_ras, strict=True):
            ijk = np.linalg.inv(study.volume.ijk_to_ras) @ [*place, 1]
            k, j, i = np.rint(ijk[2::-1]).astype(int)
            assert study.labels[k, j, i] > 0  # in the liver, also where it has gone or is not yet
            assert (
                not numbers
                or np.linalg.norm(np.subtract(place, study.record.lesions[numbers[0] - 1].centroid_ras)) < 0.1
            )


def test_doubling_time_is_that_of_the_days_between(result):
    grown = next(track for track in result[0].tracks if track.lesions[0] == [5])
    before, now = grown.volume_ml
    assert grown.doubling_days == [None, pytest.approx(100 * np.log(2) / np.log(now / before), abs=0.1)]


def test_progress_never_falls_and_names_its_stages(result):
    stages, fractions, _ = zip(*result[1], strict=True)
    assert list(dict.fromkeys(stages)) == ["registering", "pairing", "done"]
    assert list(fractions) == sorted(fractions) and fractions[-1] == 1 and len(fractions) > 20


def test_canceling_in_the_middle_of_the_registration(moved):
    def stop(stage: str, fraction: float, message: str) -> None:
        if fraction > 0.3:
            raise Cancelled("The run was stopped.")

    with pytest.raises(Cancelled):
        follow(moved[1:], progress=stop)


def test_volume_changes_are_those_that_were_made():
    # without a field the factor is known exactly: the cube of the growth
    scale = {1: 0.7, 2: 1.4}
    dates = two_dates(2, Change(scale))
    before, after = (make_study(*date).record.lesions for date in (dates.first, dates.second))
    now_of = {first: now for first, now in dates.pairs if first in scale}
    assert set(now_of) == set(scale)
    for first, now in now_of.items():
        measured = after[now - 1].volume_ml / before[first - 1].volume_ml
        assert measured == pytest.approx(scale[first] ** 3, rel=0.05)


def test_a_registration_that_fails_says_so_and_gives_no_response():
    studies = [make_study(*ball(70, lesions=[((0, 0, 0), 12)]), key="a"), make_study(*rods(), key="b")]
    found = follow(studies)
    assert "Dice" in found.registrations[0].failure or "apart" in found.registrations[0].failure
    assert found.links == [] and found.assessments[1].response == "NE"
    assert "could not be paired" in found.assessments[1].reason
    assert any("could not be registered" in note and "pairs by hand" in note for note in found.notes)
    by_hand = follow(studies, FollowOptions(pairs=(HandPair(1, 1, 2, 1),)))
    assert [link.by for link in by_hand.links] == ["hand"] and by_hand.assessments[1].response in ("PR", "SD", "PD")


def test_a_prior_without_lesions_is_said_and_what_comes_is_new():
    found = follow([make_study(*ball(70), key="a"), make_study(*ball(70, lesions=[((10, 0, 0), 12)]), key="b")])
    assert found.assessments[1].response == "PD" and found.tracks[0].status == ["not yet", "new"]
    assert any("has no lesions" in note for note in found.notes)


def test_no_lesions_at_all_need_no_registration():
    found = follow([make_study(*ball(70), key="a"), make_study(*ball(71), key="b")])
    assert found.registrations == [None] and found.assessments[1].response == "NED" and found.tracks == []


def test_dates_are_sorted_or_the_given_order_is_said():
    volume, labels = ball(70, lesions=[((0, 0, 0), 12)])
    late, early = (make_study(volume, labels, date=day, key=day) for day in ("2026-05-01", "2026-01-01"))
    found = follow([late, early])
    assert [study.date for study in found.studies] == ["2026-01-01", "2026-05-01"]
    assert any("sorted" in note for note in found.notes)
    undated = make_study(volume, labels, key="x")
    notes = follow([late, undated]).notes
    assert any("order is the one given" in note for note in notes)


def test_other_contrast_phases_are_noted_by_density_and_by_description():
    volume, labels = ball(70)
    plain, bright = (replace(volume, array=volume.array + plus, name=f"{plus} HU") for plus in (0, 50))
    notes = follow([make_study(plain, labels, key="a"), make_study(bright, labels, key="b")]).notes
    assert any("contrast phases" in note and "60 and 110 HU" in note for note in notes)
    words = ("ABDOMEN ARTERIAL 2.0", "Abd portal-venous")
    named = [make_study(plain, labels, key=text, description=text) for text in words]
    assert any("arterial and portal venous" in note for note in follow(named).notes)
    same = [make_study(plain, labels, key=key, description="portal venous") for key in "ab"]
    assert not any("contrast" in note for note in follow(same).notes)


def test_two_patients_are_refused_unless_the_user_says_they_are_one():
    volume, labels = ball(70)
    studies = [make_study(replace(volume, name=name), labels, key=name, patient=name) for name in ("anna", "berta")]
    with pytest.raises(UsageError, match="different patients.*anna and berta.*--same-patient"):
        follow(studies)
    assert follow(studies, FollowOptions(same_patient=True)).assessments[1].response == "NED"


def test_what_is_no_follow_up_is_refused():
    study = make_study(*ball(70))
    with pytest.raises(UsageError, match="at least two"):
        follow([study])
    with pytest.raises(UsageError, match="the same CT"):
        follow([study, study])
    volume, labels = ball(70)
    for bad, words in (
        (np.zeros_like(labels), "no liver"),
        (labels * 4, "hold the value 4"),
        (labels * 2, "tumor without liver"),
        (labels[1:], "voxels"),
    ):
        with pytest.raises(InputError, match=words):
            make_study(volume, bad)
