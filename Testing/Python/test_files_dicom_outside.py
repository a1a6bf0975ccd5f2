"""DICOM outside PS3.10, and headers with anything in them: read all the same, or refused by the true cause."""

from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_writer import write_series
from LiverTumorLib.errors import InputError, LiverTumorError
from LiverTumorLib.files import read_ct
from LiverTumorLib.files.dicom_header import Kind, look_at
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from test_files_reading import ct_values, refusal

pytestmark = pytest.mark.filterwarnings("ignore")  # of pydicom, which writes what is wrong here, too
HU = ct_values((12, 32, 32))
PLACES = {"all": range(12), "bottom": (0, 1), "middle": (5, 6), "top": (10, 11)}


def rewrite(file: Path, syntax: str) -> None:
    dataset = pydicom.dcmread(file)
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = dataset.pixel_array.astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax
    plain = pydicom.Dataset(dataset)
    plain.file_meta = dataset.file_meta
    plain.save_as(file, enforce_file_format=True)


def parts(file: Path) -> tuple[bytes, bytes, bytes]:
    """Preamble with its prefix, file meta group and data set."""
    content = file.read_bytes()
    end = 144 + int.from_bytes(content[140:144], "little")
    return content[:132], content[132:end], content[end:]


def no_preamble_no_meta(file: Path) -> None:
    file.write_bytes(parts(file)[2])


def no_preamble(file: Path) -> None:
    file.write_bytes(parts(file)[1] + parts(file)[2])


def no_meta(file: Path) -> None:
    file.write_bytes(parts(file)[0] + parts(file)[2])


def no_syntax(file: Path) -> None:
    preamble, meta, dataset = parts(file)
    begin = meta.index(b"\2\0\x10\0UI")
    end = begin + 8 + struct.unpack("<H", meta[begin + 6 : begin + 8])[0]
    length = struct.pack("<I", struct.unpack("<I", meta[8:12])[0] - (end - begin))
    file.write_bytes(preamble + meta[:8] + length + meta[12:begin] + meta[end:] + dataset)


SYNTAXES = {"implicit": ImplicitVRLittleEndian, "explicit": ExplicitVRLittleEndian, "big": ExplicitVRBigEndian}


@pytest.mark.parametrize("strip", [no_preamble_no_meta, no_preamble, no_meta, no_syntax])
@pytest.mark.parametrize(
    ("syntax", "where"),
    [*((syntax, "all") for syntax in SYNTAXES), *(("implicit", where) for where in ("bottom", "middle", "top"))],
)
def test_files_outside_part_10_give_the_same_volume(tmp_path, syntax, strip, where):
    files = write_series(tmp_path / "ct", HU)
    for k in PLACES[where]:
        rewrite(files[k], SYNTAXES[syntax])
        strip(files[k])
        files[k].rename(files[k].with_suffix(""))
    volume = read_ct(tmp_path / "ct")
    assert np.array_equal(volume.array, HU) and volume.notes == ()


def test_one_bare_file_stands_for_its_series(tmp_path):
    files = write_series(tmp_path / "ct", HU)
    for file in files:
        no_preamble_no_meta(file)
    assert np.array_equal(read_ct(files[3]).array, HU)


def test_deflated_files_are_read_and_bombs_are_not(tmp_path):
    files = write_series(tmp_path / "ct", HU)
    for file in files:
        rewrite(file, DeflatedExplicitVRLittleEndian)
    assert np.array_equal(read_ct(tmp_path / "ct").array, HU)
    preamble, meta, _ = parts(files[3])
    deflate = zlib.compressobj(9, wbits=-15)
    bomb = b"".join(deflate.compress(bytes(1 << 20)) for _ in range(80)) + deflate.flush()
    files[3].write_bytes(preamble + meta + bomb)
    refusal(tmp_path / "ct", files[3].name, "has a damaged DICOM header")


def test_compressed_pixels_without_a_syntax_are_refused_by_the_true_cause(tmp_path):
    files = write_series(tmp_path / "ct", HU)
    for file in files:
        dataset = pydicom.dcmread(file)
        dataset.compress(pydicom.uid.RLELossless)
        dataset.save_as(file)
        no_syntax(file)
    refusal(tmp_path / "ct", "does not say how its pixels are compressed")


