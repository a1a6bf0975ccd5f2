"""Splits: by patient unless slices were asked for by name, stratified, seeded, frozen with hashes, and usable by the
trainer."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from CompressionTrainerLib.data.check import CaseFacts
from CompressionTrainerLib.data.partition import SplitOptions, divide, patient_groups, split_content
from CompressionTrainerLib.data.samples import Sampling, every_slice, plan_epoch
from CompressionTrainerLib.data.slices import cached_slices, subset_slices
from CompressionTrainerLib.data.splits import SUBSETS, load_split, slices_of
from labeled_data import make_ct, make_labels, make_lits, save
from LiverTumorLib.ct.canvas import InputSpec
from LiverTumorLib.errors import InputError, UsageError

pytest.importorskip("sklearn")

SPEC = InputSpec((32, 32), 2.0, neighbor_mm=5.0)


def make_facts(patients: int, seed: int = 0) -> dict[str, CaseFacts]:
    """Cases p0, p1, … of 10 slices: liver in 2 to 8, tumor in some of them but for every fifth patient."""
    rng = np.random.default_rng(seed)
    facts = {}
    for n in range(patients):
        liver, tumor = np.zeros(10), np.zeros(10)
        liver[2:9] = 5000
        if n % 5:
            tumor[rng.choice(np.arange(2, 9), 1 + n % 4, replace=False)] = rng.uniform(5, 800)
        facts[f"p{n}"] = CaseFacts(f"{n}", "a", "b", 5.0, liver.tolist(), tumor.tolist())
    return facts


def groups(facts, same=()):
    return patient_groups(facts, same)


def members(division) -> dict[str, set[str]]:
    return {subset: set(slices) for subset, slices in division.subsets.items()}


def test_a_split_by_patient_is_disjoint_complete_and_of_the_right_sizes():
    facts = make_facts(40)
    (division,) = divide(facts, groups(facts), SplitOptions())
    parts = members(division)
    assert [len(parts[subset]) for subset in SUBSETS] == [28, 6, 6]
    assert set.union(*parts.values()) == set(facts) and sum(map(len, parts.values())) == 40
    assert all(len(ks) == 10 for slices in division.subsets.values() for ks in slices.values())
    healthy = {f"p{n}" for n in range(0, 40, 5)}
    assert {len(parts[subset] & healthy) for subset in ("val", "test")} == {1}, (
        "patients without tumor are spread evenly"
    )


def test_the_seed_decides():
    facts = make_facts(40)
    one, again, other = (divide(facts, groups(facts), SplitOptions(seed=seed))[0] for seed in (1, 1, 2))
    assert members(one) == members(again) != members(other)


def test_cases_of_one_patient_stay_together():
    facts = make_facts(20)
    patients = groups(facts, [["p1", "p2"], ["p7", "p8"], ["p8", "p9"]])
    assert len(patients) == 17 and ["p7", "p8", "p9"] in patients and ["p1", "p2"] in patients
    for seed in range(5):
        for division in divide(facts, patients, SplitOptions(seed=seed, folds=4)):
            for part in members(division).values():
                for patient in patients:
                    assert len(part & set(patient)) in (0, len(patient))


def test_every_patient_is_tested_once_over_the_folds():
    facts = make_facts(23)
    divisions = divide(facts, groups(facts), SplitOptions(folds=5))
    tested = [case for division in divisions for case in division.subsets["test"]]
    assert sorted(tested) == sorted(facts)
    for division in divisions:
        parts = members(division)
        assert (
            not parts["train"] & parts["test"]
            and not parts["train"] & parts["val"]
            and not parts["val"] & parts["test"]
        )
        assert set.union(*parts.values()) == set(facts)
        assert len({case for case in parts["test"] if int(case[1:]) % 5 == 0}) == 1


def test_a_split_by_slice_mixes_patients_but_no_slices_and_is_stratified():
    facts = make_facts(20)
    (division,) = divide(facts, groups(facts), SplitOptions(kind="slice"))
    parts = members(division)
    assert len(parts["train"] & parts["test"]) > 10
    seen = [(case, int(k)) for slices in division.subsets.values() for case, ks in slices.items() for k in ks]
    assert len(seen) == len(set(seen)) == 200
    counts = division.counts(groups(facts))
    shares = [counts[subset]["slices with tumor"] / counts[subset]["slices"] for subset in SUBSETS]
    assert max(shares) - min(shares) < 0.03
    assert [counts[subset]["slices"] for subset in SUBSETS] == [140, 30, 30]


def test_slices_are_selected_and_counted():
    facts = make_facts(20)
    counts = {
        selection: divide(facts, groups(facts), SplitOptions(selection=selection))[0].counts(groups(facts))
        for selection in ("all", "liver", "balanced")
    }
    for subset in SUBSETS:
        every, liver, balanced = (counts[selection][subset] for selection in ("all", "liver", "balanced"))
        assert every["slices"] == 10 * every["cases"] and liver["slices"] == 7 * liver["cases"]
        assert every["slices with liver"] == liver["slices with liver"] == liver["slices"]
        assert every["slices with tumor"] == liver["slices with tumor"]
        assert (
            balanced["slices"]
            == 2 * balanced["slices with tumor"]
            == 2 * min(liver["slices with tumor"], liver["slices"] - liver["slices with tumor"])
        )


def test_a_smallest_tumor_area_changes_the_label_not_the_slices():
    facts = make_facts(20)
    areas = np.concatenate([known.tumor_mm2 for known in facts.values()])
    limit = float(np.median(areas[areas > 0]))
    for smallest, expected in ((0.0, (areas > 0).sum()), (limit, (areas >= limit).sum())):
        counts = divide(facts, groups(facts), SplitOptions(min_tumor_mm2=smallest))[0].counts(groups(facts))
        assert sum(part["slices with tumor"] for part in counts.values()) == expected
        assert sum(part["slices"] for part in counts.values()) == 200


@pytest.mark.parametrize(
    ("facts", "options", "words"),
    [
        (make_facts(2), SplitOptions(), "2 patients cannot be divided like this; at least 3"),
        (make_facts(5), SplitOptions(folds=8), "5 patients cannot be divided like this; at least 8"),
        (
            {n: f for n, f in make_facts(30).items() if not sum(f.tumor_mm2)},
            SplitOptions(),
            "would hold only slices without tumor",
        ),
        (make_facts(30), SplitOptions(min_tumor_mm2=1e6), "would hold only slices without tumor"),
        (
            {n: replace(f, liver_mm2=[9.0] * 10, tumor_mm2=[9.0] * 10) for n, f in make_facts(9).items()},
            SplitOptions(),
            "only slices with tumor",
        ),
        (
            {n: f for n, f in make_facts(30).items() if not sum(f.tumor_mm2)},
            SplitOptions(selection="balanced"),
            "would hold no slices",
        ),
    ],
)
def test_a_division_that_cannot_be_learned_from_is_refused(facts, options, words):
    with pytest.raises(InputError, match=words):
        divide(facts, groups(facts), options)


@pytest.mark.parametrize(
    "options",
    [{"kind": "volume"}, {"selection": "some"}, {"folds": 1}, {"folds": -2}, {"seed": -1}, {"min_tumor_mm2": -1.0}],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(UsageError):
        SplitOptions(**options)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Ten LiTS cases of 8 slices, liver in 1 to 6; case 3 has one faint tumor pixel in slice 2 as well."""
    pytest.importorskip("nibabel")
    folder = make_lits(tmp_path_factory.mktemp("lits"), [(3, 4)] * 10)
    labels = make_labels((3, 4))
    labels[2, 8, 8] = 2
    save(folder / "segmentation-3.nii.gz", labels)
    return folder


