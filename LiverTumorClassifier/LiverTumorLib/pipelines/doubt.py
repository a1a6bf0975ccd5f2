"""Is what was found a liver, and can the result be right? Judged by anatomy, so that no network alone judges its
errors.

What is certain to be no liver is rejected; what is unusual is kept, with a note. The bounds leave room for children,
for livers after a resection, and for what the scan's ends cut off:

- Volume: about 120 to 150 ml at birth (Noda et al., Pediatr Radiol 1997), 706 ml per m² of body surface later (Urata et
  al., Hepatology 1995); after a resection a quarter or more must remain (Guglielmi et al., Dig Surg 2012); polycystic
  livers have more than 10 l.
- Thickness: the liver is the thickest organ of the abdomen. The largest ball inside the true livers of the training
  data takes 0.22 to 0.5 of the body's width (a child's proportions are not smaller), 0.11 in a tip of 4 cm alone, and
  0.12 in a fifth of the liver at its left.
- Density: about 60 HU without contrast medium, below 0 with much fat (Boyce et al., AJR 2010), 100 to 130 HU in the
  portal venous phase (Heiken et al., Radiology 1995).
"""

from __future__ import annotations

import numpy as np

from ..ct import CTVolume
from ..records.results import CaseSummary
from .survey import Survey, find_spine, survey

NO_LIVER = "No liver found."
SMALLEST_ML = 60.0  # half of a newborn's, since networks do not find all of a small one
ORDINARY_ML = (400.0, 5000.0)
THINNEST = 0.10  # diameter of the largest ball inside, by the body's width
# Of all lean tissue at its height: true livers take 0.43 at most, 0.6 in slabs of some centimeters, 0.66 in scans
# cropped to it.
LARGEST_SHARE, LARGEST_SHARE_CROPPED = 0.7, 0.85
EVEN_MM = 200.0  # a liver that both ends of a scan cut gets thinner within this height
BONE_AROUND = 0.4  # true ones at most 0.2; what a network finds in a head may leave a part of the skull
POSSIBLE_HU, USUAL_HU, CONTRAST_HU = (-40.0, 220.0), (30.0, 160.0), 70.0
LEAST_SPREAD_HU, USUAL_SPREAD_HU = 1.0, 100.0  # distance of the quartiles: noise alone makes more than the first
SURE = 0.9  # mean probability; true livers have 0.93 and more
LITTLE_LUNG = 0.25  # of the surroundings above: true livers have 0.36 and more
LEFT, IN_FRONT = 0.15, -0.2  # between the body's right and left, front and back: true ones -0.8 to 0, -0.1 to 1
UPSIDE_DOWN = 0.2
BODY_MM, FLAT = (70.0, 600.0), 0.45  # width of a body; height of a whole liver by its width, which is 0.6 to 1
LARGEST_BURDEN_PERCENT = 50.0


def rejection(found: Survey) -> str | None:
    """Why a region that a network found is certain to be no liver, as a sentence; None where it may be one."""
    if found.bone_around > BONE_AROUND:
        reason = "bone surrounds it, as the skull does the brain"
    elif found.share > (LARGEST_SHARE_CROPPED if "side" in found.cut else LARGEST_SHARE):
        reason = "it takes nearly all tissue at its height, where a liver leaves room for other organs"
    elif found.even_mm >= EVEN_MM:
        reason = f"it goes through all {found.even_mm:.0f} mm of the scan with an even cross-section, as a limb does"
    elif not POSSIBLE_HU[0] <= found.hu <= POSSIBLE_HU[1]:
        reason = f"its density of {found.hu:.0f} HU is not a liver's"
    elif found.ml < SMALLEST_ML and not found.cut:
        reason = "it is much smaller than a newborn's liver, and the scan does not cut it"
    elif found.thickness_mm < THINNEST * found.body_mm:
        reason = f"it is nowhere thicker than {found.thickness_mm:.0f} mm, too thin for a liver in a body of this width"
    elif found.ml < ORDINARY_ML[0] and _unsure(found) and (found.lung_above or 0) < LITTLE_LUNG:
        reason = (
            "it is small, no lung is seen above it, and the network was unsure (mean probability "
            f"{found.probability:.2f})"
        )
    else:
        return None
    return f"A region of {found.ml:.0f} ml was rejected: {reason}."


def liver_notes(labels: np.ndarray, volume: CTVolume, probability: float | None = None) -> list[str]:
    """Notes on a liver that nothing rejects, since somebody has drawn, corrected or believed it.

    Args:
        labels: (k, j, i) on the volume's grid, above 0 in the liver; it may be empty.
        volume: CT in axial order.
        probability: see `survey`.
    """
    found = survey(labels, volume, probability)
    return [NO_LIVER, *scan_doubts(volume)] if found is None else doubts(found)


