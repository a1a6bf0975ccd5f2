"""The module files as Slicer meets them: they load, say what they are, keep their parameters, and their panels fit
them."""

import importlib
import re
import tomllib
import unittest
from pathlib import Path
from typing import get_type_hints
from xml.etree import ElementTree

import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")

import slicer
import slicer_standin
from LiverTumorLib.models.catalogue import list_bundles
from mrml_scene import add_ct, new_scene

ROOT = Path(__file__).parents[2]
MODULES = ("LiverTumorClassifier", "LiverSegmentationMobileUNet", "CompressionTrainer")
WITH_RUNS = MODULES[:2]
PANEL_FILES = {
    "LiverTumorClassifier": (
        "panel.py",
        "run_control.py",
        "classification.py",
        "slice_results.py",
        "live.py",
        "evidence.py",
    ),
    "LiverSegmentationMobileUNet": ("panel.py", "run_control.py", "segmentation.py", "segmentation_results.py"),
    "CompressionTrainer": ("run_control.py",),
}


@pytest.fixture
def scene():
    return new_scene()


def load(name: str):
    return importlib.import_module(name)


def wrapper(name: str):
    """The module's parameter node as its logic gives it."""
    return getattr(load(name), f"{name}Logic")().getParameterNode()


def forms(name: str) -> dict[str, ElementTree.Element]:
    """The module's form and the parts of it that have files of their own, by the files' names."""
    files = (ROOT / name / "Resources" / "UI").glob("*.ui")
    return {file.stem: ElementTree.parse(file).getroot() for file in files}


def widgets_of(name: str) -> list[ElementTree.Element]:
    """All widgets of the module's panel but the forms themselves."""
    return [widget for form in forms(name).values() for widget in form.find("widget").iterfind(".//widget")]


def parameters_in(widgets: list[ElementTree.Element]) -> dict[str, str]:
    """Class of the widget connected to each parameter."""
    found = {}
    for widget in widgets:
        for prop in widget.findall("property"):
            if prop.get("name") == "SlicerParameterName":
                found[prop.findtext("string")] = widget.get("class")
    return found


@pytest.mark.parametrize("name", MODULES)
def test_the_module_says_what_it_is(name):
    pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")
    from slicer_standin import application

    parent = slicer_standin.ModuleParent(load(name).__file__)
    with application.running():
        module = getattr(load(name), name)(parent)
    assert module.moduleName == name
    assert parent.title and parent.helpText
    assert parent.categories == ["Segmentation"]
    assert parent.contributors == ["LiverTumor developers (SlicerLiverTumor)"]
    assert "not a medical device" in parent.helpText
    for source in ("Mobile U-Net", "MobileNetV2", "LiTS"):
        assert source in parent.acknowledgementText
    assert set(parent.dependencies) <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_the_module_has_slicers_four_classes(name):
    for ending in ("", "Widget", "Logic", "Test"):
        base = getattr(slicer.ScriptedLoadableModule, f"ScriptedLoadableModule{ending}")
        assert issubclass(getattr(load(name), name + ending), base)


@pytest.mark.parametrize("name", WITH_RUNS)
def test_choices_are_kept_in_the_scene(scene, name):
    ct = add_ct(scene)
    wrapper(name).inputVolume = ct
    assert wrapper(name).inputVolume is ct
    assert scene.GetNumberOfNodesByClass("vtkMRMLScriptedModuleNode") == 1


def test_defaults_and_changes_of_switches(scene):
    parameters = wrapper("LiverSegmentationMobileUNet")
    assert parameters.tumor is True
    parameters.tumor = False
    assert wrapper("LiverSegmentationMobileUNet").tumor is False
    assert wrapper("LiverSegmentationMobileUNet").slices is True


@pytest.mark.parametrize("name", MODULES)
def test_the_panel_connects_every_parameter_to_a_fitting_widget(name):
    types = get_type_hints(getattr(load(name), f"{name}ParameterNode"))
    connected = parameters_in(widgets_of(name))
    # Model ids are chosen otherwise.
    assert connected.keys() == {parameter for parameter, kind in types.items() if kind is not str}
    widgets = {bool: "QCheckBox", int: "QSpinBox", float: "QDoubleSpinBox"}
    for parameter, widget in connected.items():
        assert widget == widgets.get(types[parameter], "qMRMLNodeComboBox")


@pytest.mark.parametrize("name", WITH_RUNS)
def test_every_node_selector_is_given_the_scene(name):
    for form, ui in forms(name).items():
        assert ui.findtext("class") == ui.find("widget").get("name") == form
        selectors = {widget.get("name") for widget in ui.iter("widget") if widget.get("class") == "qMRMLNodeComboBox"}
        connections = {
            (form, "mrmlSceneChanged(vtkMRMLScene*)", each, "setMRMLScene(vtkMRMLScene*)") for each in selectors
        }
        parts = ("sender", "signal", "receiver", "slot")
        assert {tuple(map(made.findtext, parts)) for made in ui.iter("connection")} == connections


