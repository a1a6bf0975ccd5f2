"""What cannot be analyzed, as a user meets it: one sentence, the exit code of its kind, and nothing written or lost."""

import json

import nibabel
import numpy as np
import pytest
from dicom_writer import write_series
from LiverTumorLib import errors
from LiverTumorLib.cli import main
from LiverTumorLib.ct.canvas import InputSpec
from LiverTumorLib.models.bundle import write_bundle
from LiverTumorLib.models.manifest import Manifest

AFFINE = np.diag([-0.8, -0.8, 3.0, 1.0])


@pytest.fixture
def work(tmp_path, monkeypatch):
    for id, task in (("liver-roi", "liver"), ("liver-tumor", "tumor"), ("tumor-slice", "slice")):
        manifest = Manifest(id, "1.0", id, task, InputSpec((64, 64), 4.0), 0.5, {}, "test")
        write_bundle(tmp_path / "models" / id, manifest, {"model.tflite": id.encode()})
    monkeypatch.setenv("LIVERTUMOR_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def _body(shape=(8, 32, 40)) -> np.ndarray:
    array = np.full(shape, -1000, np.int16)
    array[..., 4:-4, 4:-4] = 60
    return array + np.random.default_rng(1).integers(-20, 20, shape).astype(np.int16)


def _save(path, array) -> None:
    nibabel.save(nibabel.Nifti1Image(np.asarray(array).T, AFFINE), path)


def _empty(path):
    path.touch()


def _truncated(path):
    _save(path, _body())
    path.write_bytes(path.read_bytes()[:-900])


def _mr_like(path):
    rng = np.random.default_rng(2)
    _save(
        path,
        np.abs(
            np.where(_body() > 0, 400, 0) * rng.uniform(0.6, 1.4, _body().shape) + rng.normal(0, 12, _body().shape)
        ).astype(np.int16),
    )


def _mr_dicom(path):
    write_series(path, _body(), Modality="MR")


CASES = {
    "empty.nii.gz": (_empty, "is an empty file"),
    "truncated.nii.gz": (_truncated, "is damaged, incomplete"),
    "flat.nii.gz": (lambda path: _save(path, _body()[0]), "is a 2-D image"),
    "series.nii.gz": (lambda path: _save(path, np.stack([_body()] * 3)), "is a series of 3 volumes"),
    "nan.nii.gz": (lambda path: _save(path, np.full((8, 32, 40), np.nan, np.float32)), "every voxel is NaN"),
    "constant.nii.gz": (lambda path: _save(path, np.full((8, 32, 40), 40, np.int16)), "the same value"),
    "mr.nii.gz": (_mr_like, "no negative values, as MR images have"),
    "mr-dicom": (_mr_dicom, "holds no CT slices, only MR"),
}


def _refusal(capsys, *arguments: str) -> tuple[int, str]:
    """Exit code and the one line on stderr that is not progress."""
    code = main([*arguments, "--out", "out", "--no-picture", "--quiet"])
    said = capsys.readouterr()
    assert said.out == "" and len(said.err.splitlines()) == 1, said.err
    return code, said.err


@pytest.mark.parametrize("task", ["segment", "classify"])
@pytest.mark.parametrize("name", CASES)
def test_a_bad_input(work, capsys, name, task):
    make, words = CASES[name]
    make(work / name)
    (work / "out").mkdir()
    (work / "out" / "mine.txt").write_text("mine")
    code, sentence = _refusal(capsys, task, name)
    assert code == errors.InputError.exit_code
    assert sentence.startswith("livertumor: ") and name.split(".")[0] in sentence and words in sentence
    assert sorted(path.name for path in (work / "out").iterdir()) == ["cases.csv", "mine.txt"]
    assert words in (work / "out" / "cases.csv").read_text(encoding="utf-8"), "the table says why"


def test_a_model_of_a_newer_schema(work, capsys):
    _save(work / "a.nii.gz", _body())
    manifest = work.parent / "models" / "liver-tumor" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"schema": 99}))
    code, sentence = _refusal(capsys, "segment", "a.nii.gz")
    assert code == errors.ModelError.exit_code and "newer than this software knows" in sentence
    assert not (work / "out").exists()


def test_exit_codes_are_distinct():
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.LiverTumorError)
    ]
    codes = [kind.exit_code for kind in kinds if "exit_code" in vars(kind)]  # others are a kind of an error with a code
    assert len(set(codes)) == len(codes) and 0 not in codes
