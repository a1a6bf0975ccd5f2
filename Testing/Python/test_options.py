"""The choices of a run: what makes no sense is refused at once, in a sentence, and all of them travel through JSON."""

import json
from pathlib import Path

import numpy as np
import pytest
from LiverTumorLib.errors import UsageError
from LiverTumorLib.records.options import RunOptions


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        *(("tumor_threshold", value, "between 0 and 1") for value in (0, 0.0, 1, -0.5, float("nan"), float("inf"))),
        *(
            (name, value, "0 or more")
            for name in ("roi_margin_mm", "min_lesion_ml")
            for value in (-1, float("nan"), float("inf"))
        ),
        *(("threads", value, "at least 1") for value in (0, -2)),
        ("threads", 2.5, "whole number"),
        ("liver_threshold", "high", "must be a number"),
        ("roi_margin_mm", None, "must be a number"),
        ("tumor", "no", "True or False"),
        ("roi", 1, "True or False"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(name, value, message):
    with pytest.raises(UsageError, match=message) as caught:
        RunOptions(**{name: value})
    assert str(caught.value).startswith(f"{name} is ")


def test_numpy_numbers_and_paths_travel_in_a_job_file():
    options = RunOptions(
        liver_model=Path("/a/b"),
        tumor=np.bool_(False),
        slice_threshold=np.float32(0.5),
        min_lesion_ml=np.int64(2),
        threads=np.int32(3),
    )
    assert RunOptions.from_dict(json.loads(json.dumps(options.to_dict()))) == options
    assert options == RunOptions(
        liver_model=str(Path("/a/b")), tumor=False, slice_threshold=0.5, min_lesion_ml=2.0, threads=3
    )


def test_an_unknown_option_is_named():
    with pytest.raises(UsageError, match="Unknown option 'margin'; known are liver_model, "):
        RunOptions.from_dict({"margin": 3})
