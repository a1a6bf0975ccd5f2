"""DICOM in: one series chosen clearly, its slices in order at the right place; a stated repair or a clear refusal
otherwise."""

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_writer import pack_as_jpeg, write_series, write_slice
from LiverTumorLib.errors import InputError, UsageError
from LiverTumorLib.files import read_ct
from pydicom.uid import EnhancedCTImageStorage, JPEGLosslessSV1, RLELossless, SecondaryCaptureImageStorage, generate_uid
from test_files_reading import ct_values, refusal

HU = ct_values((8, 20, 24))


def test_a_folder_gives_hu_in_order_at_its_place(tmp_path):
    write_series(tmp_path / "Больной №1 (КТ)", HU)
    volume = read_ct(tmp_path / "Больной №1 (КТ)")
    assert volume.array.dtype == np.int16 and np.array_equal(volume.array, HU)
    expected = np.array([[-0.7, 0, 0, 100], [0, -0.8, 0, 90], [0, 0, 2.5, -300], [0, 0, 0, 1]])
    assert np.allclose(volume.ijk_to_ras, expected)
    assert volume.name == "Больной №1 (КТ)" and volume.notes == ()


def test_the_place_agrees_with_simpleitk(tmp_path):
    orientation = np.linalg.qr(np.array([[1, 0.1, 0], [0.05, 1, 0.2], [0.1, 0, 1]]))[0] * (-1, -1, 1)
    normal = np.cross(orientation[:, 0], orientation[:, 1])
    write_series(
        tmp_path, HU, step=normal * 3.0, ImageOrientationPatient=orientation[:, :2].T.ravel().round(6).tolist()
    )
    volume = read_ct(tmp_path)
    image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path)))
    assert np.array_equal(sitk.GetArrayFromImage(image), volume.array)
    for ijk in ([0, 0, 0], [20, 3, 0], [2, 19, 7]):
        assert np.allclose(
            volume.ras(np.array(ijk)), np.array(image.TransformIndexToPhysicalPoint(ijk)) * (-1, -1, 1), atol=0.01
        )


def test_one_file_stands_for_its_series(tmp_path):
    files = write_series(tmp_path, HU)
    write_series(tmp_path, ct_values((12, 20, 24)))
    assert np.array_equal(read_ct(files[3]).array, HU)


def test_sub_folders_foreign_files_and_reports_do_not_disturb(tmp_path):
    write_series(tmp_path / "DICOM" / "ST1" / "SE1", HU)
    (tmp_path / "README.txt").write_text("burnt with love")
    (tmp_path / "Thumbs.db").write_bytes(bytes(300))
    (tmp_path / "empty").touch()
    report = dict(Modality="SR", Rows=None, Columns=None, PixelData=None, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.67")
    write_slice(tmp_path / "dose", HU[0], (0, 0, 0), SeriesInstanceUID=generate_uid(), **report)
    volume = read_ct(tmp_path)
    assert np.array_equal(volume.array, HU)
    assert volume.notes == ("3 files that are not DICOM were passed over.",)


def test_the_axial_series_with_the_most_slices_is_taken_and_named(tmp_path):
    write_series(tmp_path, HU, SeriesDescription="Portal venous of Mr. Smith")
    write_series(tmp_path, HU[:5], SeriesNumber="3")
    write_series(
        tmp_path,
        ct_values((30, 20, 24)),
        step=(0, 2.5, 0),
        ImageOrientationPatient=[1, 0, 0, 0, 0, -1],
        SeriesNumber="4",
    )
    write_series(tmp_path, HU[:1], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], SeriesNumber="1")
    write_series(tmp_path, ct_values((40, 20, 24)), SOPClassUID=SecondaryCaptureImageStorage, ImagePositionPatient=None)
    volume = read_ct(tmp_path)
    assert np.array_equal(volume.array, HU)
    (note,) = volume.notes
    assert (
        "series number 2 (8 slices) was read" in note
        and "number 3 (5 slices)" in note
        and "number 4 (30 slices)" in note
    )
    assert "number 1" not in note and "Smith" not in note and "1.2.826" not in note