def write_split(path, data, options):
    """What `livertumor prepare` writes, by its parts."""
    from CompressionTrainerLib.data.check import check_folder
    from CompressionTrainerLib.data.layouts import find_cases
    from CompressionTrainerLib.stages.prepare import _files
    from LiverTumorLib.files import write_json

    cases = find_cases(data).cases
    facts, _ = check_folder(cases, path.parent / "checked", lambda *_: None)
    patients = groups(facts)
    (division,) = divide(facts, patients, options)
    write_json(path, split_content("tiny", division, patients, options) | _files(cases, facts, data))
    return path


def test_a_frozen_split_comes_back_and_notices_changed_files(data, tmp_path):
    split = load_split(write_split(tmp_path / "split.json", data, SplitOptions()), data)
    assert split.name == "tiny" and split.kind == "patient"
    assert [len(split.cases[subset]) for subset in SUBSETS] == [6, 2, 2]
    every = [case for subset in SUBSETS for case in split.cases[subset]]
    split.verify(every)
    assert all(slices_of(split, subset, case) is None for subset in SUBSETS for case in split.cases[subset])
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in data.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    moved = load_split(tmp_path / "split.json", copy)
    moved.verify([case for subset in SUBSETS for case in moved.cases[subset]])
    save(copy / "volume-1.nii.gz", make_ct(99))
    with pytest.raises(InputError, match=r"volume-1\.nii\.gz is not the file"):
        moved.verify([case for subset in SUBSETS for case in moved.cases[subset]])


