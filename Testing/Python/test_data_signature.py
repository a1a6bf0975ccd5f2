"""A scan is told again by what it shows, in whatever file, and told from other scans."""

import gzip
import json
import shutil

import numpy as np
import pytest
from CompressionTrainerLib.data.identity import voxels_sha256
from CompressionTrainerLib.data.signature import SAME_HU, Signature, distance_hu, sign, sign_file
from labeled_data import MATRIX, make_ct, save
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.errors import InputError
from LiverTumorLib.models.catalogue import SHIPPED, list_bundles
from LiverTumorLib.phantom import make_phantom


@pytest.fixture(scope="module")
def scan() -> CTVolume:
    return make_phantom(seed=1, shape=(64, 128, 128))[0]


def stored(volume: CTVolume, **changed) -> CTVolume:
    """The volume otherwise: `array`, and voxel `steps` (i, j, k) as multiples of what they were."""
    matrix = volume.ijk_to_ras.copy()
    matrix[:3, :3] *= changed.get("steps", (1, 1, 1))
    return CTVolume(changed["array"], matrix)


def flipped(volume: CTVolume) -> CTVolume:
    """The same voxels from head to feet and from left to right, which the header says."""
    matrix = volume.ijk_to_ras.copy()
    matrix[:3, 3] = volume.ras(np.array([volume.shape[2] - 1, 0, volume.shape[0] - 1]))
    matrix[:3, (0, 2)] *= -1
    return CTVolume(np.ascontiguousarray(volume.array[::-1, :, ::-1]), matrix)


