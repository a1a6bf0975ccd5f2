"""What is not a liver is rejected, what is doubtful is noted, and a true liver comes out: whole, small, or cut by the
scan."""

from __future__ import annotations

import csv
import json
import os
import time
from pathlib import Path

import nibabel
import not_livers
import numpy as np
import pytest
from LiverTumorLib.cli import main
from LiverTumorLib.ct import CTVolume, to_axial
from LiverTumorLib.files import read_ct, read_labels
from LiverTumorLib.phantom import make_phantom
from LiverTumorLib.pipelines.classification import classify_case
from LiverTumorLib.pipelines.doubt import NO_LIVER, burden_doubts, corrected_notes, doubts, rejection, scan_doubts
from LiverTumorLib.pipelines.segmentation import segment_case
from LiverTumorLib.pipelines.survey import survey
from LiverTumorLib.records.options import CaseOutput, RunOptions
from LiverTumorLib.records.results import CaseResult, CaseSummary
from scipy.ndimage import uniform_filter1d

DATA = Path(os.environ.get("LIVERTUMOR_TEST_DATA", ""))
real = pytest.mark.skipif(
    "LIVERTUMOR_TEST_DATA" not in os.environ, reason="LIVERTUMOR_TEST_DATA names no folder of real CT"
)

# What a scan may hold of a liver, and where it cuts it.
PIECES = {
    "whole": "",
    "a child's": "",
    "resected": "",
    "cropped to it": "",
    "top 3 cm": "lower end",
    "bottom 4 cm": "upper end",
    "upper half": "lower end",
    "lower half": "upper end",
    "slab of 3 cm": "lower end and upper end",
    "right half": "side",
    "left half": "side",
}


@pytest.fixture(scope="module")
def phantom() -> tuple[CTVolume, np.ndarray]:
    volume, labels = make_phantom(seed=1, shape=(70, 128, 128), spacing_mm=(3.0, 3.0, 4.0))
    return volume, labels > 0


