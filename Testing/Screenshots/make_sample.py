"""Make the sample that comes with the extension, and its thumbnail: python Testing/Screenshots/make_sample.py

The digital phantom of the tests, coarse enough for a file of 1.5 MB. Its checksum, which is printed, stands in
LiverSegmentationMobileUNet.py.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "LiverTumorClassifier"))

import numpy as np  # noqa: E402
import SimpleITK as sitk  # noqa: E402
from LiverTumorLib.files.itk import image_from  # noqa: E402
from LiverTumorLib.phantom import make_phantom  # noqa: E402
from PIL import Image  # noqa: E402

RESOURCES = ROOT / "LiverSegmentationMobileUNet" / "Resources"
SAMPLE = RESOURCES / "SampleData" / "LiverTumorPhantom.nrrd"
THUMBNAIL = RESOURCES / "Icons" / "LiverTumorPhantom.png"
SEED, SHAPE = 1, (42, 176, 176)
WINDOW_HU = (-60, 180)
THUMBNAIL_SIZE = (192, 192)


def main() -> None:
    """Write both files."""
    volume, truth = make_phantom(SEED, SHAPE)
    SAMPLE.parent.mkdir(exist_ok=True)
    image = image_from(volume.array, volume.ijk_to_ras)
    sitk.WriteImage(image, str(SAMPLE), useCompression=True, compressionLevel=9)
    low, high = WINDOW_HU
    plane = volume.array[int((truth == 2).sum(axis=(1, 2)).argmax())]
    gray = np.clip((plane - low) * (255 / (high - low)), 0, 255).astype(np.uint8)
    Image.fromarray(gray).resize(THUMBNAIL_SIZE, Image.Resampling.BICUBIC).save(THUMBNAIL, optimize=True)
    print(f"SHA256:{hashlib.sha256(SAMPLE.read_bytes()).hexdigest()}  {SAMPLE} {SAMPLE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
