"""Files that are damaged, end early, promise too much or name no file: refused in a sentence, at once."""

import bz2
import gzip
import os
import re
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from header_files import HU, UPRIGHT, grid, meta, nifti, nrrd
from LiverTumorLib.errors import InputError
from LiverTumorLib.files import read_ct, read_labels
from test_files_reading import refusal


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
def test_what_is_no_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.nii")
    (tmp_path / "folder.raw").mkdir()
    refusal(tmp_path / "pipe.nii", "is a pipe, not a file")
    refusal(tmp_path / "pipe", "is a pipe, not a file")
    refusal("/dev/zero", "is a device, not a file")
    for name, word in (
        ("pipe", "pipe"),
        ("/dev/zero", "device"),
        ("folder.raw", "folder"),
        ("none.raw", "does not exist"),
    ):
        refusal(meta(tmp_path / "a.mhd", HU, ElementDataFile=name), "a.mhd", word)
        refusal(nrrd(tmp_path / "a.nhdr", HU, data=b"", **{"data file": name}), "a.nhdr", word)


@pytest.mark.parametrize(
    "name",
    ["%s%n", "%s%s%s%s", "%99999999d 1 2 1", "%d 1 999999999 1", "%d 1 2 0", "a\0b", "%*d 1 2 1", "LIST", "LIST 9 9 9"],
)
def test_patterns_that_are_none_name_no_file(tmp_path, name):
    refusal(meta(tmp_path / "a.mhd", HU, ElementDataFile=name), "a.mhd")
    refusal(nrrd(tmp_path / "a.nhdr", HU, data=b"", **{"data file": name}), "a.nhdr")
    with pytest.raises(InputError):
        read_labels(tmp_path / "a.mhd")


META_FAULTS = """
    NDims -1, NDims 99, NDims x, DimSize 24 20, DimSize 24 20 -6, DimSize 24 20 0, DimSize nan 20 6,
    ElementType MET_NONE, ElementType MET_SHORT_ARRAY, ElementSpacing 1 1, ElementSpacing 1 1 0, ElementSpacing 1 1 inf,
    TransformMatrix 1 0 0, TransformMatrix 1 0 0 0 1 0 0 0 0, TransformMatrix nan 0 0 0 1 0 0 0 1,
    Offset 1, Offset inf 0 0, HeaderSize -9,
    ElementNumberOfChannels 3, DimSize 99999999999999999999 1 1, ElementSpacing 1e300 1 1
"""


NRRD_FAULTS = """
    dimension -1; dimension 17; dimension 4; sizes 24 20; sizes 24 20 -6; sizes 24 20 0; sizes 1e99 1 1;
    type block; type quad; endian middle; encoding none;
    space_directions (1,0,0) (0,1,0) (0,0,0); space_directions (1,0,0) (0,1,0); space_directions (1,0) (0,1) (0,0);
    space_directions (a,0,0) (0,1,0) (0,0,1); space_directions (1,0,0) (0,nan,1) (0,0,1);
    space_origin (0,0); space_origin (0,0,inf); byte_skip -2; byte_skip 99999999; line_skip 3; space_directions 1
"""


@pytest.mark.parametrize("fault", [fault.strip() for fault in META_FAULTS.split(",")])
def test_damaged_metaimage_headers_are_refused(tmp_path, fault):
    name, _, value = fault.partition(" ")
    refusal(meta(tmp_path / "a.mha", HU, **{name: value}), "a.mha")


@pytest.mark.parametrize("fault", [fault.strip() for fault in NRRD_FAULTS.split(";")])
def test_damaged_nrrd_headers_are_refused(tmp_path, fault):
    name, _, value = fault.partition(" ")
    refusal(nrrd(tmp_path / "a.nrrd", HU, **{name.replace("_", " "): value}), "a.nrrd")


def test_a_header_without_end_is_refused(tmp_path):
    (tmp_path / "a.nrrd").write_bytes(b"NRRD0004\n" + b"#" * (3 << 20))
    (tmp_path / "b.mha").write_bytes(b"ObjectType = Image\n" * 200_000)
    refusal(tmp_path / "a.nrrd", "no end of its header")
    refusal(tmp_path / "b.mha", "no end of its header")


@pytest.mark.parametrize("missing", [1, 480, 5000])
@pytest.mark.parametrize("name", ["a.mha", "a.mhd", "a.nrrd", "a.nhdr", "a.nii"])
def test_voxels_that_end_early_are_refused(tmp_path, name, missing):
    """Nothing else may become voxels: not memory that was free, not zeros."""
    path, data = tmp_path / name, tmp_path / name
    if "mh" in name:
        data = meta(path, HU).with_suffix(".raw") if name.endswith("d") else meta(path, HU)
    elif name == "a.nhdr":
        nrrd(path, HU, data=b"", **{"data file": "a.raw"})
        data = tmp_path / "a.raw"
        data.write_bytes(HU.tobytes())
    else:
        nrrd(path, HU) if name == "a.nrrd" else nifti(path, grid(UPRIGHT))
    assert np.array_equal(read_ct(path).array, HU)
    data.write_bytes(data.read_bytes()[:-missing])
    refusal(path, "incomplete", "copy or export it again")
    with pytest.raises(InputError, match="incomplete"):
        read_labels(path)