def piece_of(volume: CTVolume, mask: np.ndarray, name: str) -> tuple[CTVolume, np.ndarray]:
    """A scan in axial order that holds this of a whole liver. Where it lies in space does not matter here."""
    ks, js, is_ = (np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    cm = 10 / volume.spacing[2]
    middle, half = (ks[0] + ks[-1]) // 2, (is_[0] + is_[-1]) // 2
    if name == "a child's":
        factor = (160 / (mask.sum() * volume.voxel_ml)) ** (1 / 3)
        return CTVolume(volume.array, volume.ijk_to_ras @ np.diag([factor, factor, factor, 1])), mask
    if name == "resected":
        mask = mask.copy()
        mask[:, :, : int(np.quantile(np.nonzero(mask)[2], 0.75))] = False
        return volume, mask
    everything = slice(None)
    box = {
        "whole": (everything,),
        "cropped to it": (everything, slice(js[0] - 2, js[-1] + 3), slice(is_[0] - 2, is_[-1] + 3)),
        "top 3 cm": (slice(ks[-1] + 1 - round(3 * cm), None),),
        "bottom 4 cm": (slice(0, ks[0] + round(4 * cm)),),
        "upper half": (slice(middle, None),),
        "lower half": (slice(0, middle),),
        "slab of 3 cm": (slice(middle, middle + max(1, round(3 * cm))),),
        "right half": (everything, everything, slice(0, half)),
        "left half": (everything, everything, slice(half, None)),
    }[name]
    return CTVolume(volume.array[box], volume.ijk_to_ras), mask[box]


@pytest.mark.parametrize("name", PIECES)
def test_a_liver_is_not_rejected(phantom, name):
    volume, mask = piece_of(*phantom, name)
    found = survey(mask, volume)
    assert rejection(found) is None
    notes = doubts(found)
    cut = [note.split(";")[0] for note in notes if "is cut" in note]
    assert cut == ([f"The liver is cut at the scan's {PIECES[name]}"] if PIECES[name] else [])
    small = [note for note in notes if "unless it is a child's or was resected" in note]
    assert bool(small) == (name in ("a child's", "resected"))
    assert len(notes) == len(cut) + len(small)


@real
@pytest.mark.parametrize("case", ["lits17-subset/{}-22", "lits17-subset/{}-46", "real-ct/lidc-0001/{}"])
def test_no_real_liver_is_rejected(case):
    """The masks alone, so that no network has a part in it."""
    names = ("ct", "liver") if "lidc" in case else ("volume", "segmentation")
    volume = to_axial(read_ct(DATA / (case.format(names[0]) + ".nii.gz"))).volume
    labels, matrix = read_labels(DATA / (case.format(names[1]) + ".nii.gz"))
    mask = to_axial(CTVolume(labels, matrix)).volume.array > 0
    for name in PIECES:
        piece, its_mask = piece_of(volume, mask, name)
        assert rejection(survey(its_mask, piece)) is None, name
    assert not any("lies" in note or "lie " in note for note in doubts(survey(mask, volume)))


REJECTED = {
    "ellipse": "nearly all tissue",
    "noise": "nearly all tissue",
    "box": "nearly all tissue",
    "box in fat": "nearly all tissue",
    "head": "bone surrounds it",
    "legs": "nearly all tissue",
}


@pytest.mark.parametrize("name", REJECTED)
def test_what_is_drawn_is_rejected_by_anatomy_alone(name):
    volume = not_livers.SCANS[name]()
    soft = (volume.array > 0) & (volume.array < 200)
    if name == "head":
        soft = (volume.array < 100) & _inside(volume.array > 500)
    elif name == "legs":
        soft[:, :, soft.shape[2] // 2 :] = False
    assert REJECTED[name] in rejection(survey(soft, volume, 0.97))


def _inside(shell: np.ndarray) -> np.ndarray:
    from scipy.ndimage import binary_fill_holes

    return np.stack([binary_fill_holes(plane) for plane in shell]) & ~shell


def test_single_reasons(phantom):
    volume, mask = phantom
    k, j, i = (int(np.median(each)) for each in np.nonzero(mask))

    def region(depth: int, height: int, width: int, hu: float | None = None, cut: bool = False, **more) -> str:
        array, drawn = volume.array.copy(), np.zeros_like(mask)
        drawn[k - depth : k + depth, j - height : j + height, i - width : i + width] = True
        if hu is not None:
            array[drawn] = hu + np.random.default_rng(0).normal(0, 10, drawn.sum())
        scan = CTVolume(array, volume.ijk_to_ras)
        if cut:
            drawn, scan = drawn[:k], CTVolume(array[:k], volume.ijk_to_ras)
        return rejection(survey(drawn, scan, more.get("sure", 0.95))) or ""

    assert region(12, 14, 14) == ""
    assert "smaller than a newborn's liver" in region(4, 4, 4)
    assert region(5, 8, 8, cut=True) == ""
    assert "nowhere thicker than" in region(12, 20, 3)
    assert "nowhere thicker than" in region(12, 20, 3, cut=True)
    assert "density of 400 HU is not a liver's" in region(12, 14, 14, hu=400)
    assert region(9, 10, 10, sure=0.95) == "" and "the network was unsure (mean probability 0.75)" in region(
        9, 10, 10, sure=0.75
    )


def test_a_column_through_a_long_scan_is_a_limb():
    volume = not_livers.legs()
    mask = np.zeros(volume.shape, bool)
    mask[:, 50:70, 22:42] = True  # a part of the muscles, so that much tissue is left
    assert "goes through all 250 mm of the scan" in rejection(survey(mask, volume))


def flipped(volume: CTVolume, mask: np.ndarray, *axes: int) -> tuple[np.ndarray, CTVolume]:
    """The voxels the other way round under the same header."""
    return np.flip(mask, axes), CTVolume(np.flip(volume.array, axes), volume.ijk_to_ras)


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ((2,), "on the patient's left; unless the patient's organs are mirrored"),
        ((1, 2), "on the patient's left and the spine in front; the scan seems to be turned"),
        ((1,), "The spine lies in front; the scan seems to be turned"),
        ((0,), "The lungs lie below the liver; the scan seems to be turned"),
        ((0, 2), "The lungs lie below the liver"),
    ],
)
def test_a_turned_patient_is_noted(phantom, axes, said):
    mask, volume = flipped(*phantom, *axes)
    found = survey(mask, volume)
    assert rejection(found) is None and said in " ".join(doubts(found))
    assert ("The spine lies in front" in " ".join(scan_doubts(volume))) == (1 in axes), "also where no liver was found"