def halved(volume: CTVolume) -> CTVolume:
    k, j, i = volume.shape
    return stored(
        volume,
        array=np.rint(volume.array.reshape(k, j // 2, 2, i // 2, 2).mean((2, 4))).astype(np.int16),
        steps=(2, 2, 1),
    )


def republished(volume: CTVolume) -> CTVolume:
    """As the scans are that the shipped models know: every second slice, cut, in steps of 3 HU from -40 to 161."""
    array = np.clip(np.rint((volume.array[7:51:2] + 40.0) / 3) * 3 - 40, -40, 161).astype(np.int16)
    return stored(volume, array=array, steps=(1, 1, 2))


WAYS = {
    "every second slice": lambda v: stored(v, array=v.array[::2], steps=(1, 1, 2)),
    "the other slices": lambda v: stored(v, array=v.array[1::2], steps=(1, 1, 2)),
    "cut": lambda v: stored(v, array=v.array[20:48]),
    "window": lambda v: stored(v, array=v.array.clip(-60, 180)),
    "float": lambda v: stored(v, array=v.array.astype(np.float32) + np.float32(0.3)),
    "flipped": flipped,
    "mirrored, which the header does not say": lambda v: stored(v, array=v.array[:, ::-1]),
    "half the pixels": halved,
    "published again": republished,
    "all together": lambda v: halved(flipped(republished(v))),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_scan_is_known_however_it_is_stored(scan, way):
    assert distance_hu(sign(scan), sign(WAYS[way](scan))) < SAME_HU


@pytest.mark.parametrize("way", ["every second slice", "half the pixels", "published again"])
def test_another_person_is_not_taken_for_it(scan, way):
    for seed in (2, 3, 100):
        other, _ = make_phantom(seed=seed, shape=(64, 128, 128))
        assert distance_hu(sign(scan), sign(WAYS[way](other))) > SAME_HU


def test_what_is_too_short_or_too_uniform_is_known_by_its_voxels_only(scan):
    few = stored(scan, array=scan.array[:3])
    assert distance_hu(sign(few), sign(stored(scan, array=scan.array[:4]))) == np.inf
    noise, other = (sign(CTVolume(make_ct(seed, (40, 24, 28)), MATRIX)) for seed in (0, 1))
    assert distance_hu(noise, other) == np.inf and distance_hu(noise, noise) == 0
    air = CTVolume(np.full((40, 24, 28), -1000, np.int16), MATRIX)
    assert not sign(air).planes.any()


def test_the_voxels_are_the_same_in_other_number_types():
    array = make_ct()
    assert (
        voxels_sha256(array)
        == voxels_sha256(array.astype(np.float32))
        == voxels_sha256(np.asfortranarray(array).astype(np.int32))
    )
    assert voxels_sha256(array) != voxels_sha256(array.reshape(array.shape[0], array.shape[2], array.shape[1]))


def test_a_file_is_read_again_when_it_has_changed(tmp_path):
    pytest.importorskip("nibabel")
    path = save(tmp_path / "a.nii.gz", make_ct(0))
    first = sign_file(path)
    (tmp_path / "a.nii").write_bytes(gzip.decompress(path.read_bytes()))
    assert sign_file(tmp_path / "a.nii").voxels == first.voxels
    save(path, make_ct(1, (9, 24, 28)))
    assert sign_file(path).voxels != first.voxels
    with pytest.raises(InputError):
        sign_file(tmp_path / "nowhere.nii")


def test_a_signature_is_small_survives_json_and_shows_nobody(scan):
    signature = sign(scan)
    content = json.loads(json.dumps(signature.to_dict()))
    again = Signature.from_dict(content)
    assert again.voxels == signature.voxels and np.array_equal(again.planes, signature.planes)
    assert len(json.dumps(content)) < 2048 and signature.planes.shape[1] == 25
    for damaged in ({}, {"voxels": "", "planes": "AA"}, {"voxels": "", "planes": "?"}):
        with pytest.raises((ValueError, KeyError)):
            Signature.from_dict(damaged)


@pytest.mark.skipif(not SHIPPED.is_dir(), reason="no models are shipped in this checkout")
def person(case: str) -> str:
    """Whose scan, or part of one, a case of LiTS17 is: 0 and 1, and 6 to 10, are one person each."""
    number = case.split("-")[0]
    return {"1": "0", **dict.fromkeys(["7", "8", "9", "10"], "6")}.get(number, number)


def test_the_shipped_models_carry_the_signatures_of_their_training_cases():
    for bundle in list_bundles():
        training = bundle.manifest.training
        signatures = {case: Signature.from_dict(content) for case, content in training["train_signatures"].items()}
        assert set(signatures) == {str(case) for case in training["cases"]["train"]}, bundle.id
        assert len(signatures) == len(training["train_ct_sha256"])
        pairs = [
            (one, other) for one in signatures for other in signatures if one < other and person(one) != person(other)
        ]
        assert min(distance_hu(signatures[one], signatures[other]) for one, other in pairs) > SAME_HU, (
            "scans of different people"
        )


@pytest.mark.skipif(not SHIPPED.is_dir(), reason="no models are shipped in this checkout")
def test_a_model_is_signed_afterwards(tmp_path):
    pytest.importorskip("nibabel")
    from CompressionTrainerLib.data.identity import sha256_of
    from CompressionTrainerLib.data.splits import load_split
    from CompressionTrainerLib.export.sign_bundle import sign_bundle

    bundle = shutil.copytree(SHIPPED / "liver-roi", tmp_path / "model")
    cts = [save(tmp_path / f"volume-{case}.nii.gz", make_ct(case)) for case in range(3)]
    split = {
        "patients": {"train": [[0], [1]], "val": [[2]]},
        "files": {"ct": "volume-{case}.nii.gz", "mask": "volume-{case}.nii.gz"},
        "sha256": {ct.name: sha256_of(ct) for ct in cts},
    }
    (tmp_path / "split.json").write_text(json.dumps(split), encoding="utf-8")
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    manifest["training"] |= {"train_ct_sha256": [sha256_of(ct) for ct in cts[:2]], "train_signatures": {}}
    (bundle / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    before = {path.name: path.read_bytes() for path in bundle.iterdir() if path.name != "manifest.json"}
    assert sign_bundle(bundle, load_split(tmp_path / "split.json", tmp_path)) == 2
    after = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    assert (
        after["training"]["train_signatures"]["1"] == sign_file(cts[1]).to_dict()
        and after["files"] == manifest["files"]
    )
    assert before == {path.name: path.read_bytes() for path in bundle.iterdir() if path.name != "manifest.json"}
    manifest["training"]["train_ct_sha256"].append("of a CT that is elsewhere")
    (bundle / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(InputError, match="1 CT of .* are not in the split"):
        sign_bundle(bundle, load_split(tmp_path / "split.json", tmp_path))
