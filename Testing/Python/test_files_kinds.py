"""A file is what its first bytes say, whatever its name; what is not a CT gets the remedy of its kind."""

import bz2
import gzip
import io
import lzma
import os
import shutil
import tarfile
import zipfile

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from dicom_writer import write_series
from header_files import meta, nrrd
from LiverTumorLib.errors import InputError
from LiverTumorLib.files import read_ct, read_labels
from test_files_reading import ct_values, refusal, save_nifti

HU = ct_values()


def test_compression_that_the_name_hides_is_seen(tmp_path):
    save_nifti(tmp_path / "packed.nii.gz", HU)
    content = (tmp_path / "packed.nii.gz").read_bytes()
    (tmp_path / "packed.nii").write_bytes(content)
    (tmp_path / "plain.nii.gz").write_bytes(gzip.decompress(content))
    for name, told in (("packed.nii", "is compressed with gzip"), ("plain.nii.gz", "is not compressed")):
        volume = read_ct(tmp_path / name)
        assert np.array_equal(volume.array, HU) and told in volume.notes[0] and "Rename it" in volume.notes[0]
        assert volume.name == name.split(".")[0]
    assert read_ct(tmp_path / "packed.nii.gz").notes == ()


@pytest.mark.parametrize("named", ["a.nii", "a.nii.gz", "a.nrrd", "a.nhdr", "a.mha", "a.mhd", "a.dcm", "a"])
def test_formats_that_the_name_hides_are_seen(tmp_path, named):
    files = {
        "NIfTI": save_nifti(tmp_path / "x.nii", HU),
        "NRRD": nrrd(tmp_path / "x.nrrd", HU),
        "MetaImage": meta(tmp_path / "x.mha", HU),
    }
    own = {
        "nii": "NIfTI",
        "gz": "NIfTI",
        "nrrd": "NRRD",
        "nhdr": "NRRD",
        "mha": "MetaImage",
        "mhd": "MetaImage",
        "dcm": "DICOM",
    }.get(named.rpartition(".")[2])
    for kind, file in files.items():
        shutil.copy(file, tmp_path / named)
        volume = read_ct(tmp_path / named)
        assert np.array_equal(volume.array, HU)
        if named != "a":
            assert any(f"says {own}, but it is a {kind} file" in note for note in volume.notes) == (kind != own)


def test_a_dicom_slice_named_as_a_volume_is_read(tmp_path):
    write_series(tmp_path, HU)
    slices = sorted(tmp_path.iterdir())
    slices[2].rename(tmp_path / "slice.nii")
    volume = read_ct(tmp_path / "slice.nii")
    assert volume.array.shape == HU.shape and "says NIfTI, but it is a DICOM file" in volume.notes[0]
    with pytest.raises(InputError, match="is a DICOM file; use NIfTI, NRRD or MetaImage"):
        read_labels(tmp_path / "slice.nii")


def _archive(kind: str) -> bytes:
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("ct.nii", HU.tobytes())
    else:
        with tarfile.open(fileobj=file, mode="w:gz" if kind == "tar.gz" else "w") as archive:
            info = tarfile.TarInfo("ct.nii")
            info.size = HU.nbytes
            archive.addfile(info, io.BytesIO(HU.tobytes()))
    return file.getvalue()


FOREIGN = {
    "zip": (_archive("zip"), "archive (zip); unpack it"),
    "tar": (_archive("tar"), "archive (tar); unpack it"),
    "tar.gz": (_archive("tar.gz"), "archive (tar); unpack it"),
    "bzip2": (bz2.compress(HU.tobytes()), "archive (bzip2); unpack it"),
    "xz": (lzma.compress(HU.tobytes()), "archive (xz); unpack it"),
    "gzip of text": (gzip.compress(b"hello, hello " * 99), "holds no NIfTI volume; unpack it"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(600), "picture (PNG), not a CT"),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(600), "picture (JPEG), not a CT"),
    "pdf": (b"%PDF-1.7\n" * 80, "picture (PDF), not a CT"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(600), "another format (HDF5 or MINC), which is not supported; convert it"),
    "numpy": (b"\x93NUMPY\x01\0" + bytes(600), "another format (NumPy), which is not supported; convert it"),
    "web page": (
        b"<!DOCTYPE html><html>Sign in</html>" * 20,
        "web page or XML text, perhaps of a failed download; download it again",
    ),
    "web page after a blank": (b"\n  <html>" * 80, "web page"),
    "lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n",
        "pointer of Git LFS, not the data; run git lfs pull",
    ),
    "json": (b'{"error": "no such file"}', "text (JSON), not a volume"),
    "zeros": (bytes(5000), "begins with nothing but zeros; copy or export it again"),
    "text": (b"plain text of some kind\n" * 80, "copy or export it again"),
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_each_foreign_file_has_its_own_remedy(tmp_path, kind, ending):
    content, words = FOREIGN[kind]
    path = tmp_path / f"a{ending}"
    path.write_bytes(content)
    message = refusal(path, path.name, words)
    assert "damaged" not in message or kind in ("zeros", "text")
    with pytest.raises(InputError):
        read_labels(path)


def test_a_packed_volume_of_another_format_is_to_be_unpacked(tmp_path):
    for name, file in (("a.nrrd.gz", nrrd(tmp_path / "x.nrrd", HU)), ("a.nii.gz", meta(tmp_path / "x.mha", HU))):
        (tmp_path / name).write_bytes(gzip.compress(file.read_bytes()))
        refusal(tmp_path / name, "archive (gzip); unpack it and use the file in it")


def test_pairs_and_analyze_files_are_named(tmp_path):
    nibabel.save(nibabel.Nifti1Pair(HU.T, np.diag([-0.7, -0.8, 2.5, 1])), tmp_path / "a.hdr")
    shutil.copy(tmp_path / "a.hdr", tmp_path / "b.nii")
    refusal(tmp_path / "b.nii", "header of a pair of files")
    content = bytearray((tmp_path / "a.hdr").read_bytes())
    content[344:348] = bytes(4)
    (tmp_path / "c.nii").write_bytes(content)
    refusal(tmp_path / "c.nii", "an Analyze one")


def test_links_to_nothing_and_folders_are_named(tmp_path):
    os.symlink(tmp_path / "gone.nii", tmp_path / "link.nii")
    refusal(tmp_path / "link.nii", "link to a file that does not exist")
    with pytest.raises(InputError, match="is a folder; choose a file of labels"):
        read_labels(tmp_path)


def test_a_damaged_file_and_one_of_another_kind_are_two_sentences(tmp_path):
    path = save_nifti(tmp_path / "a.nii.gz", HU)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    refusal(path, "damaged, incomplete")
    sitk.WriteImage(sitk.GetImageFromArray(HU), str(tmp_path / "b.nrrd"))
    (tmp_path / "b.nrrd").write_bytes(b"XRRD" + (tmp_path / "b.nrrd").read_bytes()[4:])
    refusal(tmp_path / "b.nrrd", "damaged or no NRRD file (its first bytes are those of none)")
