"""Images of the very series that cannot be used: counted by reason; damaged ones refuse the series by name, others are
noted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_writer import change, write_series, write_slice
from LiverTumorLib.errors import InputError
from LiverTumorLib.files import read_ct
from pydicom.uid import MRImageStorage, SecondaryCaptureImageStorage
from test_files_reading import ct_values, refusal

HU = ct_values((12, 32, 32))
PLACES = {"bottom": (0, 1), "middle": (5, 6), "top": (9, 10, 11)}


def series_in(folder: Path) -> list[Path]:
    """A series whose files have no ending, numbered as its slices are."""
    folder.mkdir(parents=True)
    for k, plane in enumerate(HU):
        write_slice(folder / f"IM{k:04d}", plane, (-100, -90, 2.5 * k), SeriesInstanceUID="1.2.3", InstanceNumber=k + 1)
    return sorted(folder.iterdir())


def cut(length: int):
    return lambda file: file.write_bytes(file.read_bytes()[:length])


def cut_at(group: int, element: int, after: int = 4):
    """Cut some bytes after the begin of an element."""
    tag = group.to_bytes(2, "little") + element.to_bytes(2, "little")
    return lambda file: file.write_bytes(file.read_bytes()[: file.read_bytes().index(tag) + after])


def link_to_nowhere(file: Path) -> None:
    file.unlink()
    file.symlink_to("/nowhere/at/all")


def strip_meta(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[144 + int.from_bytes(content[140:144], "little") :])


def bare_and_cut(file: Path) -> None:
    cut_at(0x28, 0x100)(file)
    strip_meta(file)


def bare_of_another_class(*cut_before: int):
    """Its class is that of another object, as a damaged digit makes it, and it is cut."""

    def spoil(file: Path) -> None:
        change(file, SOPClassUID=MRImageStorage)
        cut_at(*cut_before, 0)(file)
        strip_meta(file)

    return spoil


DAMAGES = {
    "cut in the file meta group": (cut(200), "has an incomplete header"),
    "cut before the series UID": (cut_at(0x20, 0x0E), "has an incomplete header"),
    "cut after the position": (cut_at(0x20, 0x37, 20), "has an incomplete header"),
    "cut before the pixels": (cut_at(0x7FE0, 0x10, 12), "ends before its pixels do"),
    "cut in the preamble": (cut(100), "is not a DICOM file"),
    "empty": (cut(0), "is empty"),
    "zeros": (lambda file: file.write_bytes(bytes(file.stat().st_size)), "is not a DICOM file"),
    "a link": (link_to_nowhere, "is a link that leads nowhere"),
    "a page": (lambda file: file.write_bytes(b"<html>not found</html>" * 30), "is not a DICOM file"),
    "bare and cut": (bare_and_cut, "has an incomplete header"),
    "bare, of another class and cut early": (bare_of_another_class(0x20, 0x0E), "has an incomplete header"),
    "samples": (lambda file: change(file, SamplesPerPixel=3), "has a damaged DICOM header"),
    "half a position": (lambda file: change(file, ImagePositionPatient=[1, 2]), "has a damaged DICOM header"),
}


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_images_are_counted_and_one_is_named(tmp_path, damage, where):
    files = series_in(tmp_path / "ct")
    spoil, words = DAMAGES[damage]
    for k in PLACES[where]:
        spoil(files[k])
    lost = len(PLACES[where])
    refusal(
        tmp_path / "ct",
        f"{lost} of 12 images of DICOM series",
        "damaged or incomplete",
        f"{files[PLACES[where][0]].name} {words}",
    )


LACKS = {
    "position": ({"ImagePositionPatient": None}, "without position"),
    "pixel size": ({"PixelSpacing": None}, "without pixel size"),
    "orientation": ({"ImageOrientationPatient": None}, "without orientation"),
    "empty position": ({"ImagePositionPatient": ""}, "without position"),
    "modality and class": ({"Modality": None, "SOPClassUID": "1.2.3.4"}, "images of unknown modality"),
    "another modality": ({"Modality": "OT"}, "OT images"),
    "frames": ({"NumberOfFrames": 2}, "multi-frame CT"),
    "class and rows, bare": (bare_of_another_class(0x28, 0x10), "objects without pixels"),
}


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("lack", LACKS)
def test_images_that_lack_something_are_counted_by_reason(tmp_path, lack, where):
    files = series_in(tmp_path / "ct")
    tags, words = LACKS[lack]
    for k in PLACES[where]:
        tags(files[k]) if callable(tags) else change(files[k], **tags)
    count = f"{len(PLACES[where])} of 12 images"
    if where == "middle":
        refusal(tmp_path / "ct", count, "cannot be used", words, files[5].name, "lacks 2 slices in between")
        return
    volume = read_ct(tmp_path / "ct")
    assert np.array_equal(volume.array, np.delete(HU, PLACES[where], 0))
    assert len(volume.notes) == 1 and volume.notes[0].startswith(f"{count} of the series could not be used (")
    assert words in volume.notes[0] and volume.notes[0].endswith("; the volume may be cut.")


@pytest.mark.parametrize("where", PLACES)
def test_a_missing_modality_is_known_from_the_class(tmp_path, where):
    files = series_in(tmp_path / "ct")
    for k in PLACES[where]:
        change(files[k], Modality=None)
    volume = read_ct(tmp_path / "ct")
    assert np.array_equal(volume.array, HU)
    assert volume.notes == (
        f"{len(PLACES[where])} of 12 images without a modality were taken for CT, as the SOP class says.",
    )


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("bare", [False, True])
def test_a_class_unlike_the_neighbors_is_noted(tmp_path, where, bare):
    files = series_in(tmp_path / "ct")
    for k, file in enumerate(files):
        if k in PLACES[where]:
            change(file, SOPClassUID=MRImageStorage)
        if bare:
            strip_meta(file)
    volume = read_ct(tmp_path / "ct")
    assert np.array_equal(volume.array, HU)
    assert volume.notes == (
        f"{len(PLACES[where])} of 12 images of another SOP class were taken for CT, as the modality says.",
    )


def test_a_class_of_all_slices_is_their_makers_own(tmp_path):
    for file in series_in(tmp_path / "ct"):
        change(file, SOPClassUID=SecondaryCaptureImageStorage)
    assert read_ct(tmp_path / "ct").notes == ()


def test_several_reasons_have_their_numbers(tmp_path):
    files = series_in(tmp_path / "ct")
    for k in (9, 10):
        change(files[k], ImagePositionPatient=None)
    change(files[11], PixelSpacing=None)
    assert (
        "3 of 12" in (note := read_ct(tmp_path / "ct").notes[0])
        and "2 images without position, 1 images without pixel size" in note
    )


def test_what_is_no_image_of_the_series_stays_silent(tmp_path):
    series_in(tmp_path / "ct")
    uid = {"SeriesInstanceUID": "1.2.3"}
    report = dict(
        Modality="SR",
        Rows=None,
        Columns=None,
        BitsAllocated=None,
        PixelData=None,
        SOPClassUID="1.2.840.10008.5.1.4.1.1.88.67",
    )
    write_slice(tmp_path / "ct" / "IM9001", HU[0], (0, 0, 0), **report | uid)
    raw = report | {"Modality": "CT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.66"}
    write_slice(tmp_path / "ct" / "IM9002", HU[0], (0, 0, 0), **raw | uid)
    write_slice(tmp_path / "ct" / "IM9003", HU[0], (0, 0, 0), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], **uid)
    capture = dict(
        SOPClassUID=SecondaryCaptureImageStorage,
        ImagePositionPatient=None,
        ImageOrientationPatient=None,
        PixelSpacing=None,
    )
    write_slice(tmp_path / "ct" / "IM9004", HU[0], (0, 0, 0), **capture | uid)
    write_slice(tmp_path / "ct" / "DICOMDIR", HU[0], (0, 0, 0), **report | {"SOPClassUID": "1.2.840.10008.1.3.10"})
    cut(300)(tmp_path / "ct" / "DICOMDIR")
    write_slice(tmp_path / "ct" / "other", HU[0], (0, 0, 0), SeriesInstanceUID="1.2.9", ImagePositionPatient=None)
    volume = read_ct(tmp_path / "ct")
    assert np.array_equal(volume.array, HU) and volume.notes == ()
    for name in ("VIEWER.EXE", "readme.txt", "autorun.inf", "IM0001.jpg", ".DS_Store", "._IM0001", "INDEX"):
        (tmp_path / "ct" / name).write_bytes(b"MZ and more of it" * 20)
    volume = read_ct(tmp_path / "ct")
    assert np.array_equal(volume.array, HU) and volume.notes == ("7 files that are not DICOM were passed over.",)


def test_lost_images_in_a_folder_of_their_own(tmp_path):
    files = series_in(tmp_path / "ct" / "one")
    (tmp_path / "ct" / "two").mkdir()
    for file in files[9:]:
        change(file, ImagePositionPatient=None)
        file.rename(tmp_path / "ct" / "two" / file.name)
    assert any("3 of 12 images" in note for note in read_ct(tmp_path / "ct").notes), "they carry the UID of the series"
    for file in (tmp_path / "ct" / "two").iterdir():
        cut(300)(file)
    assert any("3 damaged DICOM files" in note for note in read_ct(tmp_path / "ct").notes), (
        "nobody knows whose they are"
    )


def test_the_other_series_of_a_folder_does_not_suffer(tmp_path):
    files = series_in(tmp_path / "ct")
    write_series(tmp_path / "ct", HU[:8], uid="1.2.4", SeriesNumber="7")
    for k in PLACES["top"]:
        cut_at(0x20, 0x37)(files[k])
    volume = read_ct(tmp_path / "ct")
    assert np.array_equal(volume.array, HU[:8])
    assert any(note.startswith("Passed over: 3 of 12 images of DICOM series number 2") for note in volume.notes)


def test_one_file_named_that_is_lost_itself(tmp_path):
    files = series_in(tmp_path / "ct")
    cut_at(0x20, 0x0E)(files[3])
    refusal(files[3], "IM0003 has an incomplete header")
    refusal(files[4], "1 of 12 images", "IM0003")
    change(files[5], ImagePositionPatient=None)
    refusal(files[5], "IM0005 holds no CT slices, only images without position")


@pytest.mark.parametrize("count", [1, 12])
def test_where_nothing_is_left_the_damage_is_the_reason(tmp_path, count):
    files = series_in(tmp_path / "ct")
    for file in files[:count]:
        cut_at(0x20, 0x0E)(file)
    for file in files[count:]:
        file.unlink()
    refusal(tmp_path / "ct", "holds no CT slices that can be read", "IM0000 has an incomplete header")


@pytest.mark.parametrize("where", PLACES)
def test_holes_in_the_numbers_are_told(tmp_path, where):
    """Slices whose places are even, while numbers in between are gone: something was left out before."""
    (tmp_path / "ct").mkdir()
    numbers = [number for number in range(1, 14 + len(PLACES[where])) if number - 1 not in (*PLACES[where], 0)][:11]
    numbers = [1, *numbers]
    for k, (plane, number) in enumerate(zip(HU, numbers, strict=True)):
        write_slice(tmp_path / "ct" / f"{k}", plane, (0, 0, 2.5 * k), SeriesInstanceUID="1.2.3", InstanceNumber=number)
    missing = numbers[-1] - 12
    expected = (
        f"The images are numbered 1 to {numbers[-1]}, but {missing} of the numbers are missing; so may be images."
    )
    assert missing > 0 and read_ct(tmp_path / "ct").notes == (expected,)


def test_one_missing_slice_is_told_once_and_other_numberings_not_at_all(tmp_path):
    series_in(tmp_path / "a")[5].unlink()
    (note,) = read_ct(tmp_path / "a").notes
    assert "was missing and was interpolated" in note
    for folder, numbers in (
        ("b", range(267, 279)),
        ("f", range(1, 24, 2)),
        ("c", [1000 * k for k in range(12)]),
        ("d", [0] * 12),
        ("e", range(12, 0, -1)),
    ):
        (tmp_path / folder).mkdir()
        for k, (plane, number) in enumerate(zip(HU, numbers, strict=True)):
            write_slice(
                tmp_path / folder / f"{k}", plane, (0, 0, 2.5 * k), SeriesInstanceUID="1.2.3", InstanceNumber=number
            )
        volume = read_ct(tmp_path / folder)
        assert np.array_equal(volume.array, HU) and volume.notes == (), folder


@pytest.mark.parametrize("end", ["bottom", "top"])
@pytest.mark.parametrize("witness", ["ImagesInAcquisition", "NumberOfSeriesRelatedInstances", "NumberOfSlices"])
@pytest.mark.parametrize("said", [12, 9, 40])
def test_images_missing_at_an_end_are_told_where_the_headers_count_them(tmp_path, end, witness, said):
    files = series_in(tmp_path / "ct")
    for k, file in enumerate(files):
        change(file, InstanceNumber=k + 1 if end == "top" else 12 - k, **{witness: said})
    for k in (0, 1, 2) if end == "bottom" else (9, 10, 11):
        files[k].unlink()
    notes = ("The headers speak of 12 images, but there are 9; the volume may be cut.",) if said == 12 else ()
    assert read_ct(tmp_path / "ct").notes == notes, "a count that is far from the images is of something else"


def test_counted_images_that_are_lost_or_interpolated_are_told_once(tmp_path):
    files = series_in(tmp_path / "ct")
    for file in files:
        change(file, ImagesInAcquisition=12)
    assert read_ct(tmp_path / "ct").notes == ()
    change(files[0], ImagePositionPatient=None)
    files[5].unlink()
    told = " ".join(read_ct(tmp_path / "ct").notes)
    assert "1 of 11 images" in told and "was interpolated" in told and "speak of" not in told


def test_numbers_that_begin_late_are_told(tmp_path):
    files = series_in(tmp_path / "ct")
    for file in files[:3]:
        file.unlink()
    assert read_ct(tmp_path / "ct").notes == (
        "The images are numbered from 4 on; those before may be missing, and the volume be cut.",
    )
    write_slice(
        tmp_path / "ct" / "IM9001",
        HU[0],
        (0, 0, 0),
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
        SeriesInstanceUID="1.2.3",
    )
    assert read_ct(tmp_path / "ct").notes == (), "the first are of localizers"
    for k, file in enumerate(files[3:]):
        change(file, InstanceNumber=k + 200)
    assert read_ct(tmp_path / "ct").notes == (), "a numbering of the whole examination"


def test_every_second_slice_missing_is_told_by_thickness_and_numbers(tmp_path):
    for file in series_in(tmp_path / "ct")[1::2]:
        file.unlink()
    volume = read_ct(tmp_path / "ct")
    assert np.array_equal(volume.array, HU[::2])
    assert volume.notes == ("The images are numbered 1 to 11, but 5 of the numbers are missing; so may be images.",)


def test_a_closed_folder_inside_is_told(tmp_path, monkeypatch):
    series_in(tmp_path / "ct")
    (tmp_path / "ct" / "more").mkdir()
    import os

    scandir = os.scandir

    def closed(path):
        if Path(path).name == "more":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)  # root may enter everything
    assert read_ct(tmp_path / "ct").notes == ("1 folder inside may not be searched; slices may be missing.",)


def test_a_refusal_of_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    files = series_in(tmp_path / "ct")
    from LiverTumorLib.files import dicom_header

    def closed(path, *arguments):
        if Path(path) == files[4]:
            raise PermissionError(13, "Permission denied", str(path))
        return open(path, *arguments)

    monkeypatch.setattr(dicom_header, "open", closed, raising=False)  # root may read everything
    with pytest.raises(InputError, match="IM0004 may not be read; ask for permission"):
        read_ct(tmp_path / "ct")
