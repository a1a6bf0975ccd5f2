"""Headers that contradict themselves or are unusual: read as ITK reads them, with a note, or refused in a sentence."""

import bz2
import gzip
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from header_files import HU, TURNED, UPRIGHT, grid, meta, nifti, nrrd, rotation
from hypothesis import given, settings
from hypothesis import strategies as st
from LiverTumorLib.errors import InputError
from LiverTumorLib.files import read_ct
from LiverTumorLib.files.metaimage import read_metaimage
from LiverTumorLib.files.nifti import affine_of, read_nifti
from LiverTumorLib.files.nifti_header import NIFTI_1, NIFTI_2, number_type
from LiverTumorLib.files.nrrd import read_nrrd
from test_files_reading import refusal

CORNERS = np.array(np.meshgrid((0, 23), (0, 19), (0, 5), (1,))).reshape(4, -1)  # of HU, in voxels


few = settings(max_examples=25, deadline=None)


vectors = st.tuples(*[st.floats(-300, 300, width=32)] * 3)


sizes = st.tuples(*[st.sampled_from([0.25, 0.7, 1.5, 4.0, 12.0])] * 3)


# A rotation as a quaternion, and whether the third axis is turned round
rotations = st.tuples(st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1), st.booleans())


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
