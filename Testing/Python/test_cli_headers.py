"""Files with wrong headers, values or names on the command line, many in one run: what can be is read, and each gets
its words."""

import csv
import gzip
import json
import os
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK as sitk
from cli_tools import AFFINE, run, work, write_ct  # noqa: F401
from header_files import nrrd
from LiverTumorLib.errors import SomeCasesFailed
from LiverTumorLib.files import read_labels
from test_cli_bad_input import _body, _save


def _changed(source: str, target: str, place: int, value: bytes) -> None:
    """Write other bytes into a packed file, and the result unpacked."""
    content = bytearray(gzip.decompress(Path(source).read_bytes()))
    content[place : place + len(value)] = value
    Path(target).write_bytes(content)


def _notes(name: str) -> list[str]:
    return json.loads(Path(f"out/{name}/summary.json").read_text(encoding="utf-8"))["case"]["summary"]["notes"]


def test_what_can_be_read_gives_the_result_of_the_clean_file(work):  # noqa: F811
    expected = write_ct("ct.nii.gz")
    image = nibabel.load("ct.nii.gz")
    image.set_qform(AFFINE, 1)
    nibabel.save(image, "with-qform.nii.gz")
    directions = AFFINE[:3].copy()
    directions[:, :3] /= np.linalg.norm(directions[:, :3], axis=0)
    _changed("ct.nii.gz", "offset.nii", 108, bytes(4))
    _changed("ct.nii.gz", "directions.nii", 280, directions.astype("<f4").tobytes())
    _changed("with-qform.nii.gz", "sformless.nii", 280, bytes(48))
    _changed("ct.nii.gz", "unpacked.nii.gz", 0, b"")
    clean = sitk.ReadImage("ct.nii.gz")
    axes = np.reshape(clean.GetDirection(), (3, 3)) * clean.GetSpacing()
    nrrd(Path("bzip2.nrrd"), sitk.GetArrayFromImage(clean), axes, clean.GetOrigin(), encoding="bzip2")
    sheared = AFFINE.copy()
    sheared[1, 2] = 0.9
    tilted = nibabel.Nifti1Image(np.asarray(image.dataobj), sheared)
    nibabel.save(tilted, "tilted.nii.gz")
    told = {
        "offset.nii": "impossible data offset",
        "directions.nii": "no voxel size",
        "sformless.nii": "sform of the file is unusable",
        "unpacked.nii.gz": "is not compressed",
        "bzip2.nrrd": "",
        "tilted.nii.gz": "no right angles",
    }
    run("segment", *told, "--out", "out", "--nifti")
    for file, words in told.items():
        name = file.split(".")[0]
        opened = sitk.GetArrayFromImage(sitk.ReadImage(f"out/{name}/{name}.labels.nii.gz"))
        assert np.array_equal(np.bincount(opened.ravel())[1:], np.bincount(expected.ravel())[1:])
        labels, matrix = read_labels(f"out/{name}/{name}.seg.nrrd")
        assert np.array_equal(labels, expected) and np.allclose(
            matrix, sheared if name == "tilted" else AFFINE, atol=1e-4
        )
        assert not words or any(words in note for note in _notes(name)), _notes(name)


def _offset(path):
    _save(path, np.maximum(_noisy(40) + 1024, 0))


def _wrapped(path):
    _save(path, _noisy(40).astype(np.uint16))


def _noisy(depth: int) -> np.ndarray:
    """A body of fat and soft tissue, large enough for its values to be judged."""
    array = _body((depth, 32, 40))
    array[:, 8:-8, 8:-8] += np.random.default_rng(3).normal(0, 20, array[:, 8:-8, 8:-8].shape).astype(np.int16)
    array[:, 4:8, 4:-4] -= 160
    return array


def _two_sizes(path):
    _save(path, _body())
    image = bytearray(gzip.decompress(path.read_bytes()))
    image[80:92] = np.array([2, 2, 6], "<f4").tobytes()
    path.write_bytes(gzip.compress(image))


def _short(path):
    data = _body().tobytes()[:-100]
    path.write_bytes(
        b"NDims = 3\nDimSize = 40 32 8\nElementType = MET_SHORT\nElementSpacing = 1 1 3\nElementDataFile = LOCAL\n"
        + data
    )


def _archive(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ct.nii", _body().tobytes())


def _bomb(path):
    header = (
        b"NRRD0004\ntype: int16\ndimension: 3\nsizes: 512 512 2048\nspacings: 1 1 1\nendian: little\nencoding: gzip\n\n"
    )
    path.write_bytes(header + gzip.compress(bytes(1 << 24)) * 64)


def _pattern(path):
    path.write_bytes(
        b"NDims = 3\nDimSize = 40 32 8\nElementType = MET_SHORT\nElementSpacing = 1 1 3\nElementDataFile = %s%n\n"
    )


REFUSED = {
    "offset.nii.gz": (_offset, "an offset of 10"),
    "wrapped.nii.gz": (_wrapped, "subtract 65536"),
    "sizes.nii.gz": (_two_sizes, "gives two voxel sizes"),
    "short.mha": (_short, "is incomplete"),
    "archive.nii": (_archive, "is an archive (zip); unpack it"),
    "bomb.nrrd": (_bomb, "which no scan fits in"),
    **({"pipe.nii": (os.mkfifo, "is a pipe, not a file")} if hasattr(os, "mkfifo") else {}),
    "pattern.mhd": (_pattern, "does not exist"),
}


def test_each_bad_file_has_its_own_sentence(work):  # noqa: F811
    for name, (make, _) in REFUSED.items():
        make(Path(name))
    done = run("segment", *REFUSED, "--out", "out", "--nifti", check=SomeCasesFailed.exit_code)
    with open("out/cases.csv", newline="", encoding="utf-8") as file:
        reasons = {Path(row["input"]).name: row["reason"] for row in csv.DictReader(file)}
    for name, (_, words) in REFUSED.items():
        assert words in reasons[name] and "\n" not in reasons[name] and words in done.stderr