@pytest.mark.parametrize(
    ("kind", "message"), [("patient", "a patient belongs to one subset"), ("slice", "a slice belongs to one")]
)
def test_an_overlap_is_an_error(data, tmp_path, kind, message):
    path = write_split(tmp_path / "split.json", data, SplitOptions(kind=kind))
    content = json.loads(path.read_text())
    load_split(path, data)
    content["patients"]["test"] = content["patients"]["test"] + content["patients"]["train"][:1]
    if kind == "slice":
        case = content["patients"]["train"][0][0]
        content["slices"]["test"].setdefault(case, []).append(content["slices"]["train"][case][0])
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        load_split(path, data)


@pytest.mark.parametrize("kind", ["patient", "slice"])
def test_a_refit_trains_on_train_and_val_and_on_no_test_slice(data, tmp_path, kind):
    split = load_split(write_split(tmp_path / "split.json", data, SplitOptions(kind=kind)), data)
    refit = split.refitted()
    ids = {subset: {case.id for case in split.cases[subset]} for subset in SUBSETS}
    trained = [case.id for case in refit.cases["train"]]
    assert sorted(trained) == sorted(ids["train"] | ids["val"]) and refit.cases["val"] == []
    assert refit.cases["test"] == split.cases["test"]
    if kind == "slice":
        for case in refit.cases["train"]:
            before = [
                k for subset in ("train", "val") if case.id in ids[subset] for k in slices_of(split, subset, case)
            ]
            assert slices_of(refit, "train", case) == sorted(before)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "volume"},
        {"cases": {}},
        {"patients": {"train": [["nobody"]]}},
        {"patients": [1]},
        {"slices": {"train": {}}},
    ],
)
def test_a_broken_split_file_is_told(data, tmp_path, change):
    path = write_split(tmp_path / "split.json", data, SplitOptions(kind="slice"))
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match="is not a split file this version can read"):
        load_split(path, data)


def test_the_trainer_draws_only_the_slices_that_a_split_by_slice_gives(data, tmp_path):
    split = load_split(write_split(tmp_path / "split.json", data, SplitOptions(kind="slice", selection="liver")), data)
    assert {case.id for case in split.cases["train"]} & {case.id for case in split.cases["test"]}
    drawn = {}
    for subset in SUBSETS:
        cases = subset_slices(split, subset, SPEC, tmp_path / "cache")
        allowed = {(n, k) for n, case in enumerate(split.cases[subset]) for k in slices_of(split, subset, case)}
        validated = {(place.case, place.k) for place in every_slice(cases)}
        assert validated == allowed
        planned = {(place.case, place.k) for place in plan_epoch(cases, Sampling(400, 0.5, 0.1), seed=1, epoch=0)}
        assert planned == allowed
        drawn[subset] = {(cases[n].case, k) for n, k in validated}
    assert not drawn["train"] & drawn["test"] and not drawn["train"] & drawn["val"] and not drawn["val"] & drawn["test"]
    assert sum(map(len, drawn.values())) == 60


