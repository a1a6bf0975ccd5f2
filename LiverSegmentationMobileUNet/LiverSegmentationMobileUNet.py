"""Slicer module: liver and tumor segmentation of a CT, with lesion measurements."""

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import slicer
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
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
    from LiverTumorLib.panel.segmentation import SegmentationPanel

# LiverTumorLib lies in the folder of the LiverTumorClassifier module; it is imported where it is used, when all folders
# are known.

_PAGE = "https://github.com/SlicerLiverTumor/SlicerLiverTumor/blob/main/Docs/tutorial.md"


class LiverSegmentationMobileUNet(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Liver Segmentation (Mobile U-Net)")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []  # Slicer would leave this module out without a word where one of them is missing
        self.parent.contributors = ["LiverTumor developers (SlicerLiverTumor)"]
        self.parent.helpText = _(
            "Segments the liver and tumors in it on a CT of the abdomen, measures every lesion, and gives each axial "
            "slice its probability of showing tumor. Two small networks (Mobile U-Net) find the liver first and look "
            "for tumor inside it. For research; not a medical device. The Sample Data module has a digital phantom to "
            "try it on. Slicer's own sample CTLiver (CC BY-SA 4.0) is a training case of LiTS, so it shows how the "
            "module works, not how good it is."
        )
        self.parent.helpText += f"<p>{_('How to use it:')} <a href='{_PAGE}'>{_PAGE}</a></p>"
        self.parent.acknowledgementText = _(
            "Follows two papers: the two-stage Mobile U-Net for liver and liver tumor segmentation on LiTS17, and "
            "'Quantization-Aware Pruned MobileNetV2 for Real-Time Liver Tumor Classification on CT Images' (Jaafaru et "
            "al.). The networks were trained on a subset of LiTS17, the Liver Tumor Segmentation Benchmark (Bilic et "
            "al., Medical Image Analysis 2023); their weights are for non-commercial research."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    """Offer the digital phantom that comes with the extension in the Sample Data module; nothing is downloaded."""
    import SampleData

    resources = Path(__file__).parent / "Resources"
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="LiverTumor",
        sampleName="LiverTumorPhantom",
        uris=(resources / "SampleData" / "LiverTumorPhantom.nrrd").as_uri(),
        fileNames="LiverTumorPhantom.nrrd",
        nodeNames="LiverTumorPhantom",
        checksums="SHA256:2984214788bf0dbe4b011cd85b69d62708a3c005a74eaa4dfc84d083433ba6d7",
        thumbnailFileName=str(resources / "Icons" / "LiverTumorPhantom.png"),
    )


@parameterNodeWrapper
class LiverSegmentationMobileUNetParameterNode:
    """What the user has chosen; saved with the scene.

    inputVolume: the CT to segment.
    outputSegmentation: the segmentation to write to; a new one is made when none is chosen.
    liverModel, tumorModel, sliceModel: ids of model bundles.
    tumor: segment tumor too, not only the liver.
    slices: give each slice its probability of showing tumor.
    liverSegmentation: a segmentation with a Liver segment that takes the place of the liver model; may be left out.
    roiMarginMm, minLesionMl, keepProbabilities: see LiverTumorLib.records.options.RunOptions.
    liverThreshold, tumorThreshold, sliceThreshold: 0 takes the model's own.
    threads: CPU threads; 0 uses all.
    allFrames: analyze all frames where the CT is a sequence.
    referenceSegmentation: what the result is compared with.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    outputSegmentation: vtkMRMLSegmentationNode
    liverModel: str = "liver-roi"
    tumorModel: str = "liver-tumor"
    sliceModel: str = "tumor-slice"
    tumor: bool = True
    slices: bool = True
    liverSegmentation: vtkMRMLSegmentationNode
    roiMarginMm: Annotated[float, WithinRange(0, 50)] = 5.0
    minLesionMl: Annotated[float, WithinRange(0, 100)] = 0.1
    liverThreshold: Annotated[float, WithinRange(0, 0.99)] = 0.0
    tumorThreshold: Annotated[float, WithinRange(0, 0.99)] = 0.0
    sliceThreshold: Annotated[float, WithinRange(0, 0.99)] = 0.0
    threads: Annotated[int, WithinRange(0, 64)] = 0
    allFrames: bool = False
    keepProbabilities: bool = False
    referenceSegmentation: vtkMRMLSegmentationNode


class LiverSegmentationMobileUNetWidget(ScriptedLoadableModuleWidget):
    """Hands Slicer's calls on to the panel, see LiverTumorLib.panel."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        self.logic: LiverSegmentationMobileUNetLogic | None = None
        self.panel: SegmentationPanel | None = None

    def setup(self) -> None:
        """Called once, when the module is opened for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        try:
            from LiverTumorLib.panel.segmentation import SegmentationPanel
        except ModuleNotFoundError as error:
            if error.name != "LiverTumorLib":
                raise
            self._sayWhatIsMissing()
            return

        self.logic = LiverSegmentationMobileUNetLogic()
        self.panel = SegmentationPanel(self, self.logic)

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

    def _sayWhatIsMissing(self) -> None:
        import qt

        text = _(
            "This module needs the folder LiverTumorClassifier beside it: add it too under Edit > Application Settings "
            "> Modules > Additional module paths, and restart Slicer."
        )
        label = qt.QLabel(text)
        label.wordWrap = True
        self.layout.addWidget(label)

    def onReload(self) -> None:
        """Load the library again too, not only this file."""
        for name in [name for name in sys.modules if name.partition(".")[0] == "LiverTumorLib"]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)


class LiverSegmentationMobileUNetLogic(ScriptedLoadableModuleLogic):
    """Segmentation from Python; also what the panel uses. Needs no window."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)

    @staticmethod
    def batchScript():
        """Path of the script that segments many CTs without a window; see Docs/console.md for how Slicer runs it."""
        return str(Path(__file__).parent / "Resources" / "LiverTumorBatch.py")

    def getParameterNode(self):
        """The choices saved in the scene."""
        return LiverSegmentationMobileUNetParameterNode(super().getParameterNode())

    def process(
        self,
        volumeNode,
        outputSegmentation=None,
        *,
        liverSegmentation=None,
        keepCorrections=False,
        allFrames=False,
        wait=True,
        progressCallback=None,
        finishedCallback=None,
        **options,
    ):
        """Segment liver and tumor on a CT, measure the lesions and classify the slices.

        :param volumeNode: vtkMRMLScalarVolumeNode, a CT in HU.
        :param outputSegmentation: vtkMRMLSegmentationNode to write to; its liver, its lesions (each a segment of
        its own) and its tables are replaced,
          all else in it stays. A new one is made without it. ``LiverTumorLib.mrml.undo(outputSegmentation)`` takes
          that back.
        :param keepCorrections: leave outputSegmentation as it is, and make a new one, where somebody has corrected
        liver or lesions since a run wrote them, or has judged a lesion.
        :param liverSegmentation: vtkMRMLSegmentationNode with a Liver segment, as it is now, that takes the place of
        the liver model.
        :param allFrames: of a volume sequence, analyze every frame and not only the one shown; segmentation and tables
        then follow its
          browser, and ``frameTable`` has the figures of all frames. Probability maps are not kept then.
        :param wait: wait for the end while Slicer's event loop is served. False returns at once; in Slicer the nodes
        then appear
          when the run is over, in plain Python when ``wait()`` is called on what is returned.
        :param progressCallback: called with (stage, fraction, message).
        :param finishedCallback: called with the run when it is over; its ``result()`` returns or raises.
        :param options: ``liverModel``, ``tumorModel``, ``sliceModel`` (ids or folders of bundles), ``tumor``,
          ``slices``, ``roi`` (bool), ``roiMarginMm``, ``liverThreshold``, ``tumorThreshold``, ``sliceThreshold``,
          ``minLesionMl``, ``keepProbabilities``, ``threads``; see LiverTumorLib.records.options.RunOptions.
        :return: LiverTumorLib.mrml.CaseNodes (``segmentationNode``, ``lesionTable``, ``summaryTable``, ``sliceTable``,
          ``plotChart``, ``summary``), or a LiverTumorLib.mrml.CaseRun (``wait()``, ``cancel()``, ``result()``) where
          wait is False.
        :raises LiverTumorLib.errors.LiverTumorError: the volume is not a CT, a model or package is missing, the run was
          stopped, ...
        """
        from LiverTumorLib.mrml import show_segmentation, start_run

        def makeNodes(output, earlier=None):
            if earlier:
                return show_segmentation(output, volumeNode, earlier.segmentationNode)
            return show_segmentation(output, volumeNode, outputSegmentation, keepCorrections)

        receivers = (progressCallback, finishedCallback)
        return start_run(
            "segment",
            volumeNode,
            options,
            makeNodes,
            receivers,
            liver_segmentation=liverSegmentation,
            all_frames=allFrames,
            wait=wait,
        )

    def updateTables(self, volumeNode, segmentationNode):
        """Measure the segments as they are now, for example after corrections in the Segment Editor; a lesion that was
        drawn gets a number.

        :return: LiverTumorLib.mrml.CaseNodes with the lesion and summary tables of the segmentation, filled again.
        """
        from LiverTumorLib.mrml import measure_again

        return measure_again(segmentationNode, volumeNode)

    def processFolder(
        self,
        inputs,
        outputDir,
        *,
        nifti=False,
        picture=True,
        dicom=False,
        series=None,
        overwrite=False,
        wait=True,
        progressCallback=None,
        finishedCallback=None,
        **options,
    ):
        """Segment many CTs without loading them into the scene; the same as ``livertumor segment INPUT... --out DIR``.

        :param inputs: a file, folder or pattern, or a list of them.
        :param outputDir: each case gets a folder in it; cases that are done are not done again.
        :param nifti: also write a NIfTI label map.
        :param picture: write a one-page picture of each case (needs matplotlib).
        :param dicom: also write DICOM objects of the study that the CT belongs to, and the picture as a PDF.
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
            "segment",
            inputs,
            outputDir,
            options_from(options),
            nifti=nifti,
            picture=picture,
            dicom=dicom,
            series=series,
            overwrite=overwrite,
            progress=progressCallback,
            finished=finishedCallback,
            wait=wait,
        )


class LiverSegmentationMobileUNetTest(ScriptedLoadableModuleTest):
    """Self test; Slicer runs it from its own test driver and from the module's developer menu."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_phantomIsSegmented(self):
        # Slicer installs nothing while it is tested.
        if not any(map(importlib.util.find_spec, ("ai_edge_litert", "onnxruntime"))):
            self.skipTest("neither ai-edge-litert nor onnxruntime is installed in this Python")
        from LiverTumorLib.mrml import ct_to_node
        from LiverTumorLib.phantom import make_phantom

        volume, truth = make_phantom(seed=1)
        volumeNode = ct_to_node(volume, slicer.mrmlScene)
        nodes = LiverSegmentationMobileUNetLogic().process(volumeNode)
        segmentation = nodes.segmentationNode.GetSegmentation()
        self.assertEqual([segmentation.GetNthSegment(i).GetName() for i in range(2)], ["Liver", "Lesion 1"])
        trueLiverMl = (truth > 0).sum() * volume.voxel_ml
        self.assertLess(abs(nodes.summary.liver_ml - trueLiverMl), 0.2 * trueLiverMl)
        self.assertEqual(nodes.sliceTable.GetNumberOfRows(), volume.shape[0])

    def test_labelMapIsRefused(self):
        from LiverTumorLib.errors import InputError

        labelMap = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
        with self.assertRaises(InputError):
            LiverSegmentationMobileUNetLogic().process(labelMap)