def test_a_syntax_that_nobody_knows_is_named(tmp_path):
    files = write_series(tmp_path / "ct", HU)
    for file in files:
        dataset = pydicom.dcmread(file)
        dataset.file_meta.TransferSyntaxUID = "1.2.826.0.1.3680043.99.1"
        dataset.save_as(file)
    refusal(tmp_path / "ct", "1.2.826.0.1.3680043.99.1")


def test_other_files_that_begin_a_little_like_dicom(tmp_path):
    write_series(tmp_path / "ct", HU)
    beginnings = [
        b"\2\0\0\0\4\0\0\0",
        b"\x08\0\0\0\4\0\0\0",
        b"\x08\0\5\0\x0a\0\0\0",
        b"\2\0\0\0ULxx",
        b"\0\x08\0\5CS",
        b"\x08\0\x16\0UI\xff\xff",
    ]
    for number, begin in enumerate(beginnings):
        (tmp_path / "ct" / f"thumbs{number}.db").write_bytes(begin + random.Random(number).randbytes(5000))
    volume = read_ct(tmp_path / "ct")
    assert np.array_equal(volume.array, HU)
    assert volume.notes == (f"{len(beginnings)} files that are not DICOM were passed over.",)


@pytest.mark.parametrize(
    "spelling",
    ["HU", "hu", "HU ", "Hounsfield", "HOUNSFIELD UNIT", "Hounsfield Units", "Houndsfield", "HU_", "US", "", None],
)
def test_spellings_of_hounsfield(tmp_path, spelling):
    write_series(tmp_path / "ct", HU, RescaleType=spelling)
    volume = read_ct(tmp_path / "ct")
    assert np.array_equal(volume.array, HU) and volume.notes == ()


@pytest.mark.parametrize("unit", ["OD", "MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT", "mgml"])
def test_other_units_are_refused_by_name(tmp_path, unit):
    write_series(tmp_path / "ct", HU, RescaleType=unit)
    refusal(tmp_path / "ct", f"holds values of type {unit} (", "not Hounsfield units")


def test_a_rescale_type_that_dicom_does_not_know_is_noted(tmp_path):
    write_series(tmp_path / "ct", HU, RescaleType="NONE")
    assert read_ct(tmp_path / "ct").notes == (
        "The rescale type 'NONE' is none that DICOM knows; the values were taken as HU.",
    )


WRONG_LENGTHS = [
    (0x00280010, b"US", b"\1"),  # Rows
    (0x00280010, b"US", b"\1\2\3"),
    (0x00280010, b"US", b""),
    (0x00280100, b"US", b"\1\2\3"),
    (0x00280002, b"US", b"\1"),
    (0x00280008, b"IS", b"many"),
    (0x00280030, b"FD", b"\1\2\3"),
    (0x00200032, b"DS", b"1\\2\\x "),
    (0x00200032, b"FL", b"\1\2\3\4\5"),
    (0x00200013, b"US", b"\1\2\3"),
    (0x0020000E, b"AT", b"\1\2\3"),
    (0x00100020, b"US", b"\1\2\3"),
    (0x00080008, b"SQ", b"\1\2\3"),
    (0x00080005, b"CS", b"ISO_IR 9999 "),
    (0x00180050, b"DS", b"thick "),
]


def put(file: Path, tag: int, vr: bytes, value: bytes) -> None:
    """Write an explicit element byte by byte in place of the one there, or at its place."""
    content = file.read_bytes()
    at = 144 + int.from_bytes(content[140:144], "little")
    while True:
        here = int.from_bytes(content[at : at + 2], "little") << 16 | int.from_bytes(content[at + 2 : at + 4], "little")
        long = content[at + 4 : at + 6] in (b"OW", b"OB", b"SQ", b"UN")
        length = (
            struct.unpack("<I", content[at + 8 : at + 12])[0] + 12
            if long
            else struct.unpack("<H", content[at + 6 : at + 8])[0] + 8
        )
        if here >= tag:
            break
        at += length
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    size = struct.pack("<HI", 0, len(value)) if vr in (b"OW", b"OB", b"SQ", b"UN") else struct.pack("<H", len(value))
    file.write_bytes(content[:at] + head + size + value + content[at + (length if here == tag else 0) :])


