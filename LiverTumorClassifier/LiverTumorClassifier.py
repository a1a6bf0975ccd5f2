"""Slicer module: the probability of tumor for every axial slice of a CT."""

import importlib.util

import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkMRMLTableNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class LiverTumorClassifier(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Liver Tumor Classifier")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []
        self.parent.contributors = ["LiverTumor developers"]
        self.parent.helpText = _(
            "Gives every axial slice of an abdominal CT its calibrated probability of showing liver tumor (MobileNetV2), as a table "
            "and a plot. With a segmentation of the liver, slices without liver get the probability 0. "
            "For research; not a medical device."
        )
        self.parent.acknowledgementText = _(
            "Follows two papers: the two-stage Mobile U-Net for liver and liver tumor segmentation on LiTS17, and "
            "'Quantization-Aware Pruned MobileNetV2 for Real-Time Liver Tumor Classification on CT Images' (Jaafaru et al.). "
            "The networks were trained on a subset of LiTS17, the Liver Tumor Segmentation Benchmark (Bilic et al., Medical Image "
            "Analysis 2023); their weights are for non-commercial research."
        )


@parameterNodeWrapper
class LiverTumorClassifierParameterNode:
    """What the user has chosen; saved with the scene.

    inputVolume: the CT to classify.
    liverSegmentation: a segmentation with a Liver segment; slices without liver get the probability 0. May be left out.
    outputTable: the table to write to; a new one is made when none is chosen.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    liverSegmentation: vtkMRMLSegmentationNode
    outputTable: vtkMRMLTableNode


class LiverTumorClassifierWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel. It starts runs and shows how they go; the logic does the work."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None
        self._runControl = None

    def setup(self) -> None:
        """Called once, when the module is opened for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/LiverTumorClassifier.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        from LiverTumorLib.panel import RunControl

        self.logic = LiverTumorClassifierLogic()
        self._runControl = RunControl(self.ui, self._showResults, self._updateButtons)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.ui.applyButton.connect("clicked(bool)", self.onApplyButton)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Called when the application closes or the module is reloaded."""
        if self._runControl:
            self._runControl.abandon()
        self.removeObservers()

    def enter(self) -> None:
        """Called each time the user opens the module."""
        self.initializeParameterNode()

    def exit(self) -> None:
        """Called each time the user leaves the module; a run goes on."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self._parameterNodeGuiTag = None
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._updateButtons)

    def onSceneStartClose(self, caller, event) -> None:
        """The nodes of the run and the parameter node are about to go."""
        self._runControl.abandon()
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event) -> None:
        """Start anew when the module is shown."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self) -> None:
        """Make sure that there is a parameter node; the first volume is chosen when there is no choice yet."""
        self.setParameterNode(self.logic.getParameterNode())
        if not self._parameterNode.inputVolume:
            firstVolume = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            if firstVolume:
                self._parameterNode.inputVolume = firstVolume

    def setParameterNode(self, parameterNode: LiverTumorClassifierParameterNode | None) -> None:
        """Show another parameter node, and follow its changes."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._updateButtons)
        self._parameterNode = parameterNode
        if self._parameterNode:
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)
            self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._updateButtons)
            self._updateButtons()

    def onApplyButton(self) -> None:
        """Start the run in the background."""
        self._runControl.start(self._launch)

    def _launch(self, progressCallback, finishedCallback):
        from LiverTumorLib.panel import ensure_requirements

        ensure_requirements(self.resourcePath("LiverTumorClassifierRequirements.txt"), self.moduleName)
        return self.logic.process(
            self._parameterNode.inputVolume,
            self._parameterNode.liverSegmentation,
            self._parameterNode.outputTable,
            wait=False,
            progressCallback=progressCallback,
            finishedCallback=finishedCallback,
        )

    def _showResults(self, nodes) -> str:
        self._parameterNode.outputTable = nodes.sliceTable
        slices = nodes.summary.suspicious_slices
        if not slices:
            return _("No suspicious slice.")
        return _("{count} suspicious slices, likeliest is {index}").format(count=len(slices), index=slices[0])

    def _updateButtons(self, caller=None, event=None) -> None:
        ready = bool(self._parameterNode and self._parameterNode.inputVolume)
        running = self._runControl is not None and self._runControl.running
        self.ui.applyButton.enabled = ready and not running
        self.ui.applyButton.toolTip = _("Classify the slices of the CT") if ready else _("Choose a CT volume first")


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
        wait=True,
        progressCallback=None,
        finishedCallback=None,
        **options,
    ):
        """Give every axial slice of a CT its probability of showing tumor.

        :param volumeNode: vtkMRMLScalarVolumeNode, a CT in HU.
        :param liverSegmentation: vtkMRMLSegmentationNode with a Liver segment as it is now; slices without liver get the
          probability 0. Without it every slice is scored, and marked "unknown" since the classifier knows liver slices only.
        :param outputTable: vtkMRMLTableNode to write to, with the plot that belongs to it; new ones are made without it.
        :param wait: wait for the end while Slicer's event loop is served. False returns at once; in Slicer the nodes then appear
          when the run is over, in plain Python when ``wait()`` is called on what is returned.
        :param progressCallback: called with (stage, fraction, message).
        :param finishedCallback: called with the run when it is over; its ``result()`` answers or raises.
        :param options: ``sliceModel`` (id or folder of a bundle), ``sliceThreshold``, ``threads``.
        :return: LiverTumorLib.mrml.CaseNodes (``sliceTable``, ``plotChart``, ``summary``), or a LiverTumorLib.mrml.CaseRun
          (``wait()``, ``cancel()``, ``result()``) where wait is False.
        :raises LiverTumorLib.errors.LiverTumorError: the volume is no CT, a model or package is missing, the run was stopped, ...
        """
        from LiverTumorLib.mrml import CaseRun, ct_from_node, gate_slices, labels_from_segmentation, options_from, show_slices

        volume = ct_from_node(volumeNode)
        labels = labels_from_segmentation(liverSegmentation, volumeNode) if liverSegmentation else None

        def makeNodes(output):
            gated = output if labels is None else gate_slices(output, volume, labels)
            return show_slices(gated, volumeNode, outputTable)

        run = CaseRun("classify", volume, options_from(options), makeNodes, progressCallback, finishedCallback)
        if wait:
            return run.wait()
        run.serve()
        return run

    def processFolder(self, inputs, outputDir, *, picture=True, series=None, overwrite=False, progressCallback=None, **options):
        """Classify many CTs without loading them into the scene; the same as ``livertumor classify INPUT... --out DIR``.

        :param inputs: a file, folder or pattern, or a list of them.
        :param outputDir: each case gets a folder in it; cases that are done are not done again.
        :param picture: write a one-page picture of each case (needs matplotlib).
        :param series: which DICOM series of a folder.
        :param overwrite: replace results of other inputs or options.
        :param progressCallback: called with (stage, fraction, message).
        :param options: as in :py:meth:`process`.
        :return: path of ``cases.csv``, the table of all cases.
        :raises LiverTumorLib.errors.SomeCasesFailed: some cases have no result; the message says which and why.
        """
        from LiverTumorLib.mrml import options_from, process_folder

        return process_folder(
            "classify",
            inputs,
            outputDir,
            options_from(options),
            picture=picture,
            series=series,
            overwrite=overwrite,
            progress=progressCallback,
        )


class LiverTumorClassifierTest(ScriptedLoadableModuleTest):
    """Self test; Slicer runs it from its own test driver and from the module's developer menu."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_phantomIsClassified(self):
        if importlib.util.find_spec("ai_edge_litert") is None:  # Slicer installs nothing while it is tested
            self.skipTest("ai-edge-litert is not installed in this Python")
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
