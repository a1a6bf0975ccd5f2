"""What the tests of `livertumor evaluate` share: its call, and two small labeled cases."""

import argparse
import hashlib
import json

import numpy as np
import pytest
from CompressionTrainerLib.stages import evaluate as command
from LiverTumorLib.models.catalogue import SHIPPED
from LiverTumorLib.phantom import make_phantom

pytest.importorskip("nibabel")
pytest.importorskip("surface_distance")
pytest.importorskip("sklearn")
shipped = pytest.mark.skipif(not SHIPPED.is_dir(), reason="no models are shipped in this checkout")


def parse(*arguments) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    return parser.parse_args(["evaluate", *map(str, arguments)])


def evaluate(*arguments):
    """Parse and run, as the command line does; errors come through."""
    arguments = parse(*arguments)
    arguments.func(arguments)


@pytest.fixture(name="data", scope="module")
def data_fixture(tmp_path_factory):
    """Two small phantoms as cases 1 and 2 of a split, case 2 stored as a case without tumor."""
    import nibabel
    from LiverTumorLib.files import write_label_nifti

    folder = tmp_path_factory.mktemp("cases")
    for case in (1, 2):
        volume, truth = make_phantom(seed=case, shape=(32, 96, 96))
        labels = truth if case == 1 else np.minimum(truth, 1)
        write_label_nifti(folder / f"segmentation-{case}.nii.gz", labels, volume.ijk_to_ras)
        nibabel.save(
            nibabel.Nifti1Image(volume.array.transpose(2, 1, 0), volume.ijk_to_ras), folder / f"volume-{case}.nii.gz"
        )
    split = {
        "name": "phantoms",
        "patients": {"train": [], "val": [], "test": [[1], [2]]},
        "files": {"ct": "volume-{case}.nii.gz", "mask": "segmentation-{case}.nii.gz"},
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()},
    }
    (folder / "split.json").write_text(json.dumps(split), encoding="utf-8")
    return folder
