"""Faster code gives the results of the code before it: those of commit 0a58b2f, with the models shipped then."""

import os
from pathlib import Path

import numpy as np
import pytest
from LiverTumorLib.files import read_ct
from LiverTumorLib.models.catalogue import SHIPPED, get_bundle
from LiverTumorLib.phantom import make_phantom
from LiverTumorLib.pipelines.segmentation import segment_case
from LiverTumorLib.records.results import TUMOR

DATA = Path(os.environ.get("LIVERTUMOR_TEST_DATA", ""))
FORMER = Path(__file__).parent / "former" / "phantom.npz"
MODELS = {
    "liver-roi": "59ae7955a5113ce2421f9612623e1049a5a6c71a51345f4af0a0da488a116714",
    "liver-tumor": "175397f3aefac11c1787ddb8729224065acfb79c80916dbcfe80318d977fdc7c",
    "tumor-slice": "f12af6027602d94b7303f37f1cfee6216984133ca228532856e6b5f064d40baa",
}
pytestmark = pytest.mark.skipif(
    any(get_bundle(SHIPPED / id).describe()["sha256"] != sha256 for id, sha256 in MODELS.items()),
    reason="other models are shipped now; make the former results again with the last code that is trusted",
)


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


def test_labels_and_probabilities_of_the_phantom_are_the_former_ones():
    volume, _ = make_phantom(shape=(64, 160, 160))
    output = segment_case(volume)
    with np.load(FORMER) as former:
        for name, mask in (("liver", output.labels > 0), ("tumor", output.labels == TUMOR)):
            before = np.unpackbits(former[name], count=mask.size).astype(bool).reshape(mask.shape)
            assert _dice(before, mask) >= 0.999, name
        probabilities = [record.probability for record in output.result.slices]
        assert probabilities == pytest.approx(former["probability"].tolist(), abs=0.001)


@pytest.mark.skipif("LIVERTUMOR_TEST_DATA" not in os.environ, reason="LIVERTUMOR_TEST_DATA names no folder of real CT")
def test_figures_of_a_real_scan_are_the_former_ones():
    summary = segment_case(read_ct(DATA / "real-ct" / "lidc-0001" / "ct.nii.gz")).result.summary
    assert summary.liver_ml == pytest.approx(936.81, rel=0.001)
    assert summary.tumor_ml == pytest.approx(0.0, abs=0.01)
    assert (summary.lesion_count, summary.suspicious_slices) == (0, [])
