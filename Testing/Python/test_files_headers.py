"""Headers that contradict themselves, promise too much or name no file: read as ITK reads them, with a note, or refused
in a sentence."""

import bz2
import gzip
import os
import re
import sys
import time
import tracemalloc
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from LiverTumorLib.errors import InputError
from LiverTumorLib.files import read_ct, read_labels
from LiverTumorLib.files.metaimage import read_metaimage
from LiverTumorLib.files.nifti import affine_of, read_nifti
from LiverTumorLib.files.nifti_header import NIFTI_1, NIFTI_2, number_type
from LiverTumorLib.files.nrrd import read_nrrd
from test_files_reading import ct_values, refusal

HU = ct_values()
CORNERS = np.array(np.meshgrid((0, 23), (0, 19), (0, 5), (1,))).reshape(4, -1)  # of HU, in voxels
few = settings(max_examples=25, deadline=None)
vectors = st.tuples(*[st.floats(-300, 300, width=32)] * 3)
sizes = st.tuples(*[st.sampled_from([0.25, 0.7, 1.5, 4.0, 12.0])] * 3)
# A rotation as a quaternion, and whether the third axis is turned round
rotations = st.tuples(st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1), st.booleans())


def rotation(how) -> np.ndarray:
    (a, b, c, d), flipped = how
    a, b, c, d = np.array([a, b, c, d]) / np.linalg.norm([a, b, c, d])
    matrix = np.array(
        [
            [1 - 2 * (c * c + d * d), 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), 1 - 2 * (b * b + d * d), 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), 1 - 2 * (b * b + c * c)],
        ]
    )
    return matrix * (1, 1, -1 if flipped else 1)


def grid(how, size=(0.7, 0.8, 2.5), origin=(0, 0, 0)) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation(how) * size, origin
    return matrix


UPRIGHT = ((1, 0, 0, 0), False)
TURNED = ((0.9, 0.1, 0.2, 0.3), False)


def itk_matrix(path: Path) -> np.ndarray | None:
    """IJK to RAS as SimpleITK has it; None where it reads no image."""
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError:
        return None
    matrix = np.eye(4)
    matrix[:3, :3] = np.diag([-1, -1, 1]) @ np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = np.diag([-1, -1, 1]) @ image.GetOrigin()
    return matrix


def nifti(path: Path, sform=None, qform=None, array: np.ndarray = HU, **fields) -> Path:
    """A NIfTI file with these header fields, whether they make sense or not."""
    header = nibabel.Nifti1Header()
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.T.shape)
    header["pixdim"][1:4] = 0.7, 0.8, 2.5
    header["xyzt_units"], header["vox_offset"], header["magic"] = 2, 352, b"n+1"
    if qform is not None:
        header.set_qform(qform, 1)
    if sform is not None:
        header["srow_x"], header["srow_y"], header["srow_z"] = sform[:3]
        header["sform_code"] = 1
    for name, value in fields.items():
        header[name] = value
    content = header.binaryblock + bytes(4) + array.tobytes()
    path.write_bytes(gzip.compress(content, 1) if path.name.endswith(".gz") else content)
    return path


def scratch(tmp_path_factory, name: str) -> Path:
    return tmp_path_factory.getbasetemp() / name


@few
@given(
    rotations,
    rotations,
    sizes,
    vectors,
    st.sampled_from([0, 1, 2, 4]),
    st.sampled_from([0, 1, 2]),
    st.sampled_from([0, 1, 2, 3]),
    st.booleans(),
)
def test_nifti_lies_where_itk_has_it(tmp_path_factory, one, other, size, origin, sform_code, qform_code, unit, same):
    size = np.divide(size, {1: 1000, 3: 0.001}.get(unit, 1))
    sform = grid(one, size, origin)
    path = nifti(scratch(tmp_path_factory, "a.nii"), sform, sform if same else grid(other, size, (1, 2, 3)))
    content = bytearray(path.read_bytes())
    content[252:256] = np.array([qform_code, sform_code], "<i2").tobytes()
    content[123] = unit
    path.write_bytes(content)
    expected = itk_matrix(path)
    volume = read_nifti(path, "a")
    # Two transforms less than a tenth of a millimeter apart are the same to the reader, whichever of them ITK takes.
    assert (
        np.linalg.norm((volume.ijk_to_ras - expected) @ CORNERS, axis=0).max()
        < 0.1 + 1e-3 * np.abs(expected @ CORNERS).max()
    )
    assert bool(volume.notes) == (
        unit in (1, 3)
        or not (sform_code or qform_code)
        or (bool(sform_code and qform_code) and not similar(sform, volume, path))
    )


