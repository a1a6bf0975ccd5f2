"""What a user of the two panels waits for, on this machine: python Testing/Benchmark/panel.py --out DIR

Opens the panels in real Qt (off-screen) over Slicer's own MRML, with real clicks and the real worker, on phantoms.
Measures, once a round:

- from opening the panel on the phantom to results on screen, after two clicks;
- on a scan of 512 x 512 x 300: the longest time that the event loop stands still while the child runs, by a timer of
  the window's own process; and, one by one, what does block the window: handing the volume over, taking the results in,
  making surfaces. The peers of the first two are the ways of other extensions: the volume saved as .nii by its storage
  node, a label volume imported into a segmentation;
- live mode: slices a second while scrolling, from the slice view's event to the text;
- cancel at random moments: what is left of processes, temporary files and nodes (all 0).

Needs the packages of the tests; Testing/Benchmark/run_panel.sh starts it with them. Prints a table; writes panel.json
and panel.csv. Asserts nothing about time.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [
    str(HERE),
    *(str(HERE.parent / part) for part in ("Python", "../LiverTumorClassifier", "../LiverSegmentationMobileUNet")),
]

import numpy as np  # noqa: E402
from benchmark import phantom, print_table, row  # noqa: E402
from CompressionTrainerLib.evaluation.machine import describe_machine  # noqa: E402
from LiverTumorLib.ct import CTVolume  # noqa: E402
from LiverTumorLib.files import write_json, write_table  # noqa: E402
from LiverTumorLib.jobs.process import ChildJob  # noqa: E402
from mrml_scene import ct_to_node, scene_state  # noqa: E402
from panel_tools import spin  # noqa: E402
from PySide6 import QtCore, QtTest  # noqa: E402
from slicer_standin import application  # noqa: E402

import slicer  # noqa: E402  # isort: skip

SEGMENTATION, CLASSIFIER = "LiverSegmentationMobileUNet", "LiverTumorClassifier"
TICK_MS = 2
PATIENCE_S = 900.0
Figures = dict[tuple[str, str], float]  # by name and unit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0].split(":")[0] + ".")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for panel.json, panel.csv and the phantoms"
    )
    parser.add_argument(
        "--rounds", type=int, default=3, metavar="N", help="repetitions of everything (default: %(default)s)"
    )
    parser.add_argument(
        "--cancels", type=int, default=10, metavar="N", help="random moments of a cancel (default: %(default)s)"
    )
    for name, shape in (("phantom", (129, 512, 512)), ("large", (300, 512, 512))):
        text = f"shape of the {name} scan (default: {' '.join(map(str, shape))})"
        parser.add_argument(f"--{name}", type=int, nargs=3, default=shape, metavar=("K", "J", "I"), help=text)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # Of this process and its children, so that no other program's files are counted.
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        measure_all(arguments)


def measure_all(arguments: argparse.Namespace) -> None:
    """Measure, print and write everything."""
    usual, large = (load(arguments.out, tuple(shape)) for shape in (arguments.phantom, arguments.large))
    about = describe_machine() | {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "shapes": [usual.shape, large.shape],
    }
    print("\n".join(f"{name}: {value}" for name, value in about.items()), flush=True)
    samples: dict[tuple[str, str, str], list[float]] = {}
    for number in range(arguments.rounds):
        parts = {
            "phantom": (open_to_results, usual),
            "large scan": (large_scan, large),
            "live mode": (live_mode, usual),
        }
        for what, (measure, volume) in parts.items():
            print(f"{what}, round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
            for (name, unit), value in measure(volume).items():
                samples.setdefault((what, name, unit), []).append(value)
    run_s = min(samples["phantom", "from opening to results", "s"])
    for moment_s in np.random.default_rng(1).uniform(0, 0.8 * run_s, arguments.cancels):
        print(f"cancel after {moment_s:.1f} s", file=sys.stderr, flush=True)
        for (name, unit), value in cancel(usual, float(moment_s)).items():
            samples.setdefault(("cancel", name, unit), []).append(value)
    rows = [row(what, name, unit, values) for (what, name, unit), values in samples.items()]
    write_json(arguments.out / "panel.json", about | {"rows": rows})
    write_table(arguments.out / "panel.csv", rows)
    print_table(rows)


def load(folder: Path, shape: tuple[int, int, int]) -> CTVolume:
    with np.load(phantom(folder, shape).with_suffix(".npz")) as file:
        return CTVolume(file["array"], file["ijk_to_ras"], f"phantom-{shape[0]}")


def click(button) -> None:
    QtTest.QTest.mouseClick(button, QtCore.Qt.MouseButton.LeftButton)


def check_results(panel) -> None:
    """Raises RuntimeError where a run has none."""
    if not panel.ui.lesionTable.rowCount:
        raise RuntimeError(f"The run has no results: {panel.ui.statusLabel.text}")


def open_to_results(volume: CTVolume) -> Figures:
    """A click opens the module, one starts the run; the scan is chosen already. See also `test_panel_clicks.py`."""
    with application.running():
        ct_to_node(volume, slicer.mrmlScene)
        begin = time.perf_counter()
        panel = application.open_module(SEGMENTATION).panel
        click(panel.ui.applyButton)
        spin(lambda: not panel.run.running, PATIENCE_S)
        seconds = time.perf_counter() - begin
        check_results(panel)
    return {("from opening to results", "s"): seconds}


def large_scan(volume: CTVolume) -> Figures:
    with application.running():
        ct = ct_to_node(volume, slicer.mrmlScene)
        panel = application.open_module(SEGMENTATION).panel
        slicer.app.processEvents()

        def hand_over() -> None:
            click(panel.ui.applyButton)
            spin(lambda: isinstance(panel.run._run.job, ChildJob), PATIENCE_S)

        handing_over = seconds(hand_over)
        run = panel.run._run
        with ticking() as gaps:
            spin(lambda: run.job.ends_within(0), PATIENCE_S)
        taking_in = seconds(lambda: spin(lambda: not panel.run.running, PATIENCE_S))
        check_results(panel)
        surfaces = seconds(lambda: click(panel.ui.show3DButton))
        figures = {
            ("longest gap of the event loop", "ms"): 1000 * max(gaps),
            ("handing the volume over", "s"): handing_over,
            ("taking the results in", "s"): taking_in,
            ("making surfaces", "s"): surfaces,
        }
        labels = slicer.util.arrayFromVolume(ct) > 0  # of any shape, for the peer's import
        with tempfile.TemporaryDirectory() as folder:
            saving = seconds(lambda: save(ct, Path(folder) / "ct.nii"))
        importing = seconds(lambda: import_labels(labels.astype(np.uint8), ct))
    return figures | {
        ("handing over, ours / peer", ""): handing_over / saving,
        ("taking in, ours / peer", ""): taking_in / importing,
    }


def save(ct, path: Path) -> None:
    """The way of other extensions: the volume's storage node writes a file for the child."""
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    if not storage.WriteData(ct):
        raise RuntimeError("The peer's file was not written.")


