"""Models, and what the program itself and the trainer write and read: small valid files, and what reads them."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

from mutate import mutate_json
from scan_targets import MATRIX, ct, labels
from target import Changed, Target


def _manifest(folder: Path) -> Path:
    from LiverTumorLib.models.catalogue import SHIPPED

    shutil.copytree(SHIPPED / "tumor-slice", folder / "model")
    return folder / "model" / "manifest.json"


def _take_manifest(path: Path) -> None:
    from LiverTumorLib.models.bundle import load_bundle

    bundle = load_bundle(path.parent)
    bundle.verify()
    json.dumps([bundle.describe(), bundle.card, bundle.manifest.to_dict()])


def _model(folder: Path) -> Path:
    _manifest(folder)
    return folder / "model" / "model.tflite"


def _take_model(path: Path) -> None:
    from LiverTumorLib.errors import ModelError
    from LiverTumorLib.models.bundle import load_bundle
    from LiverTumorLib.models.catalogue import SHIPPED

    original = (SHIPPED / "tumor-slice" / path.name).read_bytes()
    try:
        load_bundle(path.parent).verify()
    except ModelError:
        return
    if path.read_bytes() != original:
        raise Changed(path.name)


def _job(folder: Path) -> Path:
    from LiverTumorLib.ct import CTVolume
    from LiverTumorLib.jobs import write_job
    from LiverTumorLib.records.options import RunOptions

    return write_job(folder, "segment", CTVolume(ct(), MATRIX), RunOptions(), liver=labels())


def _source_job(folder: Path) -> Path:
    from LiverTumorLib.jobs import Source, write_job
    from LiverTumorLib.records.options import RunOptions

    return write_job(folder, "segment", Source(("/ct.nii", None), name="ct"), RunOptions())


def _take_job(path: Path) -> None:
    from LiverTumorLib.jobs.protocol import read_job

    read_job(path.parent / "job.json")


def _voxels(folder: Path) -> Path:
    return _job(folder).parent / "volume.npy"


def _events(folder: Path) -> Path:
    events = [
        {"event": "progress", "stage": "liver", "fraction": 0.5, "message": "m", "remaining_s": 3.0},
        {"event": "file", "path": "/ct.nii"},
        {"event": "error", "kind": "InputError", "message": "m"},
        {"event": "result", "folder": "/output"},
    ]
    (folder / "events").write_text("".join(json.dumps(event) + "\n" for event in events))
    return folder / "events"


def _take_events(path: Path) -> None:
    from LiverTumorLib.jobs import JobState

    state = JobState()
    state.feed(path.read_bytes())
    f"{state.fraction:.1f} {state.stage} {state.message} {state.result_folder} {state.error} {state.file}".encode(
        "utf-8", "replace"
    )


def _mutate_lines(content: bytes, random: Random) -> bytes:
    lines = content.splitlines(keepends=True)
    at = random.randrange(len(lines))
    lines[at] = mutate_json(lines[at], random) + b"\n"
    return b"".join(lines)


def _output(folder: Path) -> Path:
    import job_tasks
    from LiverTumorLib.ct import CTVolume
    from LiverTumorLib.jobs.protocol import save_output
    from LiverTumorLib.records.options import RunOptions, no_progress

    save_output(job_tasks.whole(CTVolume(ct(), MATRIX), RunOptions(), no_progress), folder)
    return folder / "result.json"


def _take_output(path: Path) -> None:
    from LiverTumorLib.jobs import load_output

    load_output(path.parent)


def _options(folder: Path) -> Path:
    from LiverTumorLib.records.options import RunOptions

    (folder / "options.json").write_text(json.dumps(RunOptions(liver_threshold=0.5, threads=2).to_dict()))
    return folder / "options.json"


def _take_options(path: Path) -> None:
    from LiverTumorLib.files import read_json
    from LiverTumorLib.records.options import RunOptions

    try:
        data = read_json(path)
    except ValueError:
        return
    if isinstance(data, dict):
        json.dumps(RunOptions.from_dict(data).to_dict())


def _shipped_config(*parts: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        import CompressionTrainerLib

        return Path(shutil.copy(Path(CompressionTrainerLib.__file__).parent.joinpath(*parts), folder / "config.toml"))

    return make


def _take_config(path: Path) -> None:
    from CompressionTrainerLib.training.config import load_config

    load_config(path)


def _split(folder: Path) -> Path:
    from CompressionTrainerLib.stages.evaluate import SPLIT

    return Path(shutil.copy(SPLIT, folder / "split.json"))


def _slice_split(folder: Path) -> Path:
    content = {
        "name": "s",
        "kind": "slice",
        "patients": {"train": [["a"]], "val": [["a"]], "test": [["b"]]},
        "cases": {name: {"ct": f"{name}.nii", "mask": f"{name}_seg.nii"} for name in "ab"},
        "slices": {"train": {"a": [0, 1]}, "val": {"a": [2]}, "test": {"b": [0, 3]}},
        "tumor_slices": {"a": [1], "b": [3]},
    }
    (folder / "split.json").write_text(json.dumps(content))
    return folder / "split.json"


def _take_split(path: Path) -> None:
    from CompressionTrainerLib.data.splits import load_split

    split = load_split(path, path.parent)
    split.refitted()
    for case in split.cases["train"]:
        split.ct_sha256(case)


def _layout(folder: Path) -> Path:
    content = {"labels": {"0": "background", "1": "liver", "2": "cancer"}}
    content["training"] = [{"image": f"./imagesTr/{name}.nii", "label": f"./labelsTr/{name}.nii"} for name in "ab"]
    (folder / "dataset.json").write_text(json.dumps(content))
    for place in ("imagesTr", "labelsTr"):
        (folder / place).mkdir()
        for name in "ab":
            (folder / place / f"{name}.nii").touch()
    return folder / "dataset.json"


def _take_layout(path: Path) -> None:
    from CompressionTrainerLib.data.layouts import find_cases

    "\n".join(map(str, find_cases(path.parent).problems)).encode("utf-8", "replace")


def _summary(folder: Path) -> Path:
    import job_tasks
    from LiverTumorLib.batch.folder import make_origin, write_files, write_summary
    from LiverTumorLib.ct import CTVolume
    from LiverTumorLib.records.options import RunOptions, no_progress

    output = job_tasks.whole(CTVolume(ct(), MATRIX), RunOptions(), no_progress)
    write_files(folder, "a", output, MATRIX, nifti=False)
    taken_from = {"path": "/a.nii", "files": 1, "bytes": 2, "modified_ns": 3}
    write_summary(folder, output, make_origin("segment", taken_from, RunOptions().to_dict(), [], {}), 1.0)
    return folder / "summary.json"


def _take_summary(path: Path) -> None:
    from LiverTumorLib.batch.folder import changed_files, check_free, edited_files, read_summary
    from LiverTumorLib.batch.table import TABLE_COLUMNS, done_rows
    from LiverTumorLib.errors import OutputError
    from LiverTumorLib.files import write_table

    summary = read_summary(path.parent)
    if summary is not None:
        edited_files(path.parent, summary, changed_files(path.parent, summary))
    with contextlib.suppress(OutputError):
        check_free(path.parent, "a", overwrite=False)
    write_table(path.parent.parent / "cases.csv", list(done_rows(path.parent.parent).values()), TABLE_COLUMNS)


def _nested(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
    """In a folder of its own below the given one."""

    def make_below(folder: Path) -> Path:
        (folder / "a").mkdir()
        return make(folder / "a")

    return make_below


RECORDS = (
    Target("manifest", _manifest, _take_manifest, mutate_json),
    Target("model", _model, _take_model),
    Target("job", _job, _take_job, mutate_json),
    Target("job-source", _source_job, _take_job, mutate_json),
    Target("job-voxels", _voxels, _take_job),
    Target("events", _events, _take_events, _mutate_lines),
    Target("output", _output, _take_output, mutate_json),
    Target("options", _options, _take_options, mutate_json),
    Target("config", _shipped_config("training", "configs", "tumor-slice.toml"), _take_config),
    Target("split", _split, _take_split, mutate_json),
    Target("split-slices", _slice_split, _take_split, mutate_json),
    Target("layout", _layout, _take_layout, mutate_json),
    Target("summary", _nested(_summary), _take_summary, mutate_json),
)
