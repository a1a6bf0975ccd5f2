"""Tables have typed columns with units, and the plot shows the probabilities over S."""

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")

import slicer
from LiverTumorLib.mrml.plots import plot_probability
from LiverTumorLib.mrml.tables import fill_lesion_table, fill_slice_table, fill_summary_table
from LiverTumorLib.records.columns import LESION_COLUMNS
from LiverTumorLib.records.results import CaseSummary, Lesion, SliceRecord
from mrml_scene import add_ct, new_scene

LESIONS = [
    Lesion(1, 4.25, 22.5, 17.0, 40, 61.5, 9.25, (-55.0, 20.5, 101.25), 36, 44, 7.5, 0.875),
    Lesion(2, 0.5, 9.0, 8.0, 12, 48.0, 11.0, (10.0, -3.0, 31.0), 11, 13, 0.0, 0.5),
]
SLICES = [
    SliceRecord(0, -200.0, "no liver", 0.0, 0.0, 0.0),
    SliceRecord(1, -197.5, "liver", 0.75, 5000.5, 120.25),
    SliceRecord(2, -195.0, "liver", 0.5, 4000.0, 0.0),
]
SUMMARY = CaseSummary(1500.5, 4.75, 0.3166, 2, 22.5, [1, 2], ["A slice was missing.", "It was interpolated."])


@pytest.fixture
def scene():
    return new_scene()


@pytest.fixture
def table(scene):
    return scene.AddNewNodeByClass("vtkMRMLTableNode", "table")


def column(node, name: str) -> list:
    array = node.GetTable().GetColumnByName(name)
    return [array.GetValue(row) for row in range(array.GetNumberOfValues())]


def kinds(node) -> dict[str, str]:
    """Class of each column, by name."""
    arrays = [node.GetTable().GetColumn(index) for index in range(node.GetNumberOfColumns())]
    return {array.GetName(): array.GetClassName() for array in arrays}


def test_lesions(table):
    fill_lesion_table(table, LESIONS)
    whole = {"id", "diameter_slice", "first_slice", "last_slice"}
    assert list(kinds(table)) == [column.name for column in LESION_COLUMNS]
    assert kinds(table) == {name: "vtkIntArray" if name in whole else "vtkDoubleArray" for name in kinds(table)}
    assert column(table, "id") == [1, 2]
    assert column(table, "centroid_a") == [20.5, -3.0]
    assert column(table, "volume_ml") == [4.25, 0.5]
    assert column(table, "last_slice") == [44, 13]


def test_titles_and_units_are_shown(table):
    fill_lesion_table(table, LESIONS)
    assert table.GetUseColumnTitleAsColumnHeader()
    titles = {name: table.GetColumnTitle(name) for name in kinds(table)}
    assert titles["longest_diameter_mm"] == "Longest axial diameter (mm)" and titles["sd_hu"] == "SD (HU)"
    units = {name: table.GetColumnUnitLabel(name) for name in kinds(table)}
    assert units["volume_ml"] == "ml"
    assert units["longest_diameter_mm"] == units["centroid_s"] == units["distance_to_surface_mm"] == "mm"
    assert units["mean_hu"] == "HU"
    for name, unit in units.items():
        assert (f"({unit})" in titles[name]) == bool(unit), name


def test_no_lesions_is_an_empty_table_with_all_columns(table):
    fill_lesion_table(table, [])
    assert table.GetNumberOfRows() == 0
    assert list(kinds(table)) == [column.name for column in LESION_COLUMNS]


def test_what_did_not_run_has_no_column(table):
    lesions = [Lesion(**{**vars(LESIONS[0]), "mean_probability": None})]
    fill_lesion_table(table, lesions)
    assert "mean_probability" not in kinds(table)
    fill_slice_table(table, [SliceRecord(0, 1.0, "unknown", 0.5)])
    assert list(kinds(table)) == ["index", "ras_s", "field", "probability"]


def test_a_single_missing_number_is_nan(table):
    fill_slice_table(table, [SLICES[0], SliceRecord(1, -197.5, "liver", None, 1.0, 1.0)])
    np.testing.assert_array_equal(column(table, "probability"), [0.0, np.nan])