def test_a_complete_series_goes_before_a_broken_one(tmp_path):
    write_series(tmp_path, ct_values((12, 20, 24)), leave_out=(3, 4, 5), SeriesNumber="5")
    write_series(tmp_path, HU)
    volume = read_ct(tmp_path)
    assert np.array_equal(volume.array, HU)
    assert any("number 5" in note and "lacks 3 slices" in note for note in volume.notes)


def test_equally_good_series_are_refused_until_one_is_chosen(tmp_path):
    first, second = generate_uid(), generate_uid()
    write_series(tmp_path, HU, uid=first, SeriesDescription="Arterial", SeriesNumber="3")
    write_series(tmp_path, HU + 1, uid=second, SeriesDescription="Venous", SeriesNumber="4")
    sentence = refusal(
        tmp_path, "number 3 (8 slices)", "number 4 (8 slices)", "--series", "name a file of the one you want"
    )
    assert "Arterial" not in sentence
    assert np.array_equal(read_ct(next(tmp_path.glob(f"*{second}*"))).array, HU + 1), "the remedy works"
    for series in (second, "4", "Venous"):
        volume = read_ct(tmp_path, series)
        assert np.array_equal(volume.array, HU + 1) and "as asked" in volume.notes[0]
    with pytest.raises(UsageError, match="--series Portal fits none of the CT series in .*: number [34]"):
        read_ct(tmp_path, "Portal")


def test_several_patients_in_a_folder_are_refused(tmp_path):
    write_series(tmp_path, HU)
    write_series(tmp_path, HU[:4], PatientID="P2")
    refusal(tmp_path, "several patients")


def test_anonymised_files_without_uid_are_one_series_per_folder(tmp_path):
    write_series(tmp_path / "a", HU, SeriesInstanceUID="", SOPInstanceUID="")
    write_series(tmp_path / "b", HU[:4], SeriesInstanceUID="", SOPInstanceUID="")
    assert np.array_equal(read_ct(tmp_path).array, HU)


def test_a_single_missing_slice_is_interpolated_and_said(tmp_path):
    write_series(tmp_path, HU, leave_out=(3,))
    volume = read_ct(tmp_path)
    assert volume.array.dtype == np.int16 and volume.shape == HU.shape
    assert np.array_equal(np.delete(volume.array, 3, 0), np.delete(HU, 3, 0))
    assert np.abs(volume.array[3] - (HU[2].astype(float) + HU[4]) / 2).max() <= 0.5
    assert volume.spacing[2] == pytest.approx(2.5)
    missing = volume.ras([0, 0, 3])[2]
    assert volume.notes == (f"The slice at S {missing:.1f} mm was missing and was interpolated from its neighbors.",)


@pytest.mark.parametrize("gone", [(3, 4), (2, 5)], ids=["neighbors", "apart"])
def test_more_missing_slices_are_refused(tmp_path, gone):
    write_series(tmp_path, HU, leave_out=gone)
    refusal(tmp_path, "lacks 2 slices")