@pytest.mark.parametrize("said", [0, 10, 2**31, -5])
def test_a_wrong_size_of_the_compressed_data_is_told(tmp_path, said):
    path = meta(tmp_path / "a.mha", HU, compressed=True, CompressedDataSize=said)
    volume = read_ct(path)
    assert np.array_equal(volume.array, HU) and f"says {said} bytes of compressed data" in volume.notes[0]


def _zeros(pack) -> bytes:
    """Streams that unpack to 1 GiB of zeros, one behind the other."""
    return pack(bytes(1 << 24)) * 64


@pytest.mark.parametrize("slices", [2048, 30000])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mha", "a.mhd", "a.nrrd"])
def test_what_promises_too_much_is_refused_before_memory_is_taken(tmp_path, name, slices):
    path = tmp_path / name
    if "nii" in name:
        nifti(path, grid(UPRIGHT), dim=[3, 512, 512, slices, 1, 1, 1, 1])
    elif "mh" in name:
        meta(path, HU, compressed=name == "a.mha", DimSize=f"512 512 {slices}")
    else:
        nrrd(path, HU, encoding="gzip", sizes=f"512 512 {slices}")
    _refused_at_once(path, read_ct)
    _refused_at_once(path, read_labels)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.mha", "a.nrrd", "a.bz2.nrrd"])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, name):
    """1 GiB of zeros in 1 MB, and in 800 bytes of bzip2: as long as the header says, and no CT."""
    path = tmp_path / name
    if name == "a.nii.gz":
        head = nifti(tmp_path / "a.nii", grid(UPRIGHT), dim=[3, 512, 512, 2048, 1, 1, 1, 1]).read_bytes()[:352]
        path.write_bytes(gzip.compress(head) + _zeros(gzip.compress))
    elif name == "a.mha":
        meta(path, HU, compressed=True, DimSize="512 512 2048")
        path.write_bytes(path.read_bytes()[: -len(zlib.compress(HU.tobytes(), 1))] + _zeros(zlib.compress))
    elif name == "a.nrrd":
        nrrd(path, HU, encoding="gzip", sizes="512 512 2048", data=_zeros(gzip.compress))
    else:
        nrrd(path, HU, encoding="bzip2", sizes="512 512 2048", data=_zeros(bz2.compress))
    _refused_at_once(path, read_ct)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd"])
def test_a_bomb_behind_the_voxels_is_refused(tmp_path, name):
    path = tmp_path / name
    if name == "a.nrrd":
        nrrd(path, HU, encoding="gzip", data=gzip.compress(HU.tobytes()) + _zeros(gzip.compress))
    else:
        path.write_bytes(nifti(path, grid(UPRIGHT)).read_bytes() + _zeros(gzip.compress))
    _refused_at_once(path, read_ct)
    _refused_at_once(path, read_labels)


def _refused_at_once(path: Path, read) -> None:
    tracemalloc.start()
    try:
        start = time.process_time()
        with pytest.raises(InputError, match=re.escape(path.name)):
            read(path)
        assert time.process_time() - start < 1
        assert tracemalloc.get_traced_memory()[1] < 1 << 25
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["a.nii.gz", "a.mha", "a.nrrd"])
@pytest.mark.parametrize("place", [0.1, 0.5, 0.9, -3])
def test_a_damaged_mask_is_refused(tmp_path, name, place):
    """One flipped bit of a compressed mask moves its voxels; the checksum at the end tells."""
    labels = np.zeros((30, 64, 64), np.uint8)
    labels[5:25, 10:50, 12:48] = 1
    labels[10:20, 20:30, 20:31] += np.random.default_rng(1).integers(0, 2, (10, 10, 11)).astype(np.uint8)
    path = tmp_path / name
    sitk.WriteImage(sitk.GetImageFromArray(labels), str(path), useCompression=True)
    assert np.array_equal(read_labels(path)[0], labels)
    content = bytearray(path.read_bytes())
    start = (
        0
        if name.endswith("gz")
        else content.index(b"LOCAL\n") + 6
        if name.endswith("mha")
        else content.index(b"\n\n") + 2
    )
    content[int(start + 12 + place * (len(content) - start - 20)) if place > 0 else place] ^= 8
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        read_labels(path)
