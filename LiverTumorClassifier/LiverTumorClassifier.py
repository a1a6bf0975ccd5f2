"""Slicer module: the probability of tumor for every axial slice of a CT."""

import importlib.util
import sys
from typing import TYPE_CHECKING, Annotated

import slicer
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkMRMLTableNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

if TYPE_CHECKING:
    from LiverTumorLib.panel.classification import ClassificationPanel

_PAGE = "https://github.com/SlicerLiverTumor/SlicerLiverTumor/blob/main/Docs/tutorial.md"


class LiverTumorClassifier(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Liver Tumor Classifier")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []
        self.parent.contributors = ["LiverTumor developers (SlicerLiverTumor)"]
        self.parent.helpText = _(
            "Gives every axial slice of an abdominal CT its calibrated probability of showing liver tumor "
            "(MobileNetV2), as a table and a plot. Slices without liver get the probability 0. For research; not a "
            "medical device. The Sample Data module has a digital phantom to try it on. Slicer's own sample CTLiver "
            "(CC BY-SA 4.0) is a training case of LiTS, so it shows how the module works, not how good it is."
        )
        self.parent.helpText += f"<p>{_('How to use it:')} <a href='{_PAGE}'>{_PAGE}</a></p>"
        self.parent.acknowledgementText = _(
            "Follows two papers: the two-stage Mobile U-Net for liver and liver tumor segmentation on LiTS17, and "
            "'Quantization-Aware Pruned MobileNetV2 for Real-Time Liver Tumor Classification on CT Images' (Jaafaru et "
            "al.). The networks were trained on a subset of LiTS17, the Liver Tumor Segmentation Benchmark (Bilic et "
            "al., Medical Image Analysis 2023); their weights are for non-commercial research."
        )


@parameterNodeWrapper
class LiverTumorClassifierParameterNode:
    """What the user has chosen; saved with the scene.

    inputVolume: the CT to classify.
    liverSegmentation: a segmentation with a Liver segment; slices without liver get the probability 0. The liver is
      looked for without.
    outputTable: the table to write to; a new one is made when none is chosen.
    sliceModel: id of a model bundle.
    sliceThreshold: probability from which a slice is suspicious; 0 takes the model's own.
    threads: CPU threads; 0 uses all.
    allFrames: analyze all frames where the CT is a sequence.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    liverSegmentation: vtkMRMLSegmentationNode
    outputTable: vtkMRMLTableNode
    sliceModel: str = "tumor-slice"
    sliceThreshold: Annotated[float, WithinRange(0, 0.99)] = 0.0
    threads: Annotated[int, WithinRange(0, 64)] = 0
    allFrames: bool = False


class LiverTumorClassifierWidget(ScriptedLoadableModuleWidget):
    """Hands Slicer's calls on to the panel, see LiverTumorLib.panel."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        self.logic: LiverTumorClassifierLogic | None = None
        self.panel: ClassificationPanel | None = None

    def setup(self) -> None:
        """Called once, when the module is opened for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        from LiverTumorLib.panel.classification import ClassificationPanel

        self.logic = LiverTumorClassifierLogic()
        self.panel = ClassificationPanel(self, self.logic)

    def cleanup(self) -> None:
        """Called when the application closes or the module is reloaded."""
        if self.panel is not None:
            self.panel.cleanup()

    def enter(self) -> None:
        """Called each time the user opens the module."""
        if self.panel is not None:
            self.panel.enter()

    def exit(self) -> None:
        """Called each time the user leaves the module; a run continues."""
        if self.panel is not None:
            self.panel.exit()

    def onReload(self) -> None:
        """Load the library again too, not only this file."""
        for name in [name for name in sys.modules if name.partition(".")[0] == "LiverTumorLib"]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)


class LiverTumorClassifierLogic(ScriptedLoadableModuleLogic):
    """Slice classification from Python; also what the panel uses. Needs no window."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)

    def getParameterNode(self):
        """The choices saved in the scene."""
        return LiverTumorClassifierParameterNode(super().getParameterNode())

    def process(
        self,
        volumeNode,
        liverSegmentation=None,
        outputTable=None,
        *,
        allFrames=False,
        wait=True,
        progressCallback=None,
        finishedCallback=None,
        **options,
    ):
        """Give every axial slice of a CT its probability of showing tumor.

        :param volumeNode: vtkMRMLScalarVolumeNode, a CT in HU.
        :param liverSegmentation: vtkMRMLSegmentationNode with a Liver segment as it is now; slices without liver get
          the probability 0. Without it the liver is looked for first, where the model is one of the liver region, as
          the shipped one is.
        :param outputTable: vtkMRMLTableNode to write to, with the plot that belongs to it; new ones are made without
          it.
        :param allFrames: of a volume sequence, score every frame and not only the one shown; table and plot then follow
          its browser.
        :param wait: wait for the end while Slicer's event loop is served. False returns at once; in Slicer the nodes
          then appear when the run is over, in plain Python when ``wait()`` is called on what is returned.
        :param progressCallback: called with (stage, fraction, message).
        :param finishedCallback: called with the run when it is over; its ``result()`` returns or raises.
        :param options: ``sliceModel`` (id or folder of a bundle), ``sliceThreshold``, ``threads``.
        :return: LiverTumorLib.mrml.CaseNodes (``sliceTable``, ``plotChart``, ``summary``), or a
          LiverTumorLib.mrml.CaseRun (``wait()``, ``cancel()``, ``result()``) where wait is False.
        :raises LiverTumorLib.errors.LiverTumorError: the volume is not a CT, a model or package is missing, the run was
          stopped, ...
        """
        from LiverTumorLib.mrml import show_slices, start_run

        def makeNodes(output, earlier=None):
            return show_slices(output, volumeNode, earlier.sliceTable if earlier else outputTable)

        receivers = (progressCallback, finishedCallback)
        return start_run(
            "classify",
            volumeNode,
            options,
            makeNodes,
            receivers,
            liver_segmentation=liverSegmentation,
            all_frames=allFrames,
            wait=wait,
        )

    def mapEvidence(
        self, volumeNode, liverSegmentation=None, *, wait=True, progressCallback=None, finishedCallback=None, **options
    ):
        """Show where the network sees tumor, in every axial slice, as a colored overlay on the CT.

        :param volumeNode: vtkMRMLScalarVolumeNode, a CT in HU.
        :param liverSegmentation, wait, progressCallback, finishedCallback, options: as in :py:meth:`process`.
        :return: LiverTumorLib.mrml.CaseNodes (``evidenceVolume``, in percent on the CT's grid), or a
          LiverTumorLib.mrml.CaseRun where wait is False. ``LiverTumorLib.mrml.remove_evidence(volumeNode)`` takes the
          overlay away.
        :raises LiverTumorLib.errors.LiverTumorError: as in :py:meth:`process`, or the model gives no such map.
        """
        from LiverTumorLib.mrml import show_evidence, start_run

        return start_run(
            "evidence",
            volumeNode,
            options,
            lambda output: show_evidence(output, volumeNode),
            (progressCallback, finishedCallback),
            liver_segmentation=liverSegmentation,
            wait=wait,
        )

    def processFolder(
        self,
        inputs,
        outputDir,
        *,
        picture=True,
        series=None,
        overwrite=False,
        wait=True,
        progressCallback=None,
        finishedCallback=None,
        **options,
    ):
        """Classify many CTs without loading them into the scene; the same as ``livertumor classify INPUT... --out
        DIR``.

        :param inputs: a file, folder or pattern, or a list of them.
        :param outputDir: each case gets a folder in it; cases that are done are not done again.
        :param picture: write a one-page picture of each case (needs matplotlib).
        :param series: which DICOM series of a folder.
        :param overwrite: replace results of other inputs or options.
        :param wait, progressCallback, finishedCallback, options: as in :py:meth:`process`.
        :return: path of ``cases.csv``, the table of all cases; where wait is False, a run (``wait()``,
          ``cancel()``, ``result()``).
        :raises LiverTumorLib.errors.SomeCasesFailed: some cases have no result; the message says which and why.
        """
        from LiverTumorLib.mrml import options_from
        from LiverTumorLib.mrml.batch import process_folder

        return process_folder(
            "classify",
            inputs,
            outputDir,
            options_from(options),
            picture=picture,
            series=series,
            overwrite=overwrite,
            progress=progressCallback,
            finished=finishedCallback,
            wait=wait,
        )


class LiverTumorClassifierTest(ScriptedLoadableModuleTest):
    """Self test; Slicer runs it from its own test driver and from the module's developer menu."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_phantomIsClassified(self):
        # Slicer installs nothing while it is tested.
        if not any(map(importlib.util.find_spec, ("ai_edge_litert", "onnxruntime"))):
            self.skipTest("neither ai-edge-litert nor onnxruntime is installed in this Python")
        from LiverTumorLib.mrml import ct_to_node, labels_to_segmentation
        from LiverTumorLib.phantom import make_phantom

        volume, truth = make_phantom(seed=1)
        volumeNode = ct_to_node(volume, slicer.mrmlScene)
        liver = labels_to_segmentation(truth, volumeNode)
        nodes = LiverTumorClassifierLogic().process(volumeNode, liver)
        self.assertEqual(nodes.sliceTable.GetNumberOfRows(), volume.shape[0])
        probability = slicer.util.arrayFromTableColumn(nodes.sliceTable, "probability")
        self.assertTrue(((probability >= 0) & (probability <= 1)).all())
        self.assertIsNotNone(nodes.plotChart)

    def test_labelMapIsRefused(self):
        from LiverTumorLib.errors import InputError

        labelMap = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
        with self.assertRaises(InputError):
            LiverTumorClassifierLogic().process(labelMap)
