"""Cases whose tumor is unknown and cases without liver: what a split says of them, and which networks they train."""

import json

import numpy as np
import pytest
from CompressionTrainerLib.data.labeled import read_case
from CompressionTrainerLib.data.slices import cached_slices
from CompressionTrainerLib.data.splits import load_split
from CompressionTrainerLib.data.training_data import TrainingData
from job_tools import posix
from labeled_data import make_ct, make_labels, save
from LiverTumorLib.ct.canvas import InputSpec
from LiverTumorLib.errors import InputError, OutputError

CASES = {"full": "tumor", "liver": "liver", "bare": "none"}


@pytest.fixture
def split_file(tmp_path):
    """A split with a case of each kind among the train patients."""
    entries, sha256 = {}, {}
    for case, holds in CASES.items():
        save(tmp_path / f"{case}.nii.gz", make_ct(60))
        entries[case] = {"ct": f"{case}.nii.gz", "holds": holds}
        if holds != "none":
            save(tmp_path / f"{case}_seg.nii.gz", np.minimum(make_labels(), 1 if holds == "liver" else 2))
            entries[case]["mask"] = f"{case}_seg.nii.gz"
    content = {
        "patients": {"train": [[case] for case in CASES], "val": [], "test": []},
        "cases": entries,
        "sha256": sha256,
    }
    path = tmp_path / "split.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_a_case_without_liver_has_no_mask_and_reads_as_background(split_file):
    split = load_split(split_file, split_file.parent)
    full, liver, bare = split.cases["train"]
    assert [case.holds for case in (full, liver, bare)] == ["tumor", "liver", "none"] and bare.mask is None
    split.verify(split.cases["train"])
    labeled = read_case(bare)
    assert labeled.labels.shape == labeled.volume.shape and not labeled.labels.any()
    assert read_case(full).labels.max() == 2 and read_case(liver).labels.max() == 1


def test_each_network_trains_on_the_cases_that_tell_it_something(split_file):
    pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")
    from CompressionTrainerLib.training.checks import usable_cases
    from CompressionTrainerLib.training.config import config_from_dict
    from CompressionTrainerLib.training.run import load_slices

    def config(task, **spec):
        spec = {"size": [32, 32], "spacing_mm": 2.0, **spec}
        sampling = {"slices": 32, "tumor_share": 0.3, "background_share": 0.1}
        return config_from_dict({"name": "x", "task": task, "input": spec, "sampling": sampling})

    cases = load_split(split_file, split_file.parent).cases["train"]
    ids = {
        "liver": [case.id for case in usable_cases(config("liver"), cases)],
        "tumor": [case.id for case in usable_cases(config("tumor", region="liver"), cases)],
        "abdomen": [case.id for case in usable_cases(config("tumor"), cases)],
    }
    assert ids == {"liver": ["full", "liver", "bare"], "tumor": ["full"], "abdomen": ["full", "bare"]}
    slices, used = load_slices(
        config("liver"), TrainingData(split_file.parent, split_file, split_file.parent / "cache")
    )
    bare = slices["train"][2]
    assert not bare.has_liver.any() and not bare.liver.any() and bare.image.std() > 0
    assert [case.id for case in used.cases["train"]] == ids["liver"]

    content = json.loads(split_file.read_text(encoding="utf-8"))
    content["patients"]["train"] = [["liver"]]
    split_file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match="None of the train cases .* has tumor labels"):
        load_slices(
            config("tumor", region="liver"), TrainingData(split_file.parent, split_file, split_file.parent / "cache")
        )


def test_an_unknown_kind_of_case_is_named(split_file):
    content = json.loads(split_file.read_text(encoding="utf-8"))
    content["cases"]["bare"]["holds"] = "spleen"
    split_file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match="case bare holds 'spleen', not one of tumor, liver, none"):
        load_split(split_file, split_file.parent)


@posix
def test_a_full_disk_at_the_cache_is_said(split_file, tmp_path):
    """A limit on the size of files fails a write midway, as a full disk does."""
    import resource

    [case, *_] = load_split(split_file, split_file.parent).cases["train"]
    spec, cache = InputSpec((64, 64), 4.0), tmp_path / "cache"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(
            OutputError,
            match=r"cache.*image\.npy cannot be written: there is no space left; free some or choose another",
        ):
            cached_slices(case, spec, cache)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path for path in cache.rglob("*") if path.is_file()] == []
    assert len(cached_slices(case, spec, cache).image) == 8