def test_irregular_distances_are_refused_and_rounded_positions_are_not(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    uid = generate_uid()
    for k, plane in enumerate(HU):
        write_slice(tmp_path / "a" / f"{k}.dcm", plane, (0, 0, 2.5 * k + (0.9 if k > 4 else 0)), SeriesInstanceUID=uid)
        write_slice(tmp_path / "b" / f"{k}.dcm", plane, (0, 0, round(0.625 * k, 1)), SeriesInstanceUID=uid)
    refusal(tmp_path / "a", "irregular")
    assert read_ct(tmp_path / "b").spacing[2] == pytest.approx(0.625, abs=0.01)


def test_identical_duplicates_are_dropped_and_different_ones_refused(tmp_path):
    files = write_series(tmp_path, HU)
    copied = tmp_path / "copy.dcm"
    copied.write_bytes(files[2].read_bytes())
    volume = read_ct(tmp_path)
    assert np.array_equal(volume.array, HU) and volume.notes == ("1 identical duplicate slices were dropped.",)
    dataset = pydicom.dcmread(copied)
    dataset.PixelData = bytes(len(dataset.PixelData))
    dataset.save_as(copied)
    refusal(tmp_path, "different images at the same place", "copy.dcm")


def test_gantry_tilt_is_kept_as_a_slanted_grid(tmp_path):
    tilt = np.radians(15)
    orientation = [1, 0, 0, 0, round(float(np.cos(tilt)), 6), round(float(np.sin(tilt)), 6)]
    write_series(tmp_path, HU, step=(0, 0, 3), ImageOrientationPatient=orientation)
    volume = read_ct(tmp_path)
    assert np.array_equal(volume.array, HU)
    assert np.allclose(volume.ras(np.array([0, 0, 7])), (100, 90, -300 + 21))
    assert np.allclose(
        volume.ras(np.array([0, 5, 0])), (100, 90 - 4 * np.cos(tilt), -300 + 4 * np.sin(tilt)), atol=1e-4
    )
    assert volume.voxel_ml == pytest.approx(0.7 * 0.8 * 3 * np.cos(tilt) / 1000, rel=1e-4)
    assert "tilted by 15.0 degrees" in volume.notes[0]


def test_slices_shifted_sideways_are_refused(tmp_path):
    uid = generate_uid()
    for k, plane in enumerate(HU):
        write_slice(tmp_path / f"{k}.dcm", plane, (20 * (k % 2), 0, 2.5 * k), SeriesInstanceUID=uid)
    refusal(tmp_path, "shifted sideways")


def test_mixed_orientation_and_size_are_refused(tmp_path):
    for folder, tags in (("a", {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}), ("b", {"PixelSpacing": [0.9, 0.9]})):
        uid = generate_uid()
        write_series(tmp_path / folder, HU, uid=uid)
        write_slice(tmp_path / folder / "odd.dcm", HU[0], (0, 0, 50), SeriesInstanceUID=uid, **tags)
    refusal(tmp_path / "a", "orientation", "odd.dcm")
    refusal(tmp_path / "b", "pixel spacing", "odd.dcm")


def test_a_single_slice_has_its_nominal_thickness(tmp_path):
    write_series(tmp_path, HU[:1], SliceThickness="4")
    volume = read_ct(tmp_path)
    assert volume.shape == (1, 20, 24) and volume.spacing[2] == 4 and "single slice" in volume.notes[0]


def test_other_modalities_and_pictures_are_refused(tmp_path):
    write_series(tmp_path / "mr", HU, Modality="MR", SOPClassUID="1.2.840.10008.5.1.4.1.1.4")
    refusal(tmp_path / "mr", "no CT", "MR")
    write_series(tmp_path / "scout", HU[:1], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    refusal(tmp_path / "scout", "localizers")
    write_series(tmp_path / "enhanced", HU[:1], NumberOfFrames=8, SOPClassUID=EnhancedCTImageStorage)
    refusal(tmp_path / "enhanced", "multi-frame")
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "readme").write_text("nothing here")
    refusal(tmp_path / "none", "no DICOM")


def test_slope_and_intercept_of_each_slice_count(tmp_path):
    uid = generate_uid()
    even = (HU // 2 * 2).astype(np.int16)
    for k, plane in enumerate(even):
        stored = ((plane.astype(int) + 1100) // 2).astype("<u2") if k % 2 else (plane.astype(int) + 1024).astype("<u2")
        slope, intercept = ("2", "-1100") if k % 2 else ("1", "-1024")
        tags = dict(PixelData=stored.tobytes(), RescaleSlope=slope, RescaleIntercept=intercept, SeriesInstanceUID=uid)
        write_slice(tmp_path / f"{k}.dcm", plane, (0, 0, k), **tags)
    assert np.array_equal(read_ct(tmp_path).array, even)


def test_signed_pixels(tmp_path):
    uid = generate_uid()
    for k, plane in enumerate(HU):
        tags = dict(
            PixelRepresentation=1, PixelData=plane.astype("<i2").tobytes(), RescaleIntercept="0", SeriesInstanceUID=uid
        )
        write_slice(tmp_path / f"{k}.dcm", plane, (0, 0, k), **tags)
    assert np.array_equal(read_ct(tmp_path).array, HU)


def test_a_missing_intercept_is_mended_where_the_values_show_it(tmp_path):
    write_series(tmp_path, HU, RescaleIntercept=None, RescaleSlope=None)
    volume = read_ct(tmp_path)
    assert np.array_equal(volume.array, HU)
    assert "intercept was missing" in volume.notes[0] and "1024 was subtracted" in volume.notes[0]


def test_a_wrong_rescale_is_refused(tmp_path):
    for folder, tags, word in (
        ("offset", {"RescaleIntercept": "0"}, "offset of 1024"),
        ("twice", {"RescaleIntercept": "-2048"}, "offset of -1024"),
        ("zero", {"RescaleSlope": "0"}, "impossible rescale"),
        ("map", {"RescaleType": "MGML"}, "not Hounsfield units"),
    ):
        write_series(tmp_path / folder, np.tile(HU, (6, 1, 1)), **tags)
        refusal(tmp_path / folder, word)


def test_an_intercept_in_some_slices_only_is_refused(tmp_path):
    uid = generate_uid()
    write_series(tmp_path, HU, uid=uid)
    write_slice(tmp_path / "odd.dcm", HU[0], (-100, -90, -300 + 2.5 * 8), SeriesInstanceUID=uid, RescaleIntercept=None)
    refusal(tmp_path, "some slices only")


def test_a_damaged_slice_is_named(tmp_path):
    files = write_series(tmp_path, HU)
    files[4].write_bytes(files[4].read_bytes()[:-300])
    refusal(tmp_path, files[4].name, "damaged or incomplete")


def test_a_damaged_header_is_named(tmp_path):
    uid = generate_uid()
    write_series(tmp_path, HU, uid=uid)
    write_slice(tmp_path / "odd.dcm", HU[0], (-100, -90, -280), SeriesInstanceUID=uid, PixelSpacing=[0.8, 0.8, 0.8])
    refusal(tmp_path, "odd.dcm", "header")


def test_rle_compressed_slices(tmp_path):
    for file in write_series(tmp_path, HU):
        dataset = pydicom.dcmread(file)
        dataset.compress(RLELossless)
        dataset.save_as(file)
    assert np.array_equal(read_ct(tmp_path).array, HU)


def test_lossless_jpeg_is_decoded_without_further_packages(tmp_path):
    for file in write_series(tmp_path, HU):
        pack_as_jpeg(file)
        assert pydicom.dcmread(file).file_meta.TransferSyntaxUID == JPEGLosslessSV1
    assert np.array_equal(read_ct(tmp_path).array, HU)


def test_compressed_pixels_that_no_decoder_reads_get_a_sentence(tmp_path):
    for file in write_series(tmp_path, HU):
        pack_as_jpeg(file)
        content = bytearray(file.read_bytes())
        content[content.index(b"\xff\xc3") + 9] = 3  # components, which the rest of the frame does not have
        file.write_bytes(content)
    refusal(tmp_path, "JPEG Lossless", "pylibjpeg")


def test_many_thin_slices(tmp_path):
    hu = np.tile(ct_values((1, 20, 24)), (120, 1, 1))
    hu[:, 0, 0] = np.arange(120) - 1000
    write_series(tmp_path, hu, step=(0, 0, 0.3))
    volume = read_ct(tmp_path)
    assert np.array_equal(volume.array, hu) and volume.spacing[2] == pytest.approx(0.3)


def test_identical_duplicates_are_so_with_any_slope(tmp_path):
    for folder in ("a", "b"):
        write_series(tmp_path / folder, HU, uid="1.2.3", RescaleSlope="1.1")
    assert any("identical duplicate slices" in note for note in read_ct(tmp_path).notes)


def test_a_damaged_header_hinders_its_own_series_only(tmp_path):
    write_series(tmp_path / "good", HU, uid="1.2.3")
    write_series(tmp_path / "bad", HU, uid="1.2.4", PixelSpacing=[0.8])
    for series in (None, "1.2.3"):
        volume = read_ct(tmp_path, series)
        assert np.array_equal(volume.array, HU) and (
            series or any("8 damaged DICOM files" in note for note in volume.notes)
        )
    with pytest.raises(InputError, match="damaged DICOM header"):
        read_ct(tmp_path, "1.2.4")
