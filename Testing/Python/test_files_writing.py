"""Results out: every file is whole or not there, an old one stays until the new one is complete, and the values are
exact."""

import csv
import gzip
import json
import os
import shutil
import subprocess
import sys

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from LiverTumorLib.atomic import atomic_path
from LiverTumorLib.batch.folder import write_volume
from LiverTumorLib.errors import OutputError
from LiverTumorLib.files import inflate, read_labels, write_json, write_label_nifti, write_segmentation, write_table
from LiverTumorLib.files.tables import lesion_rows, slice_rows, summary_row
from LiverTumorLib.files.upright import upright
from LiverTumorLib.records.columns import LESION_COLUMNS, SUMMARY_COLUMNS, headers
from LiverTumorLib.records.results import CaseResult, CaseSummary, Lesion, SliceRecord
from LiverTumorLib.records.segments import SEGMENTS

OBLIQUE = np.array([[-0.68, 0.12, 0.3, 101.5], [-0.1, -0.7, 0.2, -33.25], [0.1, 0.15, 2.4, -804.5], [0, 0, 0, 1]])
SHEARED = np.array([[-0.8, 0, 0, 100], [0, -0.8, 0.9, 90], [0, 0, 3, -50], [0, 0, 0, 1]])
RIGID = np.eye(4)
RIGID[:3, :3], RIGID[:3, 3] = np.linalg.qr(OBLIQUE[:3, :3])[0] * (0.7, 0.8, 2.5), (10, 20, -30)
LABELS = np.random.default_rng(5).integers(0, 3, (25, 31, 40)).astype(np.uint8)
WRITERS = {
    "a.seg.nrrd": lambda path: write_segmentation(path, LABELS, OBLIQUE),
    "a.nii.gz": lambda path: write_label_nifti(path, LABELS, OBLIQUE),
    "a.nii": lambda path: write_label_nifti(path, LABELS, OBLIQUE),
    "a.csv": lambda path: write_table(path, [{"volume (ml)": n / 3} for n in range(2000)]),
    "a.json": lambda path: write_json(path, list(range(4000))),
}


@pytest.mark.parametrize("packer", ["isal.isal_zlib", "zlib"])
def test_labels_are_packed_the_same_way_each_time(tmp_path, monkeypatch, packer):
    monkeypatch.setattr(inflate, "inflater", pytest.importorskip(packer, reason="isal is not installed"))
    packed = inflate.gzipped_labels(LABELS)
    assert gzip.decompress(packed) == LABELS.tobytes() and packed == inflate.gzipped_labels(LABELS)


@pytest.mark.parametrize("grid", [RIGID, OBLIQUE, SHEARED], ids=["rigid", "oblique", "sheared"])
@pytest.mark.parametrize("name", ["a.seg.nrrd", "Больной 1.nii.gz", "a b.nii"])
def test_labels_return_exactly_on_their_grid(tmp_path, name, grid):
    path = tmp_path / "new folder" / name
    (write_segmentation if name.endswith("nrrd") else write_label_nifti)(path, LABELS, grid)
    labels, matrix = read_labels(path)
    expected = (LABELS, grid) if name.endswith("nrrd") else upright(LABELS, grid)
    assert np.array_equal(labels, expected[0]) and np.allclose(matrix, expected[1], atol=1e-5)
    assert grid is not RIGID or np.array_equal(labels, LABELS)


grids = st.builds(
    lambda axes, flips, sizes, shears, origin: _grid(axes, flips, sizes, shears, origin),
    st.permutations(range(3)),
    st.tuples(*[st.sampled_from([1, -1])] * 3),
    st.tuples(*[st.sampled_from([0.5, 0.8, 3.0])] * 3),
    st.tuples(*[st.sampled_from([0, 0, 1e-5, 2e-4, 0.02, 0.3, -0.45])] * 3),
    st.tuples(*[st.floats(-900, 900)] * 3),
)


