"""Bundles: what is refused before it is used, and where models are found."""

import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
from LiverTumorLib.ct.canvas import InputSpec
from LiverTumorLib.errors import Cancelled, ModelError, OutputError, RequirementError, UsageError
from LiverTumorLib.models.bundle import MODEL, ONNX, load_bundle, write_bundle
from LiverTumorLib.models.catalogue import SHIPPED, get_bundle, list_bundles
from LiverTumorLib.models.fastest import MEMORY
from LiverTumorLib.models.manifest import Manifest
from LiverTumorLib.models.session import open_session


def _manifest(**changes) -> Manifest:
    base = Manifest("mine", "1.0", "Mine", "liver", InputSpec((32, 32), 4.0), 0.5, {}, "mine alone")
    return replace(base, **changes)


@pytest.fixture
def user_models(tmp_path, monkeypatch):
    folder = tmp_path / "models"
    monkeypatch.setenv("LIVERTUMOR_MODELS", str(folder))
    return folder


def _edit(bundle, **changes):
    path = bundle.folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_bundle_comes_back_as_it_was_written(tmp_path):
    written = write_bundle(tmp_path / "mine", _manifest(), {MODEL: b"weights", "card.md": b"# Mine"})
    read = load_bundle(tmp_path / "mine")
    assert read.manifest == written.manifest
    assert read.card == "# Mine"
    assert read.manifest.files[MODEL]["bytes"] == 7
    read.verify()


def test_a_changed_weight_is_refused(tmp_path):
    bundle = write_bundle(tmp_path / "mine", _manifest(), {MODEL: b"weights"})
    bundle.model.write_bytes(b"Weights")
    with pytest.raises(ModelError, match=r"model\.tflite is damaged"):
        bundle.verify()


def test_a_missing_weight_is_refused(tmp_path):
    bundle = write_bundle(tmp_path / "mine", _manifest(), {MODEL: b"weights"})
    bundle.model.unlink()
    with pytest.raises(ModelError, match=r"lacks its file model\.tflite"):
        bundle.verify()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 99}, "newer than this software knows"),
        ({"schema": "1"}, "is not a model manifest"),
        ({"task": "spleen"}, "unknown task 'spleen'"),
        ({"threshold": 1.5}, "threshold 1.5"),
        ({"surprise": 1}, "unknown field 'surprise'"),
        ({"input": {"size": [32, 32], "spacing_mm": -1}}, "spacing_mm is -1; it must be from 0"),
        ({"input": {"size": [32, 32]}}, "spacing_mm"),
        ({"files": {"../model.tflite": {"sha256": "0"}}}, "points outside the bundle"),
        ({"files": {}}, "model.tflite"),
        (
            {"files": {"model.tflite": {"sha256": "0" * 64}, "model.onnx": None}},
            "the entry of model.onnx does not describe a file",
        ),
        ({"input": [1, 2]}, "not a valid model manifest"),
        ({"input": {"size": [32, 32], "spacing_mm": 4.0, "window_hu": [1]}}, "not a valid model manifest"),
        ({"title": 7}, "title is not text"),
    ],
)
def test_a_wrong_manifest_is_refused_in_one_sentence(tmp_path, changes, message):
    bundle = write_bundle(tmp_path / "mine", _manifest(), {MODEL: b"weights"})
    _edit(bundle, **changes)
    with pytest.raises(ModelError, match=message) as caught:
        load_bundle(bundle.folder)
    assert "\n" not in str(caught.value) and str(bundle.folder) in str(caught.value)


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_broken_manifest_file_is_refused(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ModelError, match=r"manifest\.json"):
        load_bundle(tmp_path)


def test_a_folder_without_manifest_is_no_bundle(tmp_path):
    with pytest.raises(ModelError, match="is not a model bundle"):
        load_bundle(tmp_path)


def test_a_users_bundle_is_listed_and_stands_before_a_shipped_one(user_models):
    write_bundle(user_models / "liver-roi", _manifest(id="liver-roi", title="My own"), {MODEL: b"weights"})
    assert get_bundle("liver-roi").title == "My own"
    assert [bundle.title for bundle in list_bundles() if bundle.id == "liver-roi"] == ["My own"]


def test_a_bundle_is_found_by_its_folder(tmp_path, user_models):
    write_bundle(tmp_path / "elsewhere", _manifest(), {MODEL: b"weights"})
    assert get_bundle(tmp_path / "elsewhere").id == "mine"


