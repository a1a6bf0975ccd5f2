"""Training data and a configuration as small as they can be, for the tests of the trainer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from CompressionTrainerLib.data.training_data import TrainingData

TINY = """
name = "tiny"
task = "{task}"
[input]
size = [64, 64]
spacing_mm = 5.0
region = "{region}"
[sampling]
slices = 16
tumor_share = 0.5
background_share = 0.25
[network]
width = 0.35
decoder = [16, 16, 16]
[optimizer]
batch = 8
epochs = 2
[augmentation]
synthetic_lesions = 0.5
"""


def write_data(folder: Path) -> None:
    """Three small phantoms as NIfTI pairs, and a split of them in split.json: two train, one chooses."""
    import nibabel
    from LiverTumorLib.phantom import make_phantom

    for case in range(3):
        volume, labels = make_phantom(seed=case + 1, shape=(24, 128, 128), spacing_mm=(3.0, 3.0, 8.0))
        for name, array in (("volume", volume.array), ("segmentation", labels)):
            nibabel.save(
                nibabel.Nifti1Image(array.transpose(2, 1, 0), volume.ijk_to_ras), folder / f"{name}-{case}.nii.gz"
            )
    split = {
        "name": "tiny",
        "patients": {"train": [[0], [1]], "val": [[2]]},
        "files": {"ct": "volume-{case}.nii.gz", "mask": "segmentation-{case}.nii.gz"},
    }
    (folder / "split.json").write_text(json.dumps(split))


def untrained_run(folder: Path, data: TrainingData, text: str) -> Path:
    """A run whose training did nothing: random weights, and all the files of a finished run.

    Args:
        folder: where; it must not be there yet.
        data: as the trainer's functions take them.
        text: of the configuration.
    """
    from CompressionTrainerLib.networks.build import build_network
    from CompressionTrainerLib.training.config import load_config
    from CompressionTrainerLib.training.record import write_record
    from CompressionTrainerLib.training.run import load_slices

    folder.mkdir()
    (folder / "tiny.toml").write_text(text)
    config = load_config(folder / "tiny.toml")
    write_record(folder, config, load_slices(config, data)[1], None, None)
    model = build_network(config)
    for name in ("best", "last"):
        model.save_weights(folder / f"{name}.weights.h5")
    (folder / "log.csv").write_text(f"epoch,val_{'accuracy' if config.task == 'slice' else 'dice'}\n0,0.5\n")
    return folder