def test_slices(table):
    fill_slice_table(table, SLICES)
    assert kinds(table) == {
        "index": "vtkIntArray",
        "ras_s": "vtkDoubleArray",
        "field": "vtkStringArray",
        "probability": "vtkDoubleArray",
        "liver_mm2": "vtkDoubleArray",
        "tumor_mm2": "vtkDoubleArray",
    }
    assert column(table, "field") == ["no liver", "liver", "liver"]
    np.testing.assert_array_equal(slicer.util.arrayFromTableColumn(table, "probability"), [0.0, 0.75, 0.5])


def test_summary(table):
    fill_summary_table(table, "Case 7", SUMMARY)
    assert table.GetNumberOfRows() == 1
    assert kinds(table)["lesion_count"] == "vtkIntArray"
    assert column(table, "name") == ["Case 7"]
    assert column(table, "tumor_burden_percent") == [0.3166]
    assert column(table, "suspicious_slices") == ["1, 2"]
    assert column(table, "notes") == ["A slice was missing. It was interpolated."]
    assert table.GetColumnUnitLabel("tumor_burden_percent") == "%"


def test_filling_again_replaces_everything(table):
    fill_lesion_table(table, LESIONS)
    fill_slice_table(table, SLICES)
    assert "volume_ml" not in kinds(table)
    assert table.GetNumberOfRows() == 3
    assert table.GetColumnUnitLabel("volume_ml") == ""


def test_types_and_units_survive_saving(scene, table, tmp_path):
    fill_slice_table(table, SLICES)
    storage = scene.AddNewNodeByClass("vtkMRMLTableStorageNode")
    storage.SetFileName(str(tmp_path / "slices.csv"))
    assert storage.WriteData(table) == 1
    read = scene.AddNewNodeByClass("vtkMRMLTableNode", "read")
    assert storage.ReadData(read) == 1
    numbers = {name: np.asarray(column(read, name)).dtype.kind for name in kinds(read) if name != "field"}
    assert numbers == {"index": "i", "ras_s": "f", "probability": "f", "liver_mm2": "f", "tumor_mm2": "f"}
    assert column(read, "liver_mm2") == column(table, "liver_mm2")
    assert read.GetColumnUnitLabel("ras_s") == "mm"


def test_plot(scene, table):
    ct = add_ct(scene)
    fill_slice_table(table, SLICES)
    chart = plot_probability(table, ct)
    assert (chart.GetTitle(), chart.GetXAxisTitle(), chart.GetYAxisTitle()) == (
        "Abdomen tumor probability",
        "S (mm)",
        "Tumor probability",
    )
    assert chart.GetYAxisRange() == (0, 1)
    assert not chart.GetYAxisRangeAuto()
    assert chart.GetNumberOfPlotSeriesNodes() == 1
    series = chart.GetNthPlotSeriesNode(0)
    assert series.GetTableNode() is table
    assert kinds(table)[series.GetXColumnName()] == kinds(table)[series.GetYColumnName()] == "vtkDoubleArray"
    assert column(table, series.GetYColumnName()) == [0.0, 0.75, 0.5]
    assert column(table, series.GetXColumnName()) == [-200.0, -197.5, -195.0]


def test_the_plot_is_used_again_and_goes_with_its_probabilities(scene, table):
    ct = add_ct(scene)
    fill_slice_table(table, SLICES)
    chart = plot_probability(table, ct)
    number = scene.GetNumberOfNodes()
    assert plot_probability(table, ct) is chart
    assert chart.GetNumberOfPlotSeriesNodes() == 1
    assert scene.GetNumberOfNodes() == number
    fill_slice_table(table, [SliceRecord(0, -200.0, "unknown")])
    assert plot_probability(table, ct) is None
    assert scene.GetFirstNodeByClass("vtkMRMLPlotChartNode") is None
    assert scene.GetFirstNodeByClass("vtkMRMLPlotSeriesNode") is None