def test_an_unknown_model_is_named_with_those_installed(user_models):
    write_bundle(user_models / "mine", _manifest(), {MODEL: b"weights"})
    with pytest.raises(ModelError, match="'yours' is not installed; installed models: mine"):
        get_bundle("yours")


def test_a_damaged_bundle_says_so_when_asked_for_and_hides_no_other(user_models):
    bundle = write_bundle(user_models / "mine", _manifest(), {MODEL: b"weights"})
    write_bundle(user_models / "other", _manifest(id="other"), {MODEL: b"weights"})
    _edit(bundle, schema=99)
    assert "other" in [bundle.id for bundle in list_bundles()]
    with pytest.raises(ModelError, match="newer than this software knows"):
        get_bundle("mine")


def test_a_damaged_bundle_is_not_replaced_by_a_shipped_one_in_silence(tmp_path, user_models, monkeypatch):
    monkeypatch.setattr("LiverTumorLib.models.catalogue.SHIPPED", tmp_path / "shipped")
    write_bundle(tmp_path / "shipped" / "mine", _manifest(), {MODEL: b"weights"})
    bundle = write_bundle(user_models / "mine", _manifest(title="My own"), {MODEL: b"weights"})
    assert get_bundle("mine").title == "My own"
    _edit(bundle, schema=99)
    with pytest.raises(ModelError, match="newer than this software knows"):
        get_bundle("mine")


def test_weights_that_are_no_network_are_refused(tmp_path):
    bundle = write_bundle(tmp_path / "mine", _manifest(), {MODEL: b"this is not a flatbuffer"})
    with pytest.raises(ModelError, match="not a network that LiteRT can run"):
        open_session(bundle)


def test_a_network_of_another_input_size_is_refused(tmp_path):
    shipped = get_bundle("liver-roi")
    shutil.copytree(shipped.folder, tmp_path / "mine")
    bundle = load_bundle(tmp_path / "mine")
    _edit(bundle, input={**bundle.manifest.to_dict()["input"], "size": [64, 64]})
    with pytest.raises(ModelError, match="its manifest says"):
        open_session(load_bundle(tmp_path / "mine"))


@pytest.mark.parametrize("name", ["liver-roi", "liver-tumor", "tumor-slice"])
def test_shipped_bundles_are_whole_small_and_say_what_they_are(name):
    bundle = load_bundle(SHIPPED / name)
    bundle.verify()
    assert bundle.id == name
    assert bundle.manifest.files[MODEL]["bytes"] <= 3_000_000
    assert bundle.manifest.files[MODEL]["quantization"].startswith("int8")
    trained_on = {str(case) for cases in bundle.manifest.training["cases"].values() for case in cases}
    assert trained_on and not {"3", "18", "36", "39", "41", "48"} & trained_on, "a test patient was trained on"
    assert bundle.manifest.training["commit"]
    assert "Research use" in bundle.card and bundle.manifest.license.startswith("Research use only")


def test_threads_do_not_change_the_answer():
    bundle = get_bundle("liver-roi")
    images = np.random.default_rng(0).integers(0, 255, (5, *bundle.manifest.input.size, 3), np.uint8)
    assert np.array_equal(open_session(bundle, 1).predict(images), open_session(bundle, 3).predict(images))


def test_slices_are_made_as_the_networks_get_to_them_and_answered_in_order():
    bundle = get_bundle("liver-roi")
    session = open_session(bundle, 2)
    images = np.random.default_rng(0).integers(0, 255, (12, *bundle.manifest.input.size, 3), np.uint8)
    made = []

    def shown(stop: int):
        for number, image in enumerate(images):
            if number == stop:
                raise Cancelled("stopped")
            made.append(number)
            yield image

    answers = session.predict_each(shown(12))
    first = next(answers)
    assert len(made) < len(images), "all were made before the first answer"
    assert np.array_equal(np.stack([first[0], *(each[0] for each in answers)]), session.predict(images))
    with pytest.raises(Cancelled):
        list(session.predict_each(shown(7)))
    assert len(session.predict(images)) == len(images), "a stopped run leaves its networks to the next"