def test_a_lost_voxel_size_is_noted(phantom):
    volume, mask = phantom
    lost = CTVolume(volume.array, np.diag([-1.0, -1.0, 1.0, 1.0]))
    assert "exactly 1 mm" in " ".join(scan_doubts(lost)) and scan_doubts(volume) == []
    # Slices of 4 mm taken as 1 mm.
    flat = CTVolume(np.repeat(np.repeat(volume.array, 3, 1), 3, 2), np.diag([-1.0, -1.0, 1.0, 1.0]))
    assert "exactly 1 mm" in " ".join(doubts(survey(np.repeat(np.repeat(mask, 3, 1), 3, 2), flat)))


@pytest.mark.parametrize(
    ("hu", "said"),
    [(90, None), (50, "as without contrast medium"), (10, "30 to 160 HU are usual"), (190, "30 to 160 HU are usual")],
)
def test_density_is_noted(phantom, hu, said):
    volume, mask = phantom
    array = volume.array.copy()
    array[mask] += hu - int(np.median(array[mask]))
    notes = doubts(survey(mask, CTVolume(array, volume.ijk_to_ras)))
    assert notes == [] if said is None else len(notes) == 1 and said in notes[0]


def test_a_giant_liver_an_unsure_network_and_much_tumor_are_noted(phantom):
    volume, mask = phantom
    giant = CTVolume(volume.array, volume.ijk_to_ras @ np.diag([1.7, 1.7, 1.7, 1]))
    [note] = doubts(survey(mask, giant, 0.95))
    assert "where 400 to 5000 ml are usual; look at its outline." in note
    [note] = doubts(survey(mask, volume, 0.8))
    assert "unsure of the liver (mean probability 0.80)" in note
    assert burden_doubts(CaseSummary(tumor_burden_percent=71.2)) == [
        "Tumor takes 71 % of the liver, which is rare; look at both outlines."
    ]
    assert burden_doubts(CaseSummary(tumor_burden_percent=49.0)) == burden_doubts(CaseSummary()) == []
    assert corrected_notes(np.zeros_like(mask), volume, CaseSummary()) == [NO_LIVER]


def test_several_organs_in_a_mask_are_noted(phantom):
    volume, mask = phantom
    moved = np.roll(mask, (12, 20), (1, 2))
    assert any("varies by" in note for note in doubts(survey(moved, volume)))
    flat = CTVolume(np.where(mask, np.int16(90), volume.array), volume.ijk_to_ras)
    assert [note for note in doubts(survey(mask, flat)) if "the same throughout" in note]


@pytest.mark.parametrize("name", ["ellipse", "head", "legs"])
def test_a_run_on_what_is_no_liver_ends_empty(name):
    output = segment_case(not_livers.SCANS[name](), RunOptions(keep_probabilities=True))
    summary = output.result.summary
    assert not output.labels.any() and (summary.liver_ml, summary.tumor_ml, summary.lesion_count) == (0, 0, 0)
    assert summary.notes[0] == NO_LIVER and "ml was rejected: " in summary.notes[1]
    assert {record.field for record in output.result.slices} == {"no liver"}
    assert output.probabilities["liver"].max() < 0.5, "at the threshold, the maps make the same liver"
    classified = classify_case(not_livers.SCANS[name](), RunOptions(keep_probabilities=False)).result
    assert classified.summary.notes[0] == NO_LIVER and {record.probability for record in classified.slices} == {0}


def test_a_given_liver_is_noted_and_kept(phantom):
    mask, volume = flipped(*phantom, 2)
    options = RunOptions(tumor=False, slices=False)
    output = segment_case(volume, options, liver=mask)
    assert (output.labels > 0).sum() == mask.sum() and "on the patient's left" in output.result.summary.notes[0]
    small = np.zeros_like(mask)
    small[30:32, 60:64, 60:64] = True
    output = segment_case(volume, options, liver=small)
    assert (output.labels > 0).sum() == small.sum() and "where 400 to 5000 ml are usual" in " ".join(
        output.result.summary.notes
    )
    assert "where 400 to 5000 ml are usual" in " ".join(classify_case(volume, liver=small).result.summary.notes)