@pytest.mark.parametrize("wrong", WRONG_LENGTHS, ids=lambda wrong: f"{wrong[0]:08x}-{len(wrong[2])}")
def test_an_element_of_wrong_length_or_type_is_no_crash(tmp_path, wrong):
    """In one slice: a volume of all slices, or a sentence."""
    files = write_series(tmp_path / "ct", HU, uid="1.2.3")
    put(files[5], *wrong)
    try:
        volume = read_ct(tmp_path / "ct")
    except InputError as error:
        assert str(error).endswith(".") and "\n" not in str(error)
    else:
        assert np.array_equal(volume.array, HU) or volume.notes


def test_headers_with_random_bytes_never_raise_anything_else(tmp_path):
    """Seeded damage of headers, bare and not: what comes is a finding, and the folder's answer a volume or one
    sentence."""
    files = write_series(tmp_path / "ct", HU[:4], uid="1.2.3")
    sound = files[1].read_bytes()
    header = sound.index(b"\xe0\x7f\x10\0")
    for seed in range(400):
        rng = random.Random(seed)
        content = bytearray(sound)
        for _ in range(rng.choice((1, 2, 8))):
            content[rng.randrange(132, header + 12)] = rng.randrange(256)
        if seed % 3 == 0:
            del content[rng.randrange(140, header) :]
        files[1].write_bytes(content[144 + int.from_bytes(sound[140:144], "little") :] if seed % 4 == 0 else content)
        assert isinstance(look_at(files[1]).kind, Kind)
        if seed % 8 == 0:
            try:
                read_ct(tmp_path / "ct")
            except LiverTumorError as error:
                assert "\n" not in str(error)


def test_sizes_that_the_file_cannot_hold_are_refused_before_memory_is_taken(tmp_path):
    files = write_series(tmp_path / "ct", HU, uid="1.2.3")
    for file in files:
        put(file, 0x00280010, b"US", b"\xff\xff")
        put(file, 0x00280011, b"US", b"\xff\xff")
    refusal(tmp_path / "ct", "ends before its pixels do")
    for file in write_series(tmp_path / "rle", HU, uid="1.2.4"):
        dataset = pydicom.dcmread(file)
        dataset.compress(pydicom.uid.RLELossless)
        dataset.Rows = dataset.Columns = 32768
        dataset.save_as(file)
    refusal(tmp_path / "rle", "ends before its pixels do")


def test_no_escape_codes_and_no_endless_text_reach_a_message(tmp_path):
    whole = write_series(tmp_path / "ct" / "a", HU, uid="1.2.9", RescaleType="\x1b[2J" + "X" * 400)
    for file in (*whole, *write_series(tmp_path / "ct", HU[:4], uid="1.2.8")):
        put(file, 0x00200011, b"IS", b"\x1b[31m2")
    for file in write_series(tmp_path / "ct", HU[:3], uid="1.2.9"):
        put(file, 0x00080060, b"CS", b"\x1b[1mOT" + b"Y" * 4000)
    volume = read_ct(tmp_path / "ct")
    assert np.array_equal(volume.array, HU)
    assert all(note.isprintable() and len(note) < 300 for note in volume.notes) and "\x1b" not in "".join(volume.notes)
    assert "number [31m2 (12 slices)" in volume.notes[0] and "3 of 15 images" in volume.notes[1]


@pytest.mark.parametrize(
    "wrong",
    [
        (0x00080016, b"UI", b"1.2.840.10009.5.1"),
        (0x00280002, b"US", b"\7\0"),
        (0x00200032, b"DS", b"1e308\\0\\0 "),
        (0x00281053, b"DS", b"1e308 "),
        (0x00281052, b"DS", b"0 "),
    ],
    ids=["class", "samples", "position", "slope", "intercept"],
)
def test_a_damaged_value_never_changes_a_volume_without_a_word(tmp_path, wrong):
    files = write_series(tmp_path / "ct", HU, uid="1.2.3")
    put(files[0], *wrong)
    # And no rows: another kind of object, by its class, were it not for the other copy of the class.
    if wrong[0] == 0x00080016:
        put(files[0], 0x00280010, b"US", b"\0\0")
    try:
        volume = read_ct(tmp_path / "ct")
    except InputError as error:
        assert files[0].name in str(error) or "1 of 12 slices (the first is number 0" in str(error)
    else:
        assert volume.notes