def test_the_trainer_takes_the_splits_labels(data, tmp_path):
    """A slice with one tumor pixel (4 mm2) counts as tumor by default, and as none where the area asked for is
    larger."""
    for smallest, expected in ((0.0, [2, 3, 4]), (10.0, [3, 4])):
        split = load_split(write_split(tmp_path / f"{smallest}.json", data, SplitOptions(min_tumor_mm2=smallest)), data)
        cases = [case for subset in SUBSETS for case in subset_slices(split, subset, SPEC, tmp_path / "cache")]
        (third,) = (case for case in cases if case.case == "3")
        assert np.flatnonzero(third.has_tumor).tolist() == expected


def test_slices_of_another_data_set_are_not_taken_from_a_shared_cache(data, tmp_path):
    split = load_split(write_split(tmp_path / "split.json", data, SplitOptions()), data)
    case = split.cases["train"][0]
    first = cached_slices(case, SPEC, tmp_path / "cache")
    kept = first.image.copy()
    again = cached_slices(case, SPEC, tmp_path / "cache")
    assert again.image.filename == first.image.filename and np.array_equal(again.image, kept)
    other = replace(case, ct=save(tmp_path / "other" / case.ct.name, make_ct(55)))
    assert not np.array_equal(cached_slices(other, SPEC, tmp_path / "cache").image, kept)
    assert np.array_equal(first.image, kept), "a run that has the old slices open keeps them"
    filtered = cached_slices(case, replace(SPEC, filters=(("gaussian", 3.0),)), tmp_path / "cache")
    assert filtered.image.filename != first.image.filename and filtered.image.std() < kept.std()


def test_an_empty_mask_and_an_unknown_label_stop_training_before_it_begins(data, tmp_path):
    split = load_split(write_split(tmp_path / "split.json", data, SplitOptions()), data)
    case = split.cases["train"][0]
    empty = replace(case, mask=save(tmp_path / "empty.nii.gz", np.zeros_like(make_labels())))
    with pytest.raises(InputError, match=r"empty\.nii\.gz is empty, so there is no liver"):
        cached_slices(empty, replace(SPEC, region="liver"), tmp_path / "cache")
    other = replace(case, mask=save(tmp_path / "other.nii.gz", make_labels() * 2))
    with pytest.raises(InputError, match=r"other\.nii\.gz has the label values 4; use 0 background, 1 liver, 2 tumor"):
        cached_slices(other, SPEC, tmp_path / "cache")


def test_a_mask_on_another_grid_stops_training_before_it_begins(data, tmp_path):
    split = load_split(write_split(tmp_path / "split.json", data, SplitOptions()), data)
    case = replace(split.cases["train"][0], mask=save(tmp_path / "mask.nii.gz", make_labels()[:-1]))
    with pytest.raises(InputError, match=r"mask\.nii\.gz has 28 x 24 x 7 voxels and its CT 28 x 24 x 8"):
        cached_slices(case, SPEC, tmp_path / "cache")
    assert list((tmp_path).glob("cache/*/*/*")) == []


def test_the_shipped_split_says_whose_data_and_which_license():
    shipped = Path(__file__).parents[2] / "CompressionTrainer/CompressionTrainerLib/data/splits/lits17-subset.json"
    split = load_split(shipped, "nowhere")
    assert "LiTS17" in split.source and "CC BY-NC-ND 4.0" in split.weights_license
