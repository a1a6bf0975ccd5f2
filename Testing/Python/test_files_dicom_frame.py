"""Compressed DICOM frames that are cut or claim another size: decoders fill them with gray, swell or crash."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_writer import pack_as_jpeg, write_series
from LiverTumorLib.errors import InputError
from LiverTumorLib.files import read_ct
from LiverTumorLib.files.dicom_frame import fault_of_jpeg

HU = np.random.default_rng(0).integers(-20, 20, (5, 24, 28)) + np.where(np.arange(28) < 5, -1000, 50)
PLACES = {"first": 0, "middle": 2, "last": 4}


@pytest.fixture(scope="module", params=["JPEG", "JPEG2000"])
def packed(request, tmp_path_factory) -> tuple[list[bytes], list[str]]:
    """The files of a series."""
    files = write_series(tmp_path_factory.mktemp("series"), HU, uid="1.2.3")
    for file in files:
        pack_as_jpeg(file, request.param)
    return [file.read_bytes() for file in files], [file.name for file in files]


def write(folder: Path, packed: tuple[list[bytes], list[str]]) -> list[Path]:
    files = [folder / name for name in packed[1]]
    for file, content in zip(files, packed[0], strict=True):
        file.write_bytes(content)
    return files


def frame_of(file: Path) -> bytes:
    return pydicom.encaps.get_frame(pydicom.dcmread(file).PixelData, 0, number_of_frames=1)


def put_frame(file: Path, frame: bytes) -> None:
    dataset = pydicom.dcmread(file)
    dataset.PixelData = pydicom.encaps.encapsulate([frame])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(file)


def test_whole_frames_are_read(tmp_path, packed):
    files = write(tmp_path, packed)
    put_frame(files[1], frame_of(files[1]) + bytes(5))
    assert np.array_equal(read_ct(tmp_path).array, HU)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.97])
def test_a_cut_frame_is_refused(tmp_path, packed, place, part):
    file = write(tmp_path, packed)[PLACES[place]]
    frame = frame_of(file)
    put_frame(file, frame[: max(4, int(part * len(frame)))])
    with pytest.raises(InputError, match=r"IM\d+_1\.2\.3\.dcm is damaged \(.*; copy or export it again"):
        read_ct(tmp_path)


@pytest.mark.parametrize("place", PLACES)
def test_a_file_cut_within_its_pixels_is_refused(tmp_path, packed, place):
    file = write(tmp_path, packed)[PLACES[place]]
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"IM\d+_1\.2\.3\.dcm is damaged"):
        read_ct(tmp_path)


@pytest.mark.parametrize("place", PLACES)
def test_a_frame_of_another_size_takes_no_memory(tmp_path, packed, place):
    """The size in JPEG is one of 2 bytes each, height first; in JPEG 2000 of 4, width first."""
    file = write(tmp_path, packed)[PLACES[place]]
    frame = bytearray(frame_of(file))
    if frame[1] == 0xD8:
        at = frame.index(b"\xff\xc3") + 5
        frame[at : at + 4] = b"\xff\x00\xff\x00"
    else:
        frame[8:16] = b"\0\1\0\0\0\1\0\0"
    put_frame(file, bytes(frame))
    with pytest.raises(InputError, match="compressed pixels are 65[0-9]+ x 65[0-9]+, where the header says 28 x 24"):
        read_ct(tmp_path)


def test_impossible_numbers_of_bits_do_not_reach_a_decoder(tmp_path, packed):
    """GDCM crashes on JPEG of 255 bits."""
    file = write(tmp_path, packed)[2]
    frame = bytearray(frame_of(file))
    frame[frame.index(b"\xff\xc3") + 4 if frame[1] == 0xD8 else 42] = 0x7F
    put_frame(file, bytes(frame))
    with pytest.raises(InputError, match="claim 12[78] bits each"):
        read_ct(tmp_path)


def test_what_is_no_jpeg_has_its_own_sentence(tmp_path, packed):
    put_frame(write(tmp_path, packed)[2], b"this is no JPEG at all" * 40)
    with pytest.raises(InputError, match="no JPEG begins where its pixels should"):
        read_ct(tmp_path)


def test_a_codestream_without_end_marker_is_whole_where_its_tiles_are(tmp_path, packed):
    frame = frame_of(write(tmp_path, packed)[0]).rstrip(b"\0")
    if frame[1] != 0x4F:
        pytest.skip("JPEG 2000 only")
    assert fault_of_jpeg(frame[:-2], 24, 28) is None
    assert fault_of_jpeg(frame[:-3], 24, 28) == "its compressed pixels break off"
    assert fault_of_jpeg(b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(20) + frame, 24, 28) is None, "a whole .jp2 file"


def test_a_frame_in_several_fragments_is_whole(tmp_path, packed):
    files = write(tmp_path, packed)
    dataset = pydicom.dcmread(files[3])
    dataset.PixelData = pydicom.encaps.encapsulate([frame_of(files[3])], fragments_per_frame=3)
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(files[3])
    assert np.array_equal(read_ct(tmp_path).array, HU)