def test_table_json_picture_and_console_tell_it(tmp_path, capfd):
    from LiverTumorLib.report.paper import Paper
    from LiverTumorLib.report.picture import SIZE_INCH, draw_case

    class WatchedPaper(Paper):
        words = ""

        def text(self, at, text, *more, **settings):
            self.words += f"{text} "
            super().text(at, text, *more, **settings)

    volume = not_livers.ellipse()
    nibabel.save(nibabel.Nifti1Image(volume.array.T, volume.ijk_to_ras), tmp_path / "ellipse.nii.gz")
    assert main(["segment", str(tmp_path / "ellipse.nii.gz"), "--out", str(tmp_path / "out")]) == 0
    said = capfd.readouterr().out
    with open(tmp_path / "out/cases.csv", newline="", encoding="utf-8") as file:
        [row] = csv.DictReader(file)
    summary = json.loads((tmp_path / "out/ellipse/summary.json").read_text(encoding="utf-8"))["case"]["summary"]
    for text in (said, row["notes"], " ".join(summary["notes"])):
        assert NO_LIVER in text and "ml was rejected: it takes nearly all tissue" in text
    assert (tmp_path / "out/ellipse/report.png").is_file()
    result = CaseResult("ellipse", CaseSummary(0.0, 0.0, None, 0, notes=summary["notes"]))
    noted = CTVolume(
        volume.array, volume.ijk_to_ras, "ellipse", tuple(f"Note {number} of reading." for number in range(9))
    )
    paper = WatchedPaper(SIZE_INCH)
    draw_case(paper, noted, CaseOutput(result))
    assert NO_LIVER in paper.words and "ml was rejected: it takes" in paper.words, (
        "doubts come first where not all notes have room"
    )


@real
@pytest.mark.parametrize("name", ["volume-12-below", "volume-23-below", "volume-46-above", "volume-4-above"])
def test_real_scans_without_liver_have_none(name):
    output = segment_case(read_ct(DATA / "no-liver" / f"{name}.nii.gz"), RunOptions(tumor=False, slices=False))
    assert not output.labels.any() and NO_LIVER in output.result.summary.notes


@real
@pytest.mark.slow
def test_no_real_scan_without_liver_has_any():
    scans = sorted((DATA / "no-liver").glob("*.nii.gz"))
    options = RunOptions(tumor=False, slices=False)
    assert len(scans) == 34 and [scan.name for scan in scans if segment_case(read_ct(scan), options).labels.any()] == []


def test_a_few_scattered_voxels_are_no_crash(phantom):
    volume, _ = phantom
    for voxels in ([(3, 0, 0)], [(0, 0, 0), (69, 127, 127)], [(k, 5 + k, 9) for k in range(0, 60, 7)]):
        mask = np.zeros(volume.shape, bool)
        mask[tuple(np.transpose(voxels))] = True
        assert "was rejected" in rejection(survey(mask, volume, 0.95)) and isinstance(
            doubts(survey(mask, volume)), list
        )


def test_it_takes_little_time(phantom):
    """On 512 x 512 x 140 voxels: less than one pass of a smoothing filter, in time of the processor, since the
    machine may be busy."""
    volume, mask = (
        np.repeat(np.repeat(np.repeat(array, 2, 0), 4, 1), 4, 2) for array in (phantom[0].array, phantom[1])
    )
    scan = CTVolume(volume, phantom[0].ijk_to_ras @ np.diag([0.25, 0.25, 0.5, 1]))

    def took(work) -> float:
        start = time.process_time()
        work()
        return time.process_time() - start

    assert doubts(survey(mask, scan, 0.95)) == []
    of_doubts = min(took(lambda: doubts(survey(mask, scan, 0.95))) for _ in range(3))
    assert of_doubts < min(took(lambda: uniform_filter1d(volume, 3)) for _ in range(3))