def test_the_fastest_runtime_is_measured_once_and_only_where_it_is_asked_for(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    monkeypatch.setenv("LIVERTUMOR_MODELS", str(tmp_path))
    bundle, memory = get_bundle(SHIPPED / "liver-roi"), tmp_path / MEMORY
    assert open_session(bundle, 1).runtime == "LiteRT" and not memory.exists()

    monkeypatch.setenv("LIVERTUMOR_RUNTIME", "fastest")
    measured = open_session(bundle, 1).runtime
    [(key, title)] = json.loads(memory.read_text(encoding="utf-8")).items()
    assert title == measured and bundle.manifest.files[MODEL]["sha256"] in key

    for other in ("LiteRT", "ONNX Runtime"):  # what is remembered decides, so nothing is measured again
        memory.write_text(json.dumps({key: other}), encoding="utf-8")
        assert open_session(bundle, 1).runtime == other
    memory.write_text("{", encoding="utf-8")
    assert open_session(bundle, 1).runtime == measured

    only = write_bundle(tmp_path / "mine", bundle.manifest, {MODEL: bundle.model.read_bytes()})
    assert open_session(only, 1).runtime == "LiteRT", "it has no file for ONNX Runtime"


def test_a_runtime_that_cannot_run_the_network_is_not_the_fastest(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    monkeypatch.setenv("LIVERTUMOR_MODELS", str(tmp_path))
    monkeypatch.setenv("LIVERTUMOR_RUNTIME", "fastest")
    bundle = get_bundle(SHIPPED / "liver-roi")
    files = {MODEL: b"no network", ONNX: (bundle.folder / ONNX).read_bytes()}
    assert open_session(write_bundle(tmp_path / "mine", bundle.manifest, files), 1).runtime == "ONNX Runtime"


def test_a_model_without_onnx_says_so_where_onnx_runtime_is_to_run_it(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    bundle = write_bundle(tmp_path / "mine", _manifest(), {MODEL: b"weights"})
    monkeypatch.setenv("LIVERTUMOR_RUNTIME", "onnx")
    with pytest.raises(
        ModelError, match=r"Model 'mine' in .* has no model\.onnx, which ONNX Runtime needs; install ai-edge-litert"
    ) as caught:
        open_session(bundle)
    assert "\n" not in str(caught.value)


def test_an_onnx_file_that_is_no_network_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    bundle = write_bundle(tmp_path / "mine", _manifest(), {MODEL: b"weights", ONNX: b"this is not a graph"})
    monkeypatch.setenv("LIVERTUMOR_RUNTIME", "onnx")
    with pytest.raises(ModelError, match="not a network that ONNX Runtime can run") as caught:
        open_session(bundle)
    assert "\n" not in str(caught.value)


def test_an_unknown_runtime_is_refused(tmp_path, monkeypatch):
    bundle = write_bundle(tmp_path / "mine", _manifest(), {MODEL: b"weights"})
    monkeypatch.setenv("LIVERTUMOR_RUNTIME", "openvino")
    with pytest.raises(
        UsageError, match="LIVERTUMOR_RUNTIME is 'openvino'; it must be litert, onnx or fastest, or not"
    ):
        open_session(bundle)


@pytest.mark.parametrize(("wanted", "package"), [("", "ai-edge-litert or onnxruntime"), ("onnx", "onnxruntime")])
def test_without_a_runtime_one_sentence_says_what_to_install(tmp_path, monkeypatch, wanted, package):
    bundle = write_bundle(tmp_path / "mine", _manifest(), {MODEL: b"weights"})
    monkeypatch.setenv("LIVERTUMOR_RUNTIME", wanted)
    for module in ("ai_edge_litert", "ai_edge_litert.interpreter", "onnxruntime"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        RequirementError, match=f"The package {package}, which runs the models, cannot be loaded .*; run 'pip install"
    ):
        open_session(bundle)


def test_a_bundle_that_cannot_be_written_leaves_the_old_one_whole(tmp_path):
    bundle = write_bundle(tmp_path / "mine", _manifest(), {MODEL: b"weights"})
    (bundle.folder / ONNX).mkdir()  # a folder where the file would go
    with pytest.raises(OutputError, match=r"model\.onnx cannot be written"):
        write_bundle(bundle.folder, _manifest(), {MODEL: b"weights", ONNX: b"graph"})
    assert load_bundle(bundle.folder).manifest == bundle.manifest