def corrected_notes(
    labels: np.ndarray, volume: CTVolume, summary: CaseSummary, probability: float | None = None
) -> list[str]:
    """All notes on labels that were changed after the run; `summary` holds their figures, the rest is as for
    `liver_notes`."""
    return [*liver_notes(labels, volume, probability), *burden_doubts(summary), *volume.notes]


def doubts(found: Survey) -> list[str]:
    """What is unusual in a liver, found or given, as sentences 'what it is; what to do.'."""
    notes = [*place_doubts(found), *size_doubts(found), *density_doubts(found)]
    if found.cut:
        where = " and ".join(end for end in ("lower end", "upper end", "side") if end.split()[0] in found.cut)
        notes.append(f"The liver is cut at the scan's {where}; all volumes are those of the part that the scan shows.")
    if USUAL_HU[0] <= found.hu < CONTRAST_HU:
        notes.append(
            f"The liver has {found.hu:.0f} HU, as without contrast medium or with much fat; "
            "lesions may be invisible in it, so do not conclude from their absence."
        )
    if _unsure(found):
        notes.append(
            f"The network was unsure of the liver (mean probability {found.probability:.2f}); look at its outline."
        )
    return notes


def place_doubts(found: Survey) -> list[str]:
    """Where the patient cannot lie as the header says, or the voxels cannot have the size that it gives."""
    whole_width = "side" not in found.cut
    left = found.side > LEFT and whole_width
    in_front = found.spine is not None and found.spine < IN_FRONT
    notes = []
    if left and in_front:
        notes.append(f"The liver lies on the patient's left and the spine in front; {_TURNED}")
    elif left:
        notes.append(
            "The liver lies on the patient's left; unless the patient's organs are mirrored (situs inversus), the "
            "header exchanges right and left or turns the patient, and must be corrected before you use any result."
        )
    elif in_front:
        notes.append(f"The spine lies in front; {_TURNED}")
    above, below = found.lung_above, found.lung_below
    if whole_width and above is not None and below is not None and below > above + UPSIDE_DOWN:
        notes.append(f"The lungs lie below the liver; {_TURNED}")
    if not found.cut and found.voxel_mm == (1, 1, 1) and (_unlikely_shape(found) or not _within(found.ml, ORDINARY_ML)):
        notes.append(
            "All voxels are said to be exactly 1 mm, which makes a body of impossible size; "
            "the header has probably lost the voxel size, and all volumes and diameters are wrong until it is put "
            "right."
        )
    return notes


def size_doubts(found: Survey) -> list[str]:
    """Where the volume is not that of a liver."""
    if found.cut or _within(found.ml, ORDINARY_ML):
        return []
    usual = f"where {ORDINARY_ML[0]:.0f} to {ORDINARY_ML[1]:.0f} ml are usual"
    unless = ", unless it is a child's or was resected" if found.ml < ORDINARY_ML[0] else ""
    return [f"The liver has {found.ml:.0f} ml, {usual}{unless}; look at its outline."]


def density_doubts(found: Survey) -> list[str]:
    """Where the density is not that of a liver."""
    notes = []
    if not _within(found.hu, USUAL_HU):
        notes.append(
            f"The liver has {found.hu:.0f} HU, where {USUAL_HU[0]:.0f} to {USUAL_HU[1]:.0f} HU are usual; look at its "
            "outline."
        )
    if found.spread_hu < LEAST_SPREAD_HU:
        notes.append("The density within the liver is the same throughout, as in no CT; look whether the file is one.")
    if found.spread_hu > USUAL_SPREAD_HU:
        notes.append(
            f"The density within the liver varies by {found.spread_hu:.0f} HU, as over several organs; look at its "
            "outline."
        )
    return notes


def scan_doubts(volume: CTVolume) -> list[str]:
    """Why no liver may have been found in a scan in axial order: a header that turns it, or has lost the voxel size."""
    spine, notes = find_spine(volume), []
    if spine is not None and spine < IN_FRONT:
        notes.append(f"The spine lies in front; {_TURNED}")
    if (volume.spacing == 1).all():
        notes.append(
            "All voxels are said to be exactly 1 mm; if the header has lost the voxel size, put it right and run again."
        )
    return notes


def burden_doubts(summary: CaseSummary) -> list[str]:
    """A tumor that takes most of the liver."""
    if (summary.tumor_burden_percent or 0) <= LARGEST_BURDEN_PERCENT:
        return []
    return [f"Tumor takes {summary.tumor_burden_percent:.0f} % of the liver, which is rare; look at both outlines."]


_TURNED = "the scan seems to be turned, so correct the orientation in its header before you use any result."


def _unsure(found: Survey) -> bool:
    return found.probability is not None and found.probability < SURE


def _unlikely_shape(found: Survey) -> bool:
    return not _within(found.body_mm, BODY_MM) or found.size_mm[2] < FLAT * found.size_mm[0]


def _within(value: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= value <= bounds[1]
