"""How long Slicer's window stands still at each step of a reader: python Testing/Benchmark/gaps.py [--shape K J I]

Opens the segmentation panel in real Qt (off-screen) over Slicer's own MRML, on a phantom of 512 x 512 x 300, and does
what a reader does. In place of the networks a child hands out what is in the phantom, with maps around it: what is
measured is the window's own process. For each step it prints the longest time between two turns of the event loop, and
how much of that this process computed, the rest being waiting for a processor; before and after that of a loop with
nothing to do. Views are not drawn. Asserts nothing about time.

Needs the packages of the tests; start it with Testing/Benchmark/run_gaps.sh.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = [str(HERE.parent / part) for part in ("../LiverTumorClassifier", "../LiverSegmentationMobileUNet")]
sys.path[:0] = [str(HERE), str(HERE.parent / "Python"), *MODULES]

import numpy as np  # noqa: E402
from LiverTumorLib.ct import CTVolume  # noqa: E402
from LiverTumorLib.jobs.process import ChildJob  # noqa: E402
from LiverTumorLib.phantom import make_phantom  # noqa: E402
from LiverTumorLib.pipelines.lesions import measure  # noqa: E402
from LiverTumorLib.records.options import CaseOutput  # noqa: E402
from LiverTumorLib.records.results import CaseResult  # noqa: E402

FORMS = sorted(Path(MODULES[1], "Resources", "UI").glob("*.ui"))
SHAPE = (300, 512, 512)
COARSE = 4  # the phantom is made this many times smaller along each axis, and then of blocks
TRUTH = "LIVERTUMOR_GAPS_TRUTH"
MODELS = [
    {"id": f"a-{task}", "task": task, "version": "1", "sha256": "0" * 64, "threshold": 0.5}
    for task in ("liver", "tumor")
]
LIMIT_MS = 100
IDLE_S, PATIENCE_S = 3.0, 900.0


def truth_task(volume: CTVolume, options, progress) -> CaseOutput:
    """The task of the child: what is in the phantom, and maps that fade to lesions' rims."""
    labels = np.load(os.environ[TRUTH])
    progress("liver", 0.5, "Looking for the liver")
    lesions, summary = measure(labels, volume)
    output = CaseOutput(CaseResult(volume.name, summary, lesions, models=MODELS), labels)
    if options.keep_probabilities:
        output.probabilities["liver"] = (labels > 0).astype(np.float16)
        output.probabilities["tumor"] = ((labels == 2) * 0.6 + 0.35 * (volume.array > 0) * (labels == 2)).astype(
            np.float16
        )
    return output


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--shape", type=int, nargs=3, default=SHAPE, metavar=("K", "J", "I"), help="of the phantom")
    shape = tuple(parser.parse_args().shape)
    with tempfile.TemporaryDirectory(prefix="livertumor-gaps-") as folder:
        rows = Steps(*phantom(shape), Path(folder)).run()
    width = max(len(row[0]) for row in rows)
    print(f"{'':<{width}}  {'gap (ms)':>9} {'computing':>9} {'of it Python collecting garbage':>9}")
    for name, gap_ms, cpu_ms, garbage_ms in rows:
        over = f"  over {LIMIT_MS}" if gap_ms > LIMIT_MS else ""
        print(f"{name:<{width}}  {gap_ms:9.0f} {cpu_ms:9.0f} {garbage_ms:9.0f}{over}")


