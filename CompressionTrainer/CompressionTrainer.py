"""Slicer module: training and compression of the networks that the other two modules use."""

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

if TYPE_CHECKING:
    from CompressionTrainerLib.panel.trainer import TrainerPanel

# The libraries are imported where they are used, when all folders are known: LiverTumorLib lies in that of
# LiverTumorClassifier.

_PAGE = "https://github.com/SlicerLiverTumor/SlicerLiverTumor/blob/main/Docs/trainer.md"


class CompressionTrainer(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Compression Trainer")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []  # Slicer would leave this module out without a word where one of them is missing
        self.parent.contributors = ["LiverTumor developers (SlicerLiverTumor)"]
        self.parent.helpText = _(
            "Trains the small networks of the Liver Tumor Classifier and Liver Segmentation modules from a folder of "
            "labeled CT, prunes them, quantizes them in training, measures every variant, and installs the int8 model "
            "of a few megabytes for the other two modules. TensorFlow runs in a process of its own. For research; not "
            "a medical device."
            "<p>In the Python console:</p><pre>"
            "trainer = slicer.util.getModuleLogic('CompressionTrainer')\n"
            "trainer.prepare('/data/ct', '/data/run')  # checks the data, freezes the split\n"
            "result = trainer.compress('/data/ct', '/data/run', 'best', network='liver-tumor', modelName='my-tumor')\n"
            "print(result.variants, result.reportFile)\n"
            "trainer.installModel(result.modelFolder)</pre>"
        )
        self.parent.helpText += f"<p>{_('How to use it:')} <a href='{_PAGE}'>{_PAGE}</a></p>"
        self.parent.acknowledgementText = _(
            "Follows two papers: the two-stage Mobile U-Net for liver and liver tumor segmentation on LiTS17, and "
            "'Quantization-Aware Pruned MobileNetV2 for Real-Time Liver Tumor Classification on CT Images' (Jaafaru et "
            "al.). The networks were trained on a subset of LiTS17, the Liver Tumor Segmentation Benchmark (Bilic et "
            "al., Medical Image Analysis 2023); their weights are for non-commercial research."
        )


@parameterNodeWrapper
class CompressionTrainerParameterNode:
    """What the user has chosen; saved with the scene. The Python that trains is not, see
    CompressionTrainerLib.panel.python_choice.

    dataFolder, outputFolder: folders.
    split: "patient", "slice", or "file", which is splitFile.
    skipBad: train without the cases that cannot be used.
    configuration: a shipped one, or "file", which is configurationFile.
    network: a shipped training configuration; "" is the configuration's own.
    modelName: id of the model that comes out; "" is the configuration's name.
    leaveOut: stages that are not wanted, with blanks between them.
    imagenetFile, startFile: weights to start from; may be "".
    overwrite: replace what the output folder holds from other settings.
    """

    dataFolder: str = ""
    outputFolder: str = ""
    split: str = "patient"
    splitFile: str = ""
    skipBad: bool = False
    configuration: str = "fast"
    configurationFile: str = ""
    network: str = ""
    modelName: str = ""
    leaveOut: str = ""
    imagenetFile: str = ""
    startFile: str = ""
    overwrite: bool = False


class CompressionTrainerWidget(ScriptedLoadableModuleWidget):
    """Hands Slicer's calls on to the panel, see CompressionTrainerLib.panel."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        self.logic: CompressionTrainerLogic | None = None
        self.panel: TrainerPanel | None = None

    def setup(self) -> None:
        """Called once, when the module is opened for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        try:
            from CompressionTrainerLib.panel.trainer import TrainerPanel
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "LiverTumorLib":
                raise
            self._sayWhatIsMissing()
            return

        self.logic = CompressionTrainerLogic()
        self.panel = TrainerPanel(self, self.logic)

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
        """Load the libraries again too, not only this file."""
        for name in [
            name for name in sys.modules if name.partition(".")[0] in ("LiverTumorLib", "CompressionTrainerLib")
        ]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)