def _grid(axes, flips, sizes, shears, origin) -> np.ndarray:
    """A grid turned, flipped and sheared; `shears` of the second axis along the first, the third along the first and
    the second."""
    matrix = np.eye(4)
    shear = np.array([[1, shears[0], shears[1]], [0, 1, shears[2]], [0, 0, 1]])
    turn = np.linalg.qr(OBLIQUE[:3, :3])[0] @ np.eye(3)[:, axes] * flips
    matrix[:3, :3], matrix[:3, 3] = turn @ shear * sizes, origin
    return matrix


@settings(max_examples=40, deadline=None)
@given(grids)
def test_all_that_is_written_opens_in_itk_and_lies_at_its_place(tmp_path_factory, grid):
    """Gantry tilt, flipped and turned grids: no voxel is lost, and each lies within half a voxel of where it was."""
    # Of its own: for "a.nii.gz" ITK would take the voxels of an "a.nii" beside it.
    folder = tmp_path_factory.mktemp("written")
    labels = LABELS[:9, :8, :7]
    write_segmentation(folder / "a.seg.nrrd", labels, grid)
    write_label_nifti(folder / "a.nii.gz", labels, grid)
    write_volume(folder / "p.nii.gz", labels.astype(np.float32), grid)
    for name in ("a.seg.nrrd", "a.nii.gz", "p.nii.gz"):
        image = sitk.ReadImage(str(folder / name))
        array = sitk.GetArrayFromImage(image)
        assert np.array_equal(np.bincount(array.astype(int).ravel())[1:], np.bincount(labels.ravel())[1:])
        assert abs(np.prod(image.GetSpacing()) / abs(np.linalg.det(grid[:3, :3])) - 1) < 1e-4 or name == "a.seg.nrrd"
        for k, j, i in np.argwhere(labels)[::7]:
            place = grid @ (i, j, k, 1)
            index = np.array(image.TransformPhysicalPointToContinuousIndex((place[:3] * (-1, -1, 1)).tolist()))
            # A half goes either way.
            near = [np.unique(np.rint([value - 1e-2, value + 1e-2])).astype(int) for value in index]
            x, y, z = (np.clip(places, 0, size - 1) for places, size in zip(near, image.GetSize(), strict=True))
            assert labels[k, j, i] in array[np.ix_(z, y, x)]


def test_a_shear_of_no_scanner_does_not_take_the_memory():
    grid = np.eye(4)
    grid[0, 2] = 1e5
    assert upright(LABELS, grid)[0] is LABELS


def test_a_view_in_any_memory_order_is_written_right(tmp_path):
    view = np.asfortranarray(LABELS)[::-1, :, ::-1]
    write_segmentation(tmp_path / "a.seg.nrrd", view, OBLIQUE)
    write_label_nifti(tmp_path / "a.nii.gz", view, RIGID)
    assert np.array_equal(read_labels(tmp_path / "a.seg.nrrd")[0], view)
    assert np.array_equal(read_labels(tmp_path / "a.nii.gz")[0], view)


def test_the_segmentation_names_its_segments(tmp_path):
    write_segmentation(tmp_path / "a.seg.nrrd", LABELS, OBLIQUE)
    image = sitk.ReadImage(str(tmp_path / "a.seg.nrrd"))
    assert image.GetMetaData("Segmentation_MasterRepresentation") == "Binary labelmap"
    assert image.GetMetaData("Segmentation_ReferenceImageExtentOffset") == "0 0 0"
    for number, (name, label, rgb, code) in enumerate(
        (("Liver", 1, (221, 130, 101), "10200004^Liver"), ("Lesion", 2, (255, 200, 50), "4147007^Mass"))
    ):
        field = {
            key: image.GetMetaData(f"Segment{number}_{key}")
            for key in ("Name", "ID", "Color", "LabelValue", "Layer", "Extent", "Tags")
        }
        assert field["Name"] == field["ID"] == name == SEGMENTS[number].name
        assert np.allclose(np.array(field["Color"].split(), float) * 255, rgb, atol=0.01)
        assert (field["LabelValue"], field["Layer"], field["Extent"]) == (str(label), "0", "0 39 0 30 0 24")
        assert field["Tags"].startswith("TerminologyEntry:") and f"SCT^{code}~" in field["Tags"]
    assert b"space: left-posterior-superior" in (tmp_path / "a.seg.nrrd").read_bytes()[:400]