@pytest.mark.parametrize("name", MODULES)
def test_the_parts_of_a_panel_name_their_widgets_differently(name):
    """They are used as one form, in which one would take the place of the other."""
    names = [
        each.get("name") for form in forms(name).values() for each in form.iter() if each.tag in ("widget", "layout")
    ]
    assert len(names) == len(set(names)) > 0


@pytest.mark.parametrize("name", MODULES)
def test_every_input_of_the_panel_is_explained(name):
    for widget in widgets_of(name):
        if widget.get("class") not in ("QLabel", "qMRMLWidget", "ctkCollapsibleButton", "ctkSliderWidget"):
            assert any(prop.get("name") == "toolTip" for prop in widget.findall("property")), widget.get("name")


@pytest.mark.parametrize("name", MODULES)
def test_widgets_used_by_the_code_are_in_the_panel(name):
    named = {widget.get("name") for widget in widgets_of(name)}
    files = [
        ROOT / name / f"{name}.py",
        *(ROOT / "LiverTumorClassifier/LiverTumorLib/panel" / file for file in PANEL_FILES.get(name, ())),
    ]
    files += (ROOT / name).glob(f"{name}Lib/panel/*.py")
    used = {used for file in files for used in re.findall(r"\b_?ui\.(\w+)", file.read_text(encoding="utf-8"))}
    assert used <= named
    assert used


@pytest.mark.parametrize("name", MODULES)
def test_the_icon_has_slicers_size(name):
    image = pytest.importorskip("PIL.Image")
    with image.open(ROOT / name / "Resources" / "Icons" / f"{name}.png") as icon:
        assert icon.size == (128, 128)
        assert icon.mode == "RGBA"


@pytest.mark.parametrize("name", WITH_RUNS)
def test_requirements_are_what_the_package_needs(name):
    """The panels install for inference what pip installs with the library, less what Slicer brings."""
    import slicer.packaging
    from packaging.requirements import Requirement

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    expected = {str(Requirement(text)) for text in declared if not text.startswith(("numpy", "scipy"))}
    file = ROOT / name / "Resources" / f"{name}Requirements.txt"
    assert {str(requirement) for requirement in slicer.packaging.load_requirements(file)} == expected


def test_requirements_of_the_trainer_are_those_of_its_extra():
    import slicer.packaging
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    declared = [
        Requirement(text)
        for text in (*project["dependencies"], *extras["files"], *extras["evaluate"], *extras["train"])
    ]
    listed = slicer.packaging.load_requirements(
        ROOT / "CompressionTrainer/Resources/CompressionTrainerRequirements.txt"
    )
    for requirement in declared:
        if requirement.name != "livertumor":
            (found,) = [each for each in listed if each.name == requirement.name]
            assert set(requirement.specifier) <= set(found.specifier), requirement
    assert {each.name for each in listed} == {each.name for each in declared} - {"livertumor"}


def test_resources_of_the_modules_do_not_collide():
    """Installed, all modules share one folder."""
    names = [
        path.relative_to(ROOT / name)
        for name in MODULES
        for path in (ROOT / name / "Resources").rglob("*")
        if path.is_file()
    ]
    assert len(names) == len(set(names)) > 0


def test_the_stand_in_is_honest(scene):
    """What it does not have raises, so that nothing is tested against air."""
    with pytest.raises(AttributeError):
        slicer.app  # noqa: B018
    with pytest.raises(AttributeError):
        importlib.import_module("slicer.packaging").pip_install  # noqa: B018
    parameters = wrapper("LiverSegmentationMobileUNet")
    with pytest.raises(AttributeError, match="no parameter 'tumors'"):
        parameters.tumors = True
    with pytest.raises(TypeError):
        parameters.tumor = "yes"
    with pytest.raises(AttributeError):
        slicer_standin.ModuleParent("x").titel = "x"
    with pytest.raises(RuntimeError, match="needs the Slicer application"):
        load("LiverTumorClassifier").LiverTumorClassifierWidget()


@pytest.mark.parametrize("name", MODULES)
def test_slicers_self_test_of_the_module_passes(scene, name):
    """The real networks on the phantom, through the logic."""
    missing = {"liver-roi", "liver-tumor", "tumor-slice"} - {bundle.id for bundle in list_bundles()}
    if missing and name in WITH_RUNS:
        pytest.skip(f"the models {', '.join(sorted(missing))} are not there yet")
    suite = unittest.TestLoader().loadTestsFromTestCase(getattr(load(name), f"{name}Test"))
    result = unittest.TestResult()
    suite.run(result)
    assert result.testsRun == 2
    assert not result.failures + result.errors, result.failures + result.errors