class CompressionTrainerLogic(ScriptedLoadableModuleLogic):
    """Training from Python. TensorFlow is never loaded into Slicer: every method starts a process of its own where it
    needs it."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)

    def getParameterNode(self):
        """The choices saved in the scene."""
        return CompressionTrainerParameterNode(super().getParameterNode())

    def prepare(self, dataFolder, outputFolder, **options):
        """Check a folder of labeled CT and freeze its split; nothing is trained.

        :param options: as in :py:meth:`compress`, which continues from here when it gets the same ones.
        :return: as :py:meth:`compress`; ``checkRows`` says what is wrong with which file and what to do.
        :raises LiverTumorLib.errors.SomeCasesFailed: cases cannot be used, and ``skipBad`` was not asked for.
        """
        return self.compress(dataFolder, outputFolder, until="prepare", **options)

    def compress(
        self,
        dataFolder,
        outputFolder,
        configuration="best",
        *,
        network=None,
        modelName=None,
        split="patient",
        leaveOut=(),
        skipBad=False,
        imagenet=None,
        start=None,
        overwrite=False,
        until=None,
        python=None,
        install=False,
        wheels=None,
        wait=True,
        progressCallback=None,
        eventCallback=None,
        finishedCallback=None,
    ):
        """Train, prune, quantize, export and measure a model; the same as ``livertumor compress``. For example::

            trainer = slicer.util.getModuleLogic("CompressionTrainer")
            run = trainer.compress("/data/ct", "/data/run", "best", network="liver-tumor", modelName="my-tumor",
            wait=False) run.cancel()  # and the same call again continues after the last whole epoch result =
            trainer.compress("/data/ct", "/data/run", "best", network="liver-tumor", modelName="my-tumor")
            trainer.installModel(result.modelFolder)

        :param dataFolder: labeled CT, laid out as LiTS, MSD, 3D-IRCADb or in pairs.
        :param outputFolder: everything that is made lies there; what is finished there is not done again.
        :param configuration: "paper", "fast", "best", "small", or a TOML file.
        :param network: a shipped training configuration ("liver-roi", "liver-tumor", "tumor-slice", ...) or a TOML
          file.
        :param modelName: id of the model that comes out.
        :param split: "patient", "slice" (as the classifier paper, whose figures are too good), or a split file.
        :param leaveOut: stages of the configuration that are not wanted.
        :param skipBad: train without the cases that cannot be used.
        :param imagenet: ImageNet weights (.npz) to start from.
        :param start: weights of an earlier run (.h5), or a model by id, folder or .tflite file, to start from.
        :param overwrite: replace what is there from other settings.
        :param until: stop after this stage.
        :param python: the Python that trains: "slicer", "own" (a virtual environment made for you), or a program; the
          panel's choice where it is left out.
        :param install: packages that the Python lacks may be installed. That is about 700 MB to download.
        :param wheels: folder with the packages, for a computer without internet.
        :param wait: wait for the end while Slicer's event loop is served. False returns at once.
        :param progressCallback: called with (stage, fraction, message).
        :param eventCallback: called with every event as a dictionary; at the end of an epoch it has "metrics".
        :param finishedCallback: called with the run when it is over; its ``result()`` returns or raises.
        :return: CompressionTrainerLib.mrml.runs.TrainerResult (``outputFolder``, ``variants``, ``checkRows``,
          ``modelFolder``, ``reportFile``), or a TrainerRun (``wait()``, ``cancel()``, ``result()``) where wait is
          False.
        :raises LiverTumorLib.errors.LiverTumorError: what is wrong with the data, the settings, the folder or the
          Python.
        """
        from CompressionTrainerLib.workflow.request import WorkflowChoices, request_workflow

        request = request_workflow(
            WorkflowChoices(
                dataFolder,
                outputFolder,
                configuration,
                network=network,
                name=modelName,
                split=split,
                leave_out=leaveOut,
                skip_bad=skipBad,
                imagenet=imagenet,
                start=start,
                until=until,
                overwrite=overwrite,
            )
        )
        return self._run(request, python, install, wheels, wait, progressCallback, eventCallback, finishedCallback)

    def tryPython(self, python=None, install=False, wheels=None):
        """Load all that training needs in a Python, in a process of its own.

        :param python, install, wheels: as in :py:meth:`compress`.
        :return: versions of Python and of the packages, by name.
        :raises LiverTumorLib.errors.LiverTumorError: it cannot train; the message says why.
        """
        return self._run(None, python, install, wheels, wait=True)

    def installModel(self, modelFolder, overwrite=False):
        """Copy a model to the user's models, where the other two modules list it and where updates of the extension
        leave it alone.

        :param modelFolder: the folder of a model bundle.
        :param overwrite: let it take the place of one of the same id.
        :return: LiverTumorLib.models.bundle.Bundle, the installed one.
        :raises LiverTumorLib.errors.OutputError: one of that id is there already, or the folder cannot be written.
        """
        from LiverTumorLib.models.install import install_bundle

        return install_bundle(modelFolder, overwrite)

    def _run(self, request, python, install, wheels, wait, progress=None, event=None, finished=None):
        from CompressionTrainerLib.environment.choice import KINDS, OTHER
        from CompressionTrainerLib.mrml.runs import Installation, TrainerRun, chosen_python, python_of

        requirements = Path(__file__).with_name("Resources") / "CompressionTrainerRequirements.txt"
        kind, program = (python, "") if python in KINDS else (OTHER, str(python))
        where = chosen_python() if python is None else python_of(kind, program)
        installation = Installation(requirements, lambda python, why: install, Path(wheels) if wheels else None)
        run = TrainerRun(where, request, installation, progress, event, finished)
        if wait:
            return run.wait()
        run.serve()
        return run


class CompressionTrainerTest(ScriptedLoadableModuleTest):
    """Self test; Slicer runs it from its own test driver and from the module's developer menu."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_aFolderWithoutDataIsRefused(self):
        from LiverTumorLib.errors import InputError

        with self.assertRaises(InputError):
            CompressionTrainerLogic().compress("", "")

    def test_aPythonThatCannotTrainIsTold(self):
        from LiverTumorLib.errors import LiverTumorError

        with tempfile.TemporaryDirectory() as folder, self.assertRaises(LiverTumorError):
            CompressionTrainerLogic().tryPython(str(Path(folder) / "python"))