def test_nifti_and_segmentation_lie_at_the_same_place_in_other_programs(tmp_path):
    rigid = np.eye(4)
    rigid[:3, :3] = np.linalg.qr(OBLIQUE[:3, :3])[0] * (0.7, 0.8, 2.5)
    rigid[:3, 3] = 10, 20, -30
    write_segmentation(tmp_path / "a.seg.nrrd", LABELS, rigid)
    write_label_nifti(tmp_path / "a.nii.gz", LABELS, rigid)
    nrrd, nifti = sitk.ReadImage(str(tmp_path / "a.seg.nrrd")), sitk.ReadImage(str(tmp_path / "a.nii.gz"))
    corner = [39, 30, 24]
    ras = rigid @ [*corner, 1]
    for image in (nrrd, nifti):
        assert np.allclose(np.array(image.TransformIndexToPhysicalPoint(corner)) * (-1, -1, 1), ras[:3], atol=1e-4)
    header = nibabel.load(tmp_path / "a.nii.gz").header
    assert header.get_data_dtype() == np.uint8 and header.get_xyzt_units()[0] == "mm"
    assert header["qform_code"] == header["sform_code"] == 1


@pytest.mark.parametrize("name", WRITERS)
def test_an_existing_file_is_replaced_and_nothing_else_left(tmp_path, name):
    (tmp_path / name).write_bytes(b"old")
    WRITERS[name](tmp_path / name)
    assert os.listdir(tmp_path) == [name] and (tmp_path / name).stat().st_size > 100


def test_a_failure_half_way_leaves_the_old_file(tmp_path):
    target = tmp_path / "a.nii.gz"
    target.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), atomic_path(target) as temporary:
        assert temporary.parent == tmp_path and temporary.name.endswith(".nii.gz")
        temporary.write_bytes(b"new")
        raise ZeroDivisionError
    assert target.read_bytes() == b"old" and os.listdir(tmp_path) == ["a.nii.gz"]


@pytest.mark.parametrize("name", WRITERS)
def test_unwritable_places_give_a_sentence(tmp_path, name):
    (tmp_path / "file").write_text("x")
    (tmp_path / name).mkdir()
    for path, word in ((tmp_path / "file" / name, "file"), (tmp_path / name, "folder")):
        with pytest.raises(OutputError, match=word) as caught:
            WRITERS[name](path)
        assert str(path) in str(caught.value) and str(caught.value).endswith(".") and "\n" not in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == sorted(["file", name])


_LIMITED = """
import os, resource, signal, sys
sys.path.insert(0, os.path.dirname({tests!r}))
from pathlib import Path
from LiverTumorLib.errors import OutputError
from test_files_writing import WRITERS
{limit}
try:
    WRITERS[{name!r}](Path({path!r}))
except OutputError as error:
    print(error)
"""


def _run_limited(limit: str, path) -> str:
    """Write in a process of its own under a limit; what OutputError said."""
    script = _LIMITED.format(tests=__file__, limit=limit, name=path.name, path=str(path))
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_gives_a_sentence_and_loses_nothing(tmp_path, name):
    (tmp_path / name).write_bytes(b"old")
    limit = "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))"
    message = _run_limited(limit, tmp_path / name)
    assert str(tmp_path / name) in message and "no space" in message
    assert os.listdir(tmp_path) == [name] and (tmp_path / name).read_bytes() == b"old"


