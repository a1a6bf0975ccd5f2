"""Slicer module: training and compression of the networks that the other two modules use."""

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)


class CompressionTrainer(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Compression Trainer")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["LiverTumorClassifier"]
        self.parent.contributors = ["LiverTumor developers"]
        self.parent.helpText = _(
            "Trains the small networks of the Liver Tumor Classifier and Liver Segmentation modules from a folder of labelled CT, and "
            "compresses them to int8 models of a few megabytes. For research; not a medical device."
        )
        self.parent.acknowledgementText = _(
            "Follows two papers: the two-stage Mobile U-Net for liver and liver tumor segmentation on LiTS17, and "
            "'Quantization-Aware Pruned MobileNetV2 for Real-Time Liver Tumor Classification on CT Images' (Jaafaru et al.). "
            "The networks were trained on a subset of LiTS17, the Liver Tumor Segmentation Benchmark (Bilic et al., Medical Image "
            "Analysis 2023); their weights are for non-commercial research."
        )


class CompressionTrainerWidget(ScriptedLoadableModuleWidget):
    """The panel: says how to train."""

    def setup(self) -> None:
        """Called once, when the module is opened for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/CompressionTrainer.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        self.ui.infoLabel.text = CompressionTrainerLogic().howToTrain()


class CompressionTrainerLogic(ScriptedLoadableModuleLogic):
    """Training itself is a program of its own, since TensorFlow must not be loaded into Slicer."""

    def howToTrain(self) -> str:
        """What the panel says."""
        return _(
            "Training runs from the command line, outside Slicer: 'livertumor train'. It makes a model bundle; the other two modules "
            "use it when its folder is given as the model."
        )


class CompressionTrainerTest(ScriptedLoadableModuleTest):
    """Self test; Slicer runs it from its own test driver and from the module's developer menu."""

    def test_trainingIsExplained(self):
        self.assertIn("livertumor train", CompressionTrainerLogic().howToTrain())
