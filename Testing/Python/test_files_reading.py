"""NIfTI, NRRD and MetaImage in: any type, any order of bytes, any grid; and a clear sentence for what cannot be
read."""

import os
import tempfile
import tracemalloc
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from LiverTumorLib.errors import InputError
from LiverTumorLib.files import read_ct, read_labels
from LiverTumorLib.files.units import spread_sample

OBLIQUE = np.array([[-0.68, 0.12, 0.3, 101.5], [-0.1, -0.7, 0.2, -33.25], [0.1, 0.15, 2.4, -804.5], [0, 0, 0, 1]])


def ct_values(shape=(6, 20, 24)) -> np.ndarray:
    """Whole HU as in a small body: air around, fat, soft tissue, a bone."""
    array = np.full(shape, -1000, np.int16)
    array[:, 4:16, 4:20] = -90
    array[:, 6:14, 6:18] = 55
    array[:, 8:10, 8:10] = 700
    return array + np.random.default_rng(3).integers(-20, 20, shape).astype(np.int16)


def save_nifti(path: Path, stored: np.ndarray, affine=OBLIQUE, slope=None, intercept=None) -> Path:
    """Write a (k, j, i) array as it is, with the header saying slope and intercept."""
    image = nibabel.Nifti1Image(stored.T, affine)
    image.header.set_slope_inter(slope, intercept)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<i4", "<f4", "<f8", ">f8"])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_nifti_of_any_type_gives_whole_hu_on_its_grid(tmp_path, dtype, ending):
    expected = ct_values()
    volume = read_ct(save_nifti(tmp_path / f"Иванов и сын{ending}", expected.astype(dtype)))
    assert volume.array.dtype == np.int16 and volume.array.dtype.isnative
    assert np.array_equal(volume.array, expected)
    assert np.allclose(volume.ijk_to_ras, OBLIQUE, atol=1e-6)
    assert volume.name == "Иванов и сын" and volume.notes == ()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_stored_values_are_scaled(tmp_path, dtype):
    expected = (ct_values() // 16 * 16).astype(np.int16)
    stored = ((expected.astype(int) + 1040) // 16).astype(dtype)
    volume = read_ct(save_nifti(tmp_path / "a.nii.gz", stored, slope=16, intercept=-1040))
    assert volume.array.dtype == np.int16
    assert np.array_equal(volume.array, expected)


def test_fractions_of_a_hounsfield_unit_are_kept_as_float32(tmp_path):
    expected = ct_values() + 0.25
    volume = read_ct(save_nifti(tmp_path / "a.nii", expected.astype(np.float64)))
    assert volume.array.dtype == np.float32
    assert np.array_equal(volume.array, expected.astype(np.float32))


def test_values_beyond_int16_are_not_wrapped(tmp_path):
    values = ct_values().astype(np.int32)
    values[0, 0, 0] = 70000
    volume = read_ct(save_nifti(tmp_path / "a.nii", values))
    assert volume.array.dtype == np.float32 and volume.array[0, 0, 0] == 70000


def test_geometry_comes_from_the_qform_where_there_is_no_sform(tmp_path):
    rotation = np.linalg.qr(OBLIQUE[:3, :3])[0]
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation * (0.7, 0.8, 2.5), (10, -20, 30)
    image = nibabel.Nifti1Image(ct_values().T, None)
    image.set_qform(matrix, code=1)
    nibabel.save(image, tmp_path / "a.nii")
    assert np.allclose(read_ct(tmp_path / "a.nii").ijk_to_ras, matrix, atol=1e-5)


def test_without_qform_and_sform_the_place_is_slicers_and_said(tmp_path):
    image = nibabel.Nifti1Image(ct_values().T, None)
    image.header.set_zooms((0.7, 0.8, 2.5))
    nibabel.save(image, tmp_path / "a.nii")
    volume = read_ct(tmp_path / "a.nii")
    itk = sitk.ReadImage(str(tmp_path / "a.nii"))
    corner = np.array([23, 19, 5])
    assert np.allclose(
        volume.ras(corner), np.array(itk.TransformIndexToPhysicalPoint(corner.tolist())) * (-1, -1, 1), atol=1e-4
    )
    assert "does not say how the patient lies" in volume.notes[0]


@pytest.mark.parametrize("ending", [".nrrd", ".mha", ".nhdr", ".mhd"])
def test_itk_formats_come_from_lps_to_ras(tmp_path, ending):
    expected = ct_values()
    image = sitk.GetImageFromArray(expected)
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((1.5, -2.5, 300))
    image.SetDirection((0, -1, 0, 1, 0, 0, 0, 0, 1))
    path = tmp_path / f"case 1{ending}"
    sitk.WriteImage(image, str(path))
    volume = read_ct(path)
    assert volume.array.dtype == np.int16 and np.array_equal(volume.array, expected)
    for ijk in ([0, 0, 0], [5, 0, 0], [0, 7, 0], [3, 4, 5]):
        assert np.allclose(volume.ras(np.array(ijk)), np.array(image.TransformIndexToPhysicalPoint(ijk)) * (-1, -1, 1))
    assert volume.name == "case 1"
    volume.array[0] = 0  # the caller owns the voxels


def test_the_same_volume_in_nifti_and_nrrd_lies_at_the_same_place(tmp_path):
    save_nifti(
        tmp_path / "a.nii.gz",
        ct_values(),
        np.diag([-0.7, -0.8, 2.5, 1]) + np.array([[0, 0, 0, 9.0], [0, 0, 0, 8], [0, 0, 0, 7], [0] * 4]),
    )
    sitk.WriteImage(sitk.ReadImage(str(tmp_path / "a.nii.gz")), str(tmp_path / "a.nrrd"))
    nifti, nrrd = read_ct(tmp_path / "a.nii.gz"), read_ct(tmp_path / "a.nrrd")
    assert np.allclose(nifti.ijk_to_ras, nrrd.ijk_to_ras, atol=1e-5) and np.array_equal(nifti.array, nrrd.array)


def test_a_series_of_one_frame_is_taken(tmp_path):
    nibabel.save(nibabel.Nifti1Image(ct_values().T[..., None], OBLIQUE), tmp_path / "a.nii")
    volume = read_ct(tmp_path / "a.nii")
    assert np.array_equal(volume.array, ct_values()) and "one frame" in volume.notes[0]


@pytest.mark.parametrize("thickness", [0.3, 10.0])
@pytest.mark.parametrize("slices", [1, 1500])
def test_few_and_many_thin_and_thick_slices(tmp_path, thickness, slices):
    expected = np.tile(ct_values((1, 20, 24)), (slices, 1, 1))
    volume = read_ct(save_nifti(tmp_path / "a.nii.gz", expected, np.diag([-0.7, -0.7, thickness, 1])))
    assert volume.shape == (slices, 20, 24) and np.array_equal(volume.array, expected)
    assert volume.spacing[2] == pytest.approx(thickness)


def test_a_scaled_volume_takes_no_more_memory_than_the_result_needs(tmp_path):
    stored = (np.tile(ct_values((1, 128, 128)), (300, 1, 1)).astype(int) + 1024).astype(np.uint16)
    path = save_nifti(tmp_path / "a.nii.gz", stored, np.diag([-0.7, -0.7, 1, 1]), slope=1, intercept=-1024)
    tracemalloc.start()
    volume = read_ct(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert volume.array.dtype == np.int16
    assert peak < 2.5 * volume.array.nbytes  # float64 alone would be 4


def refusal(path, *words: str) -> str:
    """The one sentence with which a path is refused; it must hold the words, and say nothing else."""
    with pytest.raises(InputError) as caught:
        read_ct(path)
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".")
    for word in words:
        assert word in message, message
    return message


def test_missing_empty_and_foreign_files_are_refused(tmp_path):
    refusal(tmp_path / "none.nii.gz", "none.nii.gz", "does not exist")
    for name in ("a.nii.gz", "a.nii", "a.nrrd", "a.mha", "a.dcm"):
        (tmp_path / name).touch()
        refusal(tmp_path / name, name, "empty")
    for name in ("b.nii.gz", "b.nii", "b.nrrd", "b.mha", "b.txt", "b"):
        (tmp_path / name).write_bytes(b"this is not an image " * 100)
        refusal(tmp_path / name, name)
    (tmp_path / "folder").mkdir()
    refusal(tmp_path / "folder", "folder", "holds no files")


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("part", [0.02, 0.5, 0.97])
def test_truncated_files_are_refused(tmp_path, ending, part):
    path = tmp_path / f"a{ending}"
    sitk.WriteImage(sitk.GetImageFromArray(ct_values((12, 64, 64))), str(path), useCompression=ending == ".nrrd")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    refusal(path, path.name, "copy or export it again")


@pytest.mark.parametrize("ending", [".nii.gz", ".mha", ".nrrd"])
def test_a_damaged_compressed_file_is_refused(tmp_path, ending):
    """Wherever the damage is: one bit of the compressed voxels, and one of the checksum behind them."""
    good = tmp_path / f"ct{ending}"
    if ending == ".nii.gz":
        save_nifti(good, ct_values())
    else:
        sitk.WriteImage(sitk.GetImageFromArray(ct_values()), str(good), useCompression=True)
    content = good.read_bytes()
    read_ct(good)
    for place in (len(content) // 2, len(content) * 3 // 4, len(content) - 6):
        spoilt = bytearray(content)
        spoilt[place] ^= 4
        good.write_bytes(spoilt)
        with pytest.raises(InputError, match="is damaged"):
            read_ct(good)


def test_a_file_that_does_not_give_its_voxels_size_is_refused(tmp_path):
    nifti = bytearray(save_nifti(tmp_path / "ct.nii", ct_values()).read_bytes())
    nifti[254:256], nifti[88:92] = b"\0\0", b"\0\0\0\0"  # no sform, and no size of the third axis
    sitk.WriteImage(sitk.GetImageFromArray(ct_values()), str(tmp_path / "ct.mha"))
    mha = (tmp_path / "ct.mha").read_bytes().replace(b"ElementSpacing = 1 1 1\n", b"")
    sitk.WriteImage(sitk.GetImageFromArray(ct_values()), str(tmp_path / "ct.nrrd"))
    nrrd = (
        (tmp_path / "ct.nrrd")
        .read_bytes()
        .replace(b"space directions: (1,0,0) (0,1,0) (0,0,1)\n", b"spacings: 1 nan 1\n")
    )
    for name, content in (("a.nii", nifti), ("b.mha", mha), ("c.nrrd", nrrd)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name} (does not say how large its voxels are|cannot be read)"):
            read_ct(tmp_path / name)


def test_a_nrrd_that_does_not_say_how_the_patient_lies_is_noted(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(ct_values()), str(tmp_path / "ct.nrrd"))
    content = (tmp_path / "ct.nrrd").read_bytes()
    start, end = content.index(b"space: left"), content.index(b"\n", content.index(b"space: left")) + 1
    (tmp_path / "ct.nrrd").write_bytes(content[:start] + b"space dimension: 3\n" + content[end:])
    assert read_ct(tmp_path / "ct.nrrd").notes == ()
    plain = content.replace(content[start:end], b"").replace(
        b"space directions: (1,0,0) (0,1,0) (0,0,1)\n", b"spacings: 1 1 1\n"
    )
    plain = plain.replace(b"space origin: (0,0,0)\n", b"")
    (tmp_path / "ct.nrrd").write_bytes(plain)
    [note] = read_ct(tmp_path / "ct.nrrd").notes
    assert "does not say how the patient lies" in note


def test_values_that_no_scanner_gives_are_refused(tmp_path):
    with pytest.raises(InputError, match="which no CT has"):
        read_ct(save_nifti(tmp_path / "ct.nii", ct_values().astype(np.float32) * 1e30))


def test_air_around_the_scan_does_not_hide_what_it_is(tmp_path):
    """Rows as long as the distance between the values that are looked at: all columns must be seen."""
    array = np.full((130, 64, 64), -1024.0, np.float32)
    array[:, :, 8:56] = np.random.default_rng(0).normal(40, 20, (130, 64, 48))
    assert set(spread_sample(array)[:100]) - {np.float32(-1024)}
    wide = np.broadcast_to(array[:1, :1], (500, 1000, 64))
    assert np.mean(spread_sample(wide) == -1024) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("ending", [".nrrd", ".mha", ".nii.gz", ".nii"])
def test_a_name_of_an_old_archive_is_no_obstacle(tmp_path, ending):
    """Letters that are not UTF-8, as unpacking an old archive leaves them."""
    path = tmp_path / os.fsdecode(b"M\xfcller" + ending.encode())
    sitk.WriteImage(sitk.GetImageFromArray(ct_values()), str(tmp_path / f"ct{ending}"))
    (tmp_path / f"ct{ending}").rename(path)
    assert np.array_equal(read_ct(path).array, ct_values())


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd"])
def test_wrong_dimensions_are_refused(tmp_path, ending):
    flat = tmp_path / f"flat{ending}"
    sitk.WriteImage(sitk.GetImageFromArray(ct_values()[0]), str(flat))
    refusal(flat, "2-D")
    series = tmp_path / f"series{ending}"
    sitk.WriteImage(sitk.JoinSeries([sitk.GetImageFromArray(ct_values())] * 3), str(series))
    refusal(series, "3 volumes", "series")


@pytest.mark.parametrize("ending", [".nii", ".nrrd", ".mha"])
def test_color_is_refused(tmp_path, ending):
    color = sitk.GetImageFromArray(np.zeros((4, 8, 8, 3), np.uint8) + 7, isVector=True)
    sitk.WriteImage(color, str(tmp_path / f"a{ending}"))
    refusal(tmp_path / f"a{ending}", "color")


@pytest.mark.parametrize(
    "matrix", [np.zeros((3, 3)), np.diag([1.0, 1.0, 0.0]), np.diag([1.0, np.nan, 1.0])], ids=["zero", "singular", "nan"]
)
def test_an_affine_without_meaning_is_refused(tmp_path, matrix):
    image = nibabel.Nifti1Image(ct_values().T, np.eye(4))
    image.header["srow_x"][:3], image.header["srow_y"][:3], image.header["srow_z"][:3] = matrix
    image.header["sform_code"] = 1
    with open(tmp_path / "a.nii", "wb") as file:
        header = image.header.copy()
        header["vox_offset"], header["magic"] = 352, b"n+1"
        file.write(header.binaryblock + bytes(4) + ct_values().astype("<i2").tobytes())
    refusal(tmp_path / "a.nii", "affine")


def test_meters_for_millimeters_are_refused(tmp_path):
    refusal(save_nifti(tmp_path / "a.nii", ct_values(), np.diag([-0.0007, -0.0007, 0.0025, 1])), "millimeters")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="file permissions of POSIX")
def test_a_file_without_permission_is_refused():
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to the other user below
        os.chmod(folder, 0o755)
        path = save_nifti(Path(folder) / "a.nii", ct_values())
        path.chmod(0)
        (Path(folder) / "closed").mkdir(mode=0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)  # root may read everything
        try:
            refusal(path, "permission")
            refusal(Path(folder) / "closed", "permission")
        finally:
            if root:
                os.seteuid(0)


def test_labels_are_read_from_nifti_and_nrrd(tmp_path):
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1:3, 2:4, 2:5] = 1
    labels[2, 3, 3] = 2
    save_nifti(tmp_path / "a.nii.gz", labels.astype(np.float64))
    array, matrix = read_labels(tmp_path / "a.nii.gz")
    assert array.dtype == np.uint8 and np.array_equal(array, labels) and np.allclose(matrix, OBLIQUE, atol=1e-6)
    sitk.WriteImage(sitk.GetImageFromArray(labels.astype(np.int16)), str(tmp_path / "a.nrrd"))
    array, matrix = read_labels(tmp_path / "a.nrrd")
    assert array.dtype == np.uint8 and np.array_equal(array, labels) and np.allclose(matrix, np.diag([-1, -1, 1, 1]))


@pytest.mark.parametrize("value", [-3, 0.5, 700, np.nan])
def test_what_is_no_label_volume_is_refused_as_one(tmp_path, value):
    array = np.zeros((4, 5, 6), np.float32)
    array[2, 2, 2] = value
    with pytest.raises(InputError, match="not a label volume"):
        read_labels(save_nifti(tmp_path / "a.nii.gz", array))