@pytest.mark.skipif(
    not shutil.which("mount") or not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="needs root to mount a small disk",
)
def test_a_really_full_disk_gives_a_sentence(tmp_path):
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(tmp_path)], capture_output=True
    ).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        for name in WRITERS:
            with pytest.raises(OutputError, match="no space"):
                WRITERS[name](tmp_path / name)
            assert os.listdir(tmp_path) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="file permissions of POSIX")
@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_without_permission_gives_a_sentence(tmp_path, name):
    if os.geteuid() == 0:
        place = tmp_path / "closed"
        place.mkdir()
        for folder in (place, *list(place.parents)[:3]):
            folder.chmod(0o755)
        message = _run_limited("os.setuid(65534)", place / name)
    else:
        place = tmp_path / "closed"
        place.mkdir(mode=0o555)
        message = _run_limited("", place / name)
    assert "no permission" in message and str(place / name) in message
    assert os.listdir(place) == []


def _result(lesions: int) -> CaseResult:
    found = [
        Lesion(n + 1, 1.25, 15.0, 11.5, 40, 62.125, 9.0, (-31.0, 12.5, -880.25), 38, 43, float("nan"), 0.75)
        for n in range(lesions)
    ]
    summary = CaseSummary(1500.0, 1.25, 0.083, lesions, 15.0, [40, 41], ["Slice 3 was missing; it was interpolated."])
    return CaseResult(
        "Случай 1",
        summary,
        found,
        [SliceRecord(0, -900.0, "no liver", 0.0), SliceRecord(1, -897.5, "liver", 0.5, 120.0, 0.0)],
    )


def _table(path) -> list[dict]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_tables_say_their_units(tmp_path):
    result = _result(2)
    write_table(tmp_path / "lesions.csv", lesion_rows(result))
    row = _table(tmp_path / "lesions.csv")[1]
    assert row["lesion"] == "2" and float(row["volume (ml)"]) == 1.25 and float(row["centroid S (mm)"]) == -880.25
    assert float(row["mean (HU)"]) == 62.125 and row["distance to liver surface (mm)"] == ""  # NaN
    write_table(tmp_path / "slices.csv", slice_rows(result))
    rows = _table(tmp_path / "slices.csv")
    assert [float(row["S (mm)"]) for row in rows] == [-900, -897.5] and rows[0]["liver area (mm2)"] == ""
    write_table(tmp_path / "cases.csv", [summary_row(result)])
    row = _table(tmp_path / "cases.csv")[0]
    assert row["case"] == "Случай 1" and float(row["liver volume incl. tumor (ml)"]) == 1500
    assert row["most suspicious slices (axial index)"] == "40; 41" and list(row) == headers(SUMMARY_COLUMNS)


def test_a_table_without_rows_keeps_its_header(tmp_path):
    write_table(tmp_path / "lesions.csv", lesion_rows(_result(0)), headers(LESION_COLUMNS))
    assert (tmp_path / "lesions.csv").read_text(encoding="utf-8").startswith("lesion,volume (ml),")


def test_json_holds_plain_values_and_no_nan(tmp_path):
    data = {
        "nan": float("nan"),
        "inf": np.float32("inf"),
        "n": np.int64(3),
        "a": np.array([1.5, np.nan]),
        "name": "Печень",
        "path": tmp_path,
    }
    write_json(tmp_path / "a.json", data)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert "NaN" not in text and "Печень" in text
    assert json.loads(text) == {
        "nan": None,
        "inf": None,
        "n": 3,
        "a": [1.5, None],
        "name": "Печень",
        "path": str(tmp_path),
    }


def test_a_result_survives_the_trip_through_json(tmp_path):
    result = _result(1)
    result.lesions[0].distance_to_surface_mm = 4.0
    write_json(tmp_path / "a.json", result.to_dict())
    assert CaseResult.from_dict(json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))) == result