def similar(sform, volume, path) -> bool:
    header = nibabel.load(path).header
    return np.linalg.norm((sform - header.get_qform()) @ CORNERS, axis=0).max() < 0.1 / {1: 1000, 3: 0.001}.get(
        int(header["xyzt_units"]), 1
    )


def test_an_unusable_sform_gives_way_to_the_qform(tmp_path):
    right = grid(TURNED, origin=(7, 8, 9))
    singular, holed = grid(UPRIGHT), grid(UPRIGHT)
    singular[:, 2], holed[0, 0] = singular[:, 1], np.nan
    for sform in (np.zeros((4, 4)), singular, holed):
        volume = read_ct(nifti(tmp_path / "a.nii", sform, right))
        assert np.allclose(volume.ijk_to_ras, itk_matrix(tmp_path / "a.nii"), atol=1e-4) and np.allclose(
            volume.ijk_to_ras, right, atol=1e-4
        )
        assert "sform of the file is unusable" in volume.notes[0]
        refusal(nifti(tmp_path / "b.nii", sform), "affine matrix is singular")


@pytest.mark.parametrize("qform", [None, grid(TURNED, origin=(1, 2, 3))], ids=["alone", "with qform"])
def test_a_sform_of_directions_only_takes_the_size_of_the_voxels(tmp_path, qform):
    volume = read_ct(nifti(tmp_path / "a.nii", grid(TURNED, (1, 1, 1), (1, 2, 3)), qform))
    assert np.allclose(volume.spacing, (0.7, 0.8, 2.5), atol=1e-5) and np.allclose(
        volume.ijk_to_ras, itk_matrix(tmp_path / "a.nii"), atol=1e-4
    )
    assert len(volume.notes) == 1 and "no voxel size" in volume.notes[0]


@pytest.mark.parametrize("factor", [0.5, 2, (1, 1, 1.2)])
def test_two_voxel_sizes_are_refused(tmp_path, factor):
    refusal(
        nifti(tmp_path / "a.nii", grid(TURNED, np.array((0.7, 0.8, 2.5)) * factor)),
        "two voxel sizes",
        "0.7 x 0.8 x 2.5 mm",
    )


@pytest.mark.parametrize("excess", [5e-7, 1e-3, 0.5])
def test_a_quaternion_too_long_is_shortened(tmp_path, excess):
    path = nifti(tmp_path / "a.nii", qform=grid(UPRIGHT), quatern_b=0, quatern_c=0, quatern_d=1 + excess)
    assert np.allclose(read_ct(path).ijk_to_ras, itk_matrix(path), atol=1e-5)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("offset", [0, 100, 348, np.nan, -7])
@pytest.mark.parametrize("gap", [0, 4])
def test_voxels_begin_behind_the_header(tmp_path, offset, ending, gap):
    path = nifti(tmp_path / f"a{ending}", grid(UPRIGHT))
    content = path.read_bytes()
    content = bytearray(gzip.decompress(content) if ending == ".nii.gz" else content)
    content[108:112] = np.float32(offset).tobytes()
    content[348:352] = bytes(gap)
    path.write_bytes(gzip.compress(content) if ending == ".nii.gz" else content)
    volume = read_ct(path)
    assert np.array_equal(volume.array, HU) and "impossible data offset" in volume.notes[0]


