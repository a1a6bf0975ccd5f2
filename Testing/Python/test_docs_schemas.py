"""The JSON Schemas in Docs/schemas describe what the software ships and writes, and refuse what it refuses."""

import json
from dataclasses import fields

import numpy as np
import pytest
from jsonschema import Draft202012Validator, ValidationError
from labeled_data import make_lits
from LiverTumorLib.batch.folder import write_volume
from LiverTumorLib.cli import main
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.ct.canvas import InputSpec
from LiverTumorLib.jobs.protocol import write_job
from LiverTumorLib.jobs.source import Source
from LiverTumorLib.models.catalogue import SHIPPED
from LiverTumorLib.models.manifest import Manifest
from LiverTumorLib.phantom import make_phantom
from LiverTumorLib.records.options import RunOptions
from LiverTumorLib.records.results import CaseSummary, Lesion, SliceRecord
from read_extension import ROOT

SCHEMAS = {
    path.name.removesuffix(".schema.json"): json.loads(path.read_text())
    for path in (ROOT / "Docs" / "schemas").glob("*.json")
}


def check(name: str, content: object) -> None:
    """Raises ValidationError where content is not as the schema says."""
    Draft202012Validator(SCHEMAS[name]).validate(content)


def read(path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schemas_are_valid(name):
    Draft202012Validator.check_schema(SCHEMAS[name])


def test_every_field_is_described():
    """A field that is added to a record is added to its schema too."""
    summary = SCHEMAS["summary"]
    for record, part in (
        (Manifest, SCHEMAS["manifest"]),
        (InputSpec, SCHEMAS["manifest"]["$defs"]["input"]),
        (RunOptions, SCHEMAS["job"]["$defs"]["options"]),
        (CaseSummary, summary["properties"]["case"]["properties"]["summary"]),
        (Lesion, summary["$defs"]["lesion"]),
        (SliceRecord, summary["$defs"]["slice_record"]),
    ):
        assert {field.name for field in fields(record)} <= set(part["properties"]), record.__name__


@pytest.mark.parametrize("folder", sorted(SHIPPED.iterdir()), ids=lambda folder: folder.name)
def test_the_shipped_manifests(folder):
    manifest = read(folder / "manifest.json")
    check("manifest", manifest)
    for wrong in (
        {"threshold": 1.0},
        {"task": "lung"},
        {"files": {"../model.tflite": manifest["files"]["model.tflite"]}},
        {"more": 1},
    ):
        with pytest.raises(ValidationError):
            check("manifest", manifest | wrong)


def test_the_shipped_splits():
    paths = list((ROOT / "CompressionTrainer" / "CompressionTrainerLib" / "data" / "splits").glob("*.json"))
    assert paths
    for path in paths:
        check("split", read(path))
    for entry in ({"ct": "a.nii"}, {"ct": "a.nii", "holds": "all"}):
        with pytest.raises(ValidationError):
            check("split", {"name": "x", "patients": {}, "sha256": {}, "cases": {"a": entry}})


@pytest.mark.parametrize("options", [(), ("--split", "slice"), ("--folds", "2")], ids=["patient", "slice", "folds"])
def test_a_written_split(tmp_path, options):
    make_lits(tmp_path / "data", [(3, 4)] * 8)
    assert main(["prepare", str(tmp_path / "data"), "--out", str(tmp_path / "out"), *options]) == 0
    written = [*tmp_path.glob("out/split.json"), *tmp_path.glob("out/fold-*.json")]
    assert written
    for path in written:
        split = read(path)
        check("split", split)
        with pytest.raises(ValidationError):
            check("split", split | {"kind": "scan"})
        with pytest.raises(ValidationError):
            check("split", {name: value for name, value in split.items() if name not in ("cases", "files")})


@pytest.mark.parametrize("options", [RunOptions(), RunOptions(tumor_threshold=0.4, threads=1, keep_probabilities=True)])
def test_a_job(tmp_path, options):
    liver = np.zeros((2, 4, 4), np.uint8) if options.threads else None
    job = read(write_job(tmp_path, "segment", CTVolume(np.zeros((2, 4, 4), np.int16), np.eye(4)), options, liver=liver))
    check("job", job)
    for wrong in (
        {"volume": job["volume"] | {"ijk_to_ras": [[1]]}},
        {"entry": "os.system"},
        {"options": {"roi_margin_mm": -1}},
    ):
        with pytest.raises(ValidationError):
            check("job", job | wrong)


def test_a_job_that_reads_for_itself(tmp_path):
    job = read(write_job(tmp_path, "segment", Source(("/data/ct.nii", None)), RunOptions()))
    check("job", job)
    with pytest.raises(ValidationError):
        check("job", job | {"volume": {"ijk_to_ras": np.eye(4).tolist(), "name": "both", "notes": []}})


def test_a_written_summary(tmp_path):
    volume, _ = make_phantom(seed=1, shape=(24, 128, 128), spacing_mm=(3.0, 3.0, 10.0))
    write_volume(tmp_path / "ct.nii.gz", volume.array, volume.ijk_to_ras)
    assert (
        main(["segment", str(tmp_path / "ct.nii.gz"), "--out", str(tmp_path / "out"), "--no-picture", "--quiet"]) == 0
    )
    summary = read(tmp_path / "out" / "ct" / "summary.json")
    check("summary", summary)
    case = summary["case"]
    assert case["lesions"] and case["slices"], "a case without lesions shows little"
    for wrong in (
        {"lesions": [case["lesions"][0] | {"volume_ml": "1 ml"}]},
        {"slices": [case["slices"][0] | {"probability": 1.5}]},
    ):
        with pytest.raises(ValidationError):
            check("summary", summary | {"case": case | wrong})