def phantom(shape: tuple[int, int, int]) -> tuple[CTVolume, np.ndarray]:
    """A CT and its labels."""
    small, truth = make_phantom(seed=1, shape=tuple(-(-n // COARSE) for n in shape), spacing_mm=(3.0, 3.0, 4.0))
    k, j, i = shape
    array, labels = (
        each.repeat(COARSE, 0).repeat(COARSE, 1).repeat(COARSE, 2)[:k, :j, :i] for each in (small.array, truth)
    )
    matrix = small.ijk_to_ras @ np.diag([1 / COARSE] * 3 + [1.0])
    return CTVolume(np.ascontiguousarray(array), matrix, "phantom"), np.ascontiguousarray(labels)


class Steps:
    """A reader's steps; of each the longest gap of the event loop, the longest time that this thread computed in a turn
    of it, and the longest collection of garbage, all in ms. Such a collection goes through all objects of the program,
    and falls into a step by chance."""

    def __init__(self, volume: CTVolume, labels: np.ndarray, folder: Path) -> None:
        self._volume, self._labels, self._folder = volume, labels, folder
        np.save(folder / "truth.npy", labels)
        os.environ[TRUTH] = str(folder / "truth.npy")
        os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), *MODULES])
        self.rows: list[tuple[str, float, float, float]] = []
        self._garbage_s = 0.0
        gc.callbacks.append(self._collected)

    def _collected(self, phase: str, _information: dict) -> None:
        if phase == "start":
            self._collects_since = time.perf_counter()
        else:
            self._garbage_s = max(self._garbage_s, time.perf_counter() - self._collects_since)

    def run(self) -> list[tuple[str, float, float, float]]:
        from slicer_standin import application

        with application.running() as app:
            self._app = app
            self._read()
        return self.rows

    def _read(self) -> None:
        import qt
        import slicer
        from slicer_standin import application

        import LiverSegmentationMobileUNet  # noqa: F401 as Slicer does when it starts

        slicer.util.addVolumeFromArray(self._volume.array, self._volume.ijk_to_ras, self._volume.name)
        # PySide makes its enumerations when they are first needed, which PythonQt in Slicer has from the beginning.
        for form in FORMS:
            slicer.util.childWidgetVariables(slicer.util.loadUI(str(form)))
        self._step("idle, before", lambda: None, lambda started: time.perf_counter() > started + IDLE_S)
        panel = None

        def open_panel() -> None:
            nonlocal panel
            panel = application.show_module("LiverSegmentationMobileUNet").panel

        self._step("open the panel", open_panel)
        from LiverTumorLib.jobs.protocol import TASKS
        from LiverTumorLib.mrml.axes import axis_lines

        TASKS["segment"] = "gaps:truth_task"
        made = lambda started: hasattr(panel.ui, "datesWidget") and panel.ui.datesWidget.layout() is not None  # noqa: E731
        self._step("open the panel: what is folded", lambda: None, made)
        panel.ui.keepCheckBox.click()
        self._run("Apply", panel.ui.applyButton, panel.run)
        over = lambda started: not panel.run.running  # noqa: E731
        for number in range(min(3, panel.ui.lesionTable.rowCount)):
            self._step(f"choose lesion {number + 1}", lambda: panel.results.step(1))
        segmentation = panel.parameters.outputSegmentation
        [line, _short] = axis_lines(segmentation)
        first, second = (np.array(line.GetNthControlPointPositionWorld(point)) for point in range(2))
        line.InvokeEvent(line.PointStartInteractionEvent)
        for part in np.linspace(0.05, 0.3, 6):
            place = first + part * (second - first)
            self._step("drag an axis: each move", lambda place=place: line.SetNthControlPointPositionWorld(0, *place))
        self._step("drag an axis: let go", lambda: line.InvokeEvent(line.PointEndInteractionEvent))
        self._step("reset the axes", panel.ui.resetAxesButton.click)

        self._step("reject a lesion, and take it back", panel.results.reject)
        self._step("reject a lesion, and take it back", panel.results.reject)

        def slide() -> None:
            panel.ui.thresholdSlider.value = 0.8

        settled = lambda started: time.perf_counter() > started + 0.5 and over(started)  # noqa: E731
        self._step("move the threshold", slide, settled)
        self._step("undo", panel.ui.undoButton.click)
        self._paint(segmentation)
        pause = lambda started: time.perf_counter() > started + IDLE_S  # noqa: E731
        self._step("a lesion has been painted", lambda: None, pause)
        self._step("measure again", panel.ui.measureButton.click, settled)
        panel.results.step(1)
        self._step("delete a lesion", panel.ui.deleteButton.click, settled)
        qt.QFileDialog.getSaveFileName = staticmethod(lambda *_: str(self._folder / "report.pdf"))
        self._run("report", panel.ui.reportButton, panel.run)
        self._follow_up(panel)
        self._step("idle, after", lambda: None, lambda started: time.perf_counter() > started + IDLE_S)

    def _paint(self, segmentation) -> None:
        """A ball of 20 voxels in the middle of the liver."""
        from lesions_scene import paint

        k, j, i = np.median(np.argwhere(self._labels[::COARSE, ::COARSE, ::COARSE] == 1), axis=0).astype(int) * COARSE
        mask = np.zeros(self._labels.shape, bool)
        z, y, x = np.ogrid[-10:11, -10:11, -10:11]
        mask[k - 10 : k + 11, j - 10 : j + 11, i - 10 : i + 11] = z**2 + y**2 + x**2 <= 100
        paint(segmentation, "Lesion by hand", mask, grid=self._volume.ijk_to_ras)

    def _follow_up(self, panel) -> None:
        """The date that was read is compared with one of spring, whose lesions were found before."""
        import qt
        import slicer
        from LiverTumorLib.mrml import labels_to_segmentation
        from LiverTumorLib.mrml.study_facts import give_date

        # Some voxels further, so that there is something to register.
        moved = [np.roll(array, (2, 5, -4), (0, 1, 2)) for array in (self._volume.array, self._labels)]
        prior = slicer.util.addVolumeFromArray(moved[0], self._volume.ijk_to_ras, "spring")
        labels_to_segmentation(moved[1], prior)
        give_date(prior, "2026-03-01")
        give_date(panel.parameters.inputVolume, "2026-06-09")
        ui, part = panel.ui, panel.follow_up

        def unfold() -> None:
            ui.followUpCollapsibleButton.collapsed = False

        self._step("follow-up: unfold", unfold)
        selector = ui.datesWidget.findChildren(slicer.qMRMLNodeComboBox)[0]
        self._step("follow-up: choose a CT", lambda: selector.setCurrentNode(prior))
        self._run("follow-up", ui.compareDatesButton, part.run)
        print(f"  {ui.followUpStatusLabel.text} {ui.pairTable.rowCount} pairs", file=sys.stderr)
        for row in range(min(3, ui.pairTable.rowCount)):
            self._step("follow-up: jump to a pair", lambda row=row: part._show_pair(row))
        view = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode()
        for _slice in range(5):
            self._step(
                "follow-up: scroll both dates", lambda: view.JumpSliceByOffsetting(0, 0, view.GetSliceOffset() + 2)
            )
        qt.QFileDialog.getExistingDirectory = staticmethod(lambda *_: str(self._folder))
        self._run("follow-up report", ui.followUpReportButton, part.run)

    def _run(self, name: str, button, run) -> None:
        """What a button starts, up to its end."""
        job = lambda: run._run is not None and isinstance(run._run.job, ChildJob) and run._run.job  # noqa: E731
        self._step(f"{name}: hand over", button.click, lambda started: job() or not run.running)
        self._step(f"{name}: while the child works", lambda: None, lambda started: not job() or job().ends_within(0))
        self._step(f"{name}: take in", lambda: None, lambda started: not run.running)

    def _step(
        self, name: str, act: Callable[[], object], until: Callable[[float], bool] = lambda started: True
    ) -> None:
        """Do something, then serve the event loop until something holds; of equal names the longest gap counts."""
        started = last = time.perf_counter()
        worked = time.thread_time()
        longest = cpu = self._garbage_s = 0.0
        turn = act
        while True:
            turn()
            now, done = time.perf_counter(), time.thread_time()
            longest, cpu = max(longest, now - last), max(cpu, done - worked)
            if turn is not act and until(started):
                break
            if now > started + PATIENCE_S:
                raise RuntimeError(f"{name} takes more than {PATIENCE_S:.0f} s")
            last, worked = now, done
            if turn is not act:
                time.sleep(0.002)
            turn = self._app.processEvents
        figures = [1000 * longest, 1000 * cpu, 1000 * self._garbage_s]
        print("{}: {:.0f} ms, computing {:.0f} ms".format(name, *figures), file=sys.stderr, flush=True)
        if self.rows and self.rows[-1][0] == name:
            figures = list(map(max, figures, self.rows.pop()[1:]))
        self.rows.append((name, *figures))


if __name__ == "__main__":
    main()