def test_voxels_behind_an_extension_are_found(tmp_path):
    path = nifti(tmp_path / "a.nii", grid(UPRIGHT), vox_offset=352 + 64)
    content = path.read_bytes()
    path.write_bytes(content[:352] + bytes(64) + content[352:])
    assert np.array_equal(read_ct(path).array, HU) and read_ct(path).notes == ()


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_slices_that_the_header_leaves_out_are_told(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    sitk.WriteImage(sitk.GetImageFromArray(HU), str(path), useCompression=False)
    content = path.read_bytes()
    if ending == ".nii.gz":
        content = gzip.decompress(content)
    cut = content.replace(b"sizes: 24 20 6", b"sizes: 24 20 4").replace(b"DimSize = 24 20 6", b"DimSize = 24 20 4")
    if ".nii" in ending:
        cut = content[:46] + b"\4\0" + content[48:]
    assert cut != content
    path.write_bytes(gzip.compress(cut) if ending == ".nii.gz" else cut)
    volume = read_ct(path)
    assert np.array_equal(volume.array, HU[:4]) and "1920 bytes more than the 4 slices" in volume.notes[-1]


@few
@given(
    rotations,
    sizes,
    vectors,
    st.sampled_from(["raw", "gzip"]),
    st.sampled_from(["<i2", ">i2", "<f4", ">f8", "<u2", "i1"]),
)
@pytest.mark.parametrize(
    "space",
    ["left-posterior-superior", "LPS", "RAS", "right-anterior-superior", "scanner-xyz", "3D-right-handed"],
)
def test_nrrd_lies_where_itk_has_it(tmp_path_factory, space, how, size, origin, encoding, kind):
    array = (HU // 16).astype(kind)
    path = nrrd(
        scratch(tmp_path_factory, "a.nrrd"), array, rotation(how) * size, origin, encoding=encoding, space=space
    )
    volume = read_nrrd(path, "a")
    expected = itk_matrix(path)
    assert np.array_equal(volume.array, array) and np.array_equal(
        sitk.GetArrayFromImage(sitk.ReadImage(str(path))), array
    )
    assert np.allclose(volume.ijk_to_ras, expected, atol=1e-3) and volume.notes == ()


def nrrd(path: Path, array: np.ndarray, axes=None, origin=(0, 0, 0), *, data: bytes | None = None, **fields) -> Path:
    """A NRRD file; the columns of `axes` are its directions."""
    packing = fields.get("encoding", "raw")
    pack = {"gzip": lambda raw: gzip.compress(raw, 1), "bzip2": bz2.compress, "raw": bytes}.get(packing, bytes)
    names = {"i1": "int8", "u1": "uint8", "i2": "int16", "u2": "uint16", "i4": "int32", "f4": "float", "f8": "double"}
    all_fields = {
        "type": names[array.dtype.str[1:]],
        "dimension": array.ndim,
        "space": "left-posterior-superior",
        "sizes": " ".join(map(str, array.shape[::-1])),
        "space directions": " ".join(
            f"({x!r},{y!r},{z!r})" for x, y, z in np.asarray(np.eye(3) if axes is None else axes, float).T.tolist()
        ),
        "kinds": "domain domain domain",
        "endian": "big" if array.dtype.str[0] == ">" else "little",
        "encoding": packing,
        "space origin": "({!r},{!r},{!r})".format(*map(float, origin)),
    } | fields
    lines = "".join(f"{name.replace('_', ' ')}: {value}\n" for name, value in all_fields.items() if value is not None)
    path.write_bytes(
        f"NRRD0004\n# comment: of no meaning\n{lines}\n".encode() + (pack(array.tobytes()) if data is None else data)
    )
    return path


@few
@given(rotations, sizes, vectors, st.booleans(), st.sampled_from(["<i2", ">i2", "<f4", ">f8", "<u2", "i1"]))
@pytest.mark.parametrize("ending", [".mha", ".mhd"])
def test_metaimage_lies_where_itk_has_it(tmp_path_factory, ending, how, size, origin, compressed, kind):
    array = (HU // 16).astype(kind)
    path = meta(scratch(tmp_path_factory, f"a{ending}"), array, rotation(how), size, origin, compressed)
    volume = read_metaimage(path, "a")
    image = sitk.ReadImage(str(path))
    assert np.array_equal(volume.array, array) and np.array_equal(sitk.GetArrayFromImage(image), array)
    assert np.allclose(volume.ijk_to_ras, itk_matrix(path), atol=1e-3) and volume.notes == ()


def meta(
    path: Path, array: np.ndarray, axes=None, size=(0.7, 0.8, 2.5), origin=(0, 0, 0), compressed=False, **fields
) -> Path:
    """A MetaImage file, in one or two parts."""
    names = {"i1": "CHAR", "u1": "UCHAR", "i2": "SHORT", "u2": "USHORT", "f4": "FLOAT", "f8": "DOUBLE"}
    data = zlib.compress(array.tobytes(), 1) if compressed else array.tobytes()
    other = path.with_suffix(".zraw" if compressed else ".raw")
    all_fields = {
        "ObjectType": "Image",
        "NDims": array.ndim,
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": array.dtype.str[0] == ">",
        "CompressedData": compressed,
        "CompressedDataSize": len(data) if compressed else None,
        "TransformMatrix": " ".join(
            map(repr, np.asarray(np.eye(3) if axes is None else axes, float).T.ravel().tolist())
        ),
        "Offset": "{!r} {!r} {!r}".format(*map(float, origin)),
        "CenterOfRotation": "0 0 0",
        "AnatomicalOrientation": "RAI",
        "ElementSpacing": "{!r} {!r} {!r}".format(*map(float, size)),
        "DimSize": " ".join(map(str, array.shape[::-1])),
        "ElementType": f"MET_{names[array.dtype.str[1:]]}",
    } | fields
    all_fields["ElementDataFile"] = fields.get("ElementDataFile", "LOCAL" if path.suffix == ".mha" else other.name)
    header = "".join(f"{name} = {value}\n" for name, value in all_fields.items() if value is not None).encode()
    if path.suffix == ".mha":
        path.write_bytes(header + data)
    else:
        path.write_bytes(header)
        other.write_bytes(data)
    return path


def test_nrrd_of_every_encoding_gives_the_same(tmp_path):
    packed = {
        "raw": HU.tobytes(),
        # Two members, as parallel packers write.
        "gzip": gzip.compress(HU.tobytes()[:3000]) + gzip.compress(HU.tobytes()[3000:]),
        "bz2": bz2.compress(HU.tobytes()),
        "ascii": " ".join(map(str, HU.ravel())).encode(),
        "hex": HU.tobytes().hex().encode(),
    }
    for encoding, data in packed.items():
        assert np.array_equal(read_ct(nrrd(tmp_path / "a.nrrd", HU, encoding=encoding, data=data)).array, HU)
    refusal(nrrd(tmp_path / "b.nrrd", HU, encoding="zstd"), "zstd", "not supported; save it with gzip")


def test_spacings_and_units_of_nrrd(tmp_path):
    plain = dict(space=None, space_origin=None)
    plain["space directions"], plain["space origin"], plain["spacings"] = None, None, "0.7 0.8 2.5"
    path = nrrd(tmp_path / "a.nrrd", HU, **{name.replace("_", " "): value for name, value in plain.items()})
    assert (
        np.allclose(read_ct(path).ijk_to_ras, itk_matrix(path))
        and "does not say how the patient lies" in read_ct(path).notes[0]
    )
    for unit, size in (("m", 0.001), ("cm", 0.1), ("um", 1000)):
        units = " ".join([f'"{unit}"'] * 3)
        volume = read_ct(
            nrrd(
                tmp_path / "b.nrrd",
                HU,
                np.diag([0.7, 0.8, 2.5]) * size,
                (1 * size, 2 * size, 3 * size),
                **{"space units": units},
            )
        )
        assert (
            np.allclose(volume.ijk_to_ras, grid(UPRIGHT, (-0.7, -0.8, 2.5), (-1, -2, 3)))
            and "converted to millimeters" in volume.notes[0]
        )
    volume = read_ct(nrrd(tmp_path / "b.nrrd", HU, np.diag([0.7, 0.8, 2.5]), **{"space units": '"m" "m" "m"'}))
    assert np.allclose(volume.spacing, (0.7, 0.8, 2.5)) and "contradicts" in volume.notes[0]


@pytest.mark.parametrize(("unit", "factor"), [("um", 1000), ("cm", 0.1), ("mm", 1)])
def test_units_of_metaimage(tmp_path, unit, factor):
    volume = read_ct(meta(tmp_path / "a.mha", HU, size=np.array((0.7, 0.8, 2.5)) * factor, DistanceUnits=unit))
    assert np.allclose(volume.spacing, (0.7, 0.8, 2.5)) and bool(volume.notes) == (unit != "mm")
    path = meta(tmp_path / "a.mha", HU, DistanceUnits=unit)  # as ITK has it, where anything else makes no sense
    assert np.allclose(read_ct(path).ijk_to_ras, itk_matrix(path))


def test_voxels_in_several_files(tmp_path):
    for k, plane in enumerate(HU):
        (tmp_path / f"slice{k:03d}.raw").write_bytes(plane.tobytes())
    names = [f"slice{k:03d}.raw" for k in range(6)]
    pattern = "slice%03d.raw 0 5 1"
    for path in (
        nrrd(tmp_path / "a.nhdr", HU, data=b"", **{"data file": pattern}),
        nrrd(tmp_path / "b.nhdr", HU, data=b"", **{"data file": "LIST 2\n" + "\n".join(names)}),
        meta(tmp_path / "c.mha", HU, ElementDataFile=pattern),
        meta(tmp_path / "d.mha", HU, ElementDataFile="LIST\n" + "\n".join(names)),
    ):
        if path.suffix == ".mha":
            path.write_bytes(path.read_bytes()[: -HU.nbytes])
        assert np.array_equal(read_ct(path).array, HU), path
    (tmp_path / names[5]).unlink()
    for name in ("a.nhdr", "b.nhdr", "c.mha", "d.mha"):
        refusal(tmp_path / name, "slice005.raw", "does not exist")


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


def test_headers_without_a_voxel_size_have_no_affine():
    header = nibabel.Nifti1Header()
    header["pixdim"][1:4] = 0
    with pytest.raises(InputError, match="how large its voxels are"):
        affine_of(header, Path("a.nii"))


@pytest.mark.parametrize("codes", [{"sform_code": 1, "qform_code": 0}, {"sform_code": 0, "qform_code": 1}])
@pytest.mark.parametrize("axis", range(3))
def test_negative_voxel_sizes_are_refused(tmp_path, codes, axis):
    """NIfTI forbids them; ITK turns the axis around by them, others take their amount."""
    matrix = np.diag([-0.7, -0.8, 2.5, 1])
    sizes = [1, 0.7, 0.8, 2.5, 0, 0, 0, 0]
    sizes[axis + 1] *= -1
    with pytest.raises(InputError, match="negative voxel size"):
        read_ct(nifti(tmp_path / "a.nii", matrix, matrix, pixdim=sizes, **codes))


@pytest.mark.parametrize("kind, ours", [(nibabel.Nifti1Header, NIFTI_1), (nibabel.Nifti2Header, NIFTI_2)])
@pytest.mark.parametrize("endian", "<>")
def test_nifti_headers_are_read_as_nibabel_reads_them(kind, ours, endian):
    """Every field that is used, from random bytes; types by every code."""
    raw = np.random.default_rng(3).integers(0, 256, kind.sizeof_hdr, dtype=np.uint8).tobytes()
    theirs, header = kind(raw, endian, check=False), np.frombuffer(raw, ours.newbyteorder(endian))[0]
    for name in ours.names:
        if name == "magic":  # NIfTI-2 has four more bytes of it, which nibabel calls otherwise
            assert bytes(header[name])[:4] == bytes(theirs[name])[:4]
        else:
            np.testing.assert_array_equal(header[name], theirs[name], err_msg=name)
    for code in nibabel.nifti1.data_type_codes.code.values():
        theirs["datatype"] = code
        expected = theirs.get_data_dtype()
        found = number_type(np.frombuffer(theirs.binaryblock, ours.newbyteorder(endian))[0])
        assert found == (expected if expected.kind in "iuf" else None)
    theirs["datatype"] = 3
    with pytest.raises(KeyError):
        number_type(np.frombuffer(theirs.binaryblock, ours.newbyteorder(endian))[0])


def test_nifti_is_read_without_nibabel(tmp_path, monkeypatch):
    """As in Slicer's own Python."""
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    nibabel.save(nibabel.Nifti1Image(array.T, np.diag([-0.7, -0.8, 2.5, 1])), tmp_path / "a.nii.gz")
    monkeypatch.setitem(sys.modules, "nibabel", None)
    np.testing.assert_array_equal(read_nifti(tmp_path / "a.nii.gz", "a").array, array)