def import_labels(labels: np.ndarray, ct) -> None:
    """The way of other extensions: a label volume, imported into a segmentation."""
    import vtk

    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    slicer.util.updateVolumeFromArray(volume, labels)
    matrix = vtk.vtkMatrix4x4()
    ct.GetIJKToRASMatrix(matrix)
    volume.SetIJKToRASMatrix(matrix)
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    if not slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(volume, segmentation):
        raise RuntimeError("The peer's import failed.")


def live_mode(volume: CTVolume) -> Figures:
    """Through all slices, each as soon as the one before is shown, with the liver found by the worker where the model
    asks for it."""
    with application.running() as app:
        ct_to_node(volume, slicer.mrmlScene)
        panel = application.open_module(CLASSIFIER).panel
        preparing = seconds(
            lambda: (click(panel.ui.liveButton), spin(lambda: panel.live.latency_s is not None, PATIENCE_S))
        )
        view = app.layoutManager().sliceWidget("Red").mrmlSliceNode()
        latencies = []
        begin = time.perf_counter()
        for k in range(volume.shape[0]):
            view.SetSliceOffset(float(volume.ras([0, 0, k])[2]))
            while not panel.ui.liveLabel.text.startswith(f"Slice {k} "):
                app.processEvents()
            latencies.append(panel.live.latency_s)
        rate = volume.shape[0] / (time.perf_counter() - begin)
        click(panel.ui.liveButton)
    return {
        ("preparing", "s"): preparing,
        ("while scrolling", "slices/s"): rate,
        ("median latency", "ms"): 1000 * float(np.median(latencies)),
        ("95 % of latencies below", "ms"): 1000 * float(np.percentile(latencies, 95)),
    }


def cancel(volume: CTVolume, moment_s: float) -> Figures:
    """What is left two seconds after the click, and the seconds until the panel is ready again."""
    with application.running():
        ct_to_node(volume, slicer.mrmlScene)
        panel = application.open_module(SEGMENTATION).panel
        before, files = scene_state(slicer.mrmlScene), temporary_files()
        click(panel.ui.applyButton)
        run = panel.run._run
        end = time.perf_counter() + moment_s
        spin(lambda: time.perf_counter() >= end or not panel.run.running)
        ended_by_itself = not panel.run.running
        begin = time.perf_counter()
        if not ended_by_itself:
            click(panel.ui.applyButton)
            spin(lambda: not panel.run.running)
        ready = time.perf_counter() - begin
        while time.perf_counter() < begin + 2:
            slicer.app.processEvents()
        changed = set(before.items()) ^ set(scene_state(slicer.mrmlScene).items())
        return {
            ("ready after", "s"): ready,
            ("processes left", ""): float(isinstance(run.job, ChildJob) and run.job._process.poll() is None),
            ("temporary files left", ""): float(len(temporary_files() - files)),
            ("nodes changed", ""): float(len(changed) if not ended_by_itself else 0),
            ("ended before it was stopped", ""): float(ended_by_itself),
        }


def temporary_files() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("livertumor-*"))


def seconds(work: Callable[[], object]) -> float:
    """What the work takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


@contextmanager
def ticking() -> Iterator[list[float]]:
    """Collects the seconds between two ticks of a timer in this process's event loop."""
    ticks = [time.perf_counter()]
    gaps: list[float] = []
    timer = QtCore.QTimer()
    timer.setInterval(TICK_MS)
    timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)

    def tick() -> None:
        ticks.append(time.perf_counter())
        gaps.append(ticks[-1] - ticks[-2])

    timer.timeout.connect(tick)
    timer.start()
    yield gaps
    timer.stop()


if __name__ == "__main__":
    main()
