"""Importing the library or a module file loads nothing heavy: Slicer starts quickly and meets no TensorFlow in its
process."""

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import LiverTumorLib
import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {
    "tensorflow",
    "tf_keras",
    "keras",
    "ai_edge_litert",
    "onnxruntime",
    "nibabel",
    "sklearn",
    "SimpleITK",
    "pydicom",
    "highdicom",
    "matplotlib",
}
# Of the node.
NODE = {"pynetdicom", "starlette", "uvicorn", "jinja2", "prometheus_client", "dicomweb_client"}
# What runs in a process, or an environment, of its own, and what is imported only as an extra is asked for.
APART = ("LiverTumorLib.node.", "LiverTumorLib.view.", "LiverTumorLib.dicom.objects")
NEEDS_SLICER = ("LiverTumorLib.mrml", "LiverTumorLib.panel")
MODULE_FILES = ("LiverTumorClassifier", "LiverSegmentationMobileUNet", "CompressionTrainer")


def loaded_by(code: str) -> set[str]:
    """Top-level packages in memory after `code` in a fresh interpreter."""
    paths = [str(ROOT / module) for module in MODULE_FILES] + [str(Path(__file__).parent)]
    script = (
        f"import sys, json; sys.path[:0] = {paths!r}\n{code}\nprint(json.dumps(sorted({{m.partition('.')[0] for m in "
        f"sys.modules}})))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout.splitlines()[-1]))


def library_modules() -> list[str]:
    names = [
        module.name
        for module in pkgutil.walk_packages(LiverTumorLib.__path__, "LiverTumorLib.", onerror=lambda name: None)
    ]
    return ["LiverTumorLib", *(name for name in names if not name.endswith("__main__"))]


def test_the_library_loads_nothing_heavy_and_no_slicer():
    modules = [name for name in library_modules() if not name.startswith(NEEDS_SLICER + APART)]
    assert len(modules) > 20
    loaded = loaded_by("".join(f"import {name}\n" for name in modules))
    assert loaded & (HEAVY | NODE | {"slicer", "vtk", "vtkmodules", "scipy"}) == set()


def test_the_command_line_leaves_numpy_to_its_child():
    """Each process pays for what it imports, and memory too."""
    loaded = loaded_by(
        "import LiverTumorLib.cli as cli\ncli.build_parser('segment')\n"
        "import LiverTumorLib.batch.cases, LiverTumorLib.batch.runner, LiverTumorLib.models.licenses"
    )
    assert loaded & (HEAVY | {"numpy", "scipy", "CompressionTrainerLib"}) == set()


def test_what_a_run_needs_is_loaded_ahead():
    """While a file is read, so that no stage waits for a library."""
    loaded = loaded_by(
        "from LiverTumorLib.pipelines.segmentation import load_ahead, segment_case\n"
        "from LiverTumorLib.phantom import make_phantom\n"
        "volume, _ = make_phantom(shape=(40, 96, 96))\n"
        "load_ahead()\n"
        "before = {m for m in sys.modules if m.startswith(('scipy.', 'ai_edge_litert'))}\n"
        "lesions = segment_case(volume).result.lesions\n"
        "late = {m for m in sys.modules if m.startswith(('scipy.', 'ai_edge_litert'))} - before\n"
        "assert lesions and not late, (lesions, late)"
    )
    assert {"scipy", "ai_edge_litert"} <= loaded


def test_the_node_loads_no_inference_and_no_slicer():
    pytest.importorskip("pynetdicom", reason="the packages of the node are not installed")
    modules = [name for name in library_modules() if name.startswith("LiverTumorLib.node.")]
    assert len(modules) > 10
    loaded = loaded_by("".join(f"import {name}\n" for name in modules))
    assert loaded & ((HEAVY - {"pydicom"}) | {"slicer", "vtk", "vtkmodules", "scipy"}) == set()


def test_the_mrml_part_loads_nothing_heavy():
    pytest.importorskip("slicer_core", reason="slicer-core is not installed")
    modules = [name for name in library_modules() if name.startswith(NEEDS_SLICER)]
    assert len(modules) > 5
    imports = "".join(f"import {name}\n" for name in modules)
    assert loaded_by(f"import slicer_standin; slicer_standin.install()\n{imports}") & HEAVY == set()


def test_the_trainers_panel_loads_nothing_heavy():
    """TensorFlow stays out of Slicer's process."""
    pytest.importorskip("slicer_core", reason="slicer-core is not installed")
    folders = [ROOT / "CompressionTrainer" / "CompressionTrainerLib" / part for part in ("mrml", "panel")]
    names = [
        f"CompressionTrainerLib.{path.parent.name}.{path.stem}" for folder in folders for path in folder.glob("*.py")
    ]
    assert len(names) > 8
    imports = "".join(f"import {name.removesuffix('.__init__')}\n" for name in names)
    assert loaded_by(f"import slicer_standin; slicer_standin.install()\n{imports}") & HEAVY == set()


@pytest.mark.parametrize("module", MODULE_FILES)
def test_a_module_file_loads_nothing_heavy(module):
    pytest.importorskip("slicer_core", reason="slicer-core is not installed")
    loaded = loaded_by(f"import slicer_standin; slicer_standin.install()\nimport {module}")
    assert loaded & HEAVY == set()
    assert "LiverTumorLib" not in loaded  # it may lie in a folder that Slicer knows only when all modules are found


def test_a_panel_opens_without_what_its_folded_parts_need():
    """They are made when the panel has been painted; Slicer's window stands still until then."""
    pytest.importorskip("slicer_core", reason="slicer-core is not installed")
    parts = ["batch", "dicom", "followup", "jobs", "report", "mrml.history", "mrml.results", "mrml.segmentations"]
    parts += ["mrml.worklist", "panel.consent", "panel.worklist"]
    later = tuple(f"LiverTumorLib.{part}" for part in parts)
    loaded_by(
        "import slicer_standin; slicer_standin.install()\nimport LiverTumorLib.panel.segmentation\n"
        f"later = {{name for name in sys.modules if name.startswith({later})}}\n"
        "assert not later, later"
    )


def test_all_that_the_mrml_part_offers_is_there():
    """It is loaded as it is asked for."""
    pytest.importorskip("slicer_core", reason="slicer-core is not installed")
    modules = "".join(f"import {name}\n" for name in library_modules() if name.startswith("LiverTumorLib.mrml."))
    loaded_by(
        f"import slicer_standin; slicer_standin.install()\n{modules}import LiverTumorLib.mrml as mrml\n"
        "assert all(callable(getattr(mrml, name)) for name in mrml.__all__)"
    )
