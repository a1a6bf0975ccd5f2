"""The liver of one date onto that of the date before: rigid and affine on its shape, then B-splines on its shape and
the CT in it.

Both livers become one kind of picture: the signed distance to the surface, and inside it the CT, in which lesions are
blanked so that
their growth pulls at nothing. The mean squares of two such pictures are minimized with SimpleITK (Lowekamp et al.,
Front Neuroinform 7
(2013) 45), by free-form deformations of B-splines (Rueckert et al., IEEE Trans Med Imaging 18 (1999) 712-721). Where a
scan cuts the
liver there is no surface, and what only one of the scans shows has no say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..ct import CTVolume
from ..ct.region import bounding_box
from ..errors import Cancelled
from ..files.itk import image_from, import_sitk
from ..records.followup import RegistrationQuality
from ..records.results import TUMOR
from .alignment import Alignment
from .study import Study

if TYPE_CHECKING:
    import SimpleITK as sitk

Report = Callable[[float], None]

STEP_MM = 4.0  # of the pictures' grid; the shape alone is registered on twice as coarse a one
MARGIN_MM, DEPTH_MM = 25.0, 15.0  # seen round the liver; distance to the surface that tells no more
MESH_MM = 60.0  # between the control points of the deformation, at first; half of it in the end
LEAST_DICE, MOST_RESIDUAL_MM, MOST_FOLDING = 0.85, 6.0, 0.5  # beyond these a registration has failed
_CT_WEIGHT, _CT_SPREAD = 0.6, 3.0  # of the CT beside the shape; standard deviations that count
_NEAR, _SHARE = 0.8, 0.25  # depths outside the liver that count; share of the places that the B-splines look at
_TURNS = (100, 100, 40)  # steps of the rigid, the affine and the B-spline stage at most
_LPS = np.array([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class _Picture:
    """What is registered of a date, on an upright grid round its liver: SimpleITK images of the same grid."""

    shape: sitk.Image  # signed distance to the surface, positive inside, -1 to 1
    whole: sitk.Image  # the same with the CT
    liver: sitk.Image
    seen: sitk.Image  # where there is a scan


def register(
    current: Study, prior: Study, report: Report, threads: int | None = None
) -> tuple[Alignment, RegistrationQuality]:
    """Bring a date onto the date before.

    Args:
        report: called with the fraction done; may raise `Cancelled`, which ends the registration at once.
        threads: of SimpleITK; None uses all.

    Returns:
        The way from `current` to `prior`, and how good it is. Where that has failed the livers' centers are laid on
        each other.

    Raises RequirementError without SimpleITK, Cancelled.
    """
    itk = import_sitk()
    itk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads or itk.ProcessObject.GetGlobalDefaultNumberOfThreads())
    own, other = _picture(current), _picture(prior)
    report(0.1)
    affine = _affine(_coarser(own), _coarser(other), lambda part: report(0.1 + 0.3 * part))
    transform = _deformation(own, other, affine, lambda part: report(0.4 + 0.5 * part))
    alignment = _alignment(transform, own.liver)
    quality = _quality(alignment, own, other)
    report(1.0)
    if quality.failure:
        alignment = Alignment.shift((_center(other.liver) - _center(own.liver)) * _LPS)
    return alignment, quality


def _picture(study: Study) -> _Picture:
    itk = import_sitk()
    volume = _liver_box(study)
    grid = _upright_grid(volume)
    labels = volume.with_array(study.labels[_box(study)].astype(np.uint8))
    tissue = volume.array[labels.array == 1]
    center, spread = float(np.median(tissue)), max(5.0, float(np.std(np.clip(tissue, *np.percentile(tissue, (5, 95))))))
    ct = np.clip((volume.array.astype(np.float32) - center) / (_CT_SPREAD * spread), -1, 1)
    ct[labels.array == TUMOR] = 0
    image = image_from(ct, volume.ijk_to_ras)
    noise = [
        max(0.5, STEP_MM / 2 / step) for step in image.GetSpacing()
    ]  # in voxels: finer detail than the grid's is noise
    smooth = itk.SmoothingRecursiveGaussian(
        image, [sigma * step for sigma, step in zip(noise, image.GetSpacing(), strict=True)]
    )
    liver = itk.Resample(image_from((labels.array > 0).astype(np.float32), volume.ijk_to_ras), grid) > 0.5
    distance = -itk.SignedMaurerDistanceMap(liver, squaredDistance=False, useImageSpacing=True) / DEPTH_MM
    shape = itk.Cast(itk.Clamp(distance, lowerBound=-1, upperBound=1), itk.sitkFloat32)
    inside = itk.Cast(liver, itk.sitkFloat32)
    seen = itk.Resample(image_from(np.ones(volume.shape, np.float32), volume.ijk_to_ras), grid) > 0.5
    whole = shape + _CT_WEIGHT * itk.Resample(smooth, grid) * inside
    return _Picture(shape, itk.Cast(whole, itk.sitkFloat32), liver, seen)


def _box(study: Study) -> tuple[slice, ...]:
    """The liver and a margin round it, as far as the scan goes."""
    margin = np.ceil(MARGIN_MM / study.volume.spacing[::-1]).astype(int)
    box = bounding_box(study.labels) or ()  # a study has a liver
    return tuple(
        slice(max(0, part.start - m), min(n, part.stop + m))
        for part, m, n in zip(box, margin, study.labels.shape, strict=True)
    )


def _liver_box(study: Study) -> CTVolume:
    box = _box(study)
    to_ras = study.volume.ijk_to_ras.copy()
    to_ras[:3, 3] = study.volume.ras([part.start for part in box[::-1]])
    return CTVolume(np.ascontiguousarray(study.volume.array[box]), to_ras, study.name)


def _upright_grid(volume: CTVolume) -> sitk.Image:
    """An empty image along the axes of the patient that covers a volume."""
    itk = import_sitk()
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in volume.shape[::-1]], indexing="ij")).reshape(3, -1).T
    lps = volume.ras(corners) * _LPS
    low, high = lps.min(axis=0), lps.max(axis=0)
    grid = itk.Image([int(n) for n in np.maximum(4, np.floor((high - low) / STEP_MM) + 1)], itk.sitkUInt8)
    grid.SetSpacing([STEP_MM] * 3)
    grid.SetOrigin(low.tolist())
    return grid


def _coarser(picture: _Picture) -> _Picture:
    itk = import_sitk()

    def shrunk(image: sitk.Image) -> sitk.Image:
        return itk.Shrink(image, [2 if size >= 8 else 1 for size in image.GetSize()])

    return _Picture(*(shrunk(getattr(picture, name)) for name in ("shape", "whole", "liver", "seen")))


def _affine(current: _Picture, prior: _Picture, report: Report) -> sitk.Transform:
    """The best rigid registration of several starts, made affine. A scan that cuts the liver has its center
    elsewhere."""
    itk = import_sitk()
    results = []
    starts = _starts(current.liver, prior.liver)

    def report_of(number: int) -> Report:
        return lambda part: report((number + part) / (len(starts) + 1))

    for number, shift in enumerate(starts):
        rigid = itk.Euler3DTransform()
        rigid.SetCenter(_center(current.liver).tolist())
        rigid.SetTranslation(shift.tolist())
        method = _method(current, prior)
        method.SetOptimizerAsRegularStepGradientDescent(4.0, 0.05, _TURNS[0], relaxationFactor=0.6)
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetInitialTransform(rigid, inPlace=True)
        _run(method, current.shape, prior.shape, _TURNS[0], report_of(number))
        results.append((_mismatch(current, prior, rigid), number, rigid))
    _, _, rigid = min(results)
    affine = itk.AffineTransform(3)
    affine.SetCenter(rigid.GetCenter())
    affine.SetMatrix(rigid.GetMatrix())
    affine.SetTranslation(rigid.GetTranslation())
    method = _method(current, prior)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 0.02, _TURNS[1], relaxationFactor=0.6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(affine, inPlace=True)
    _run(method, current.shape, prior.shape, _TURNS[1], report_of(len(starts)))
    return affine if _mismatch(current, prior, affine) <= _mismatch(current, prior, rigid) else rigid


def _starts(current: sitk.Image, prior: sitk.Image) -> list[np.ndarray]:
    """Displacements that lay center on center, dome on dome, and lower edge on lower edge."""
    shift = _center(prior) - _center(current)
    ends = [_ends(image) for image in (current, prior)]
    return [
        shift,
        *(
            np.array([shift[0], shift[1], prior_end - current_end])
            for current_end, prior_end in zip(*ends, strict=True)
        ),
    ]


def _ends(liver: sitk.Image) -> tuple[float, float]:
    """The lowest and the highest place of a liver, LPS mm."""
    ks = np.flatnonzero(import_sitk().GetArrayViewFromImage(liver).any(axis=(1, 2)))
    low, step = liver.GetOrigin()[2], liver.GetSpacing()[2]
    return low + step * float(ks[0]), low + step * float(ks[-1])


def _center(liver: sitk.Image) -> np.ndarray:
    """LPS mm."""
    kji = np.argwhere(import_sitk().GetArrayViewFromImage(liver))
    return np.array(liver.GetOrigin()) + kji.mean(axis=0)[::-1] * liver.GetSpacing()


def _mismatch(current: _Picture, prior: _Picture, transform: sitk.Transform) -> float:
    """1 - Dice where both scans show something; what is not seen at all counts as half a mismatch, so that leaving
    pays nobody."""
    itk = import_sitk()
    liver = itk.GetArrayFromImage(itk.Resample(prior.liver, current.liver, transform, itk.sitkNearestNeighbor)) > 0
    seen = itk.GetArrayFromImage(itk.Resample(prior.seen, current.liver, transform, itk.sitkNearestNeighbor)) > 0
    own = itk.GetArrayViewFromImage(current.liver) > 0
    total = np.count_nonzero(own & seen) + np.count_nonzero(liver)
    apart = 1 - 2 * np.count_nonzero(own & liver) / total if total else 1.0
    return float(apart + 0.5 * np.count_nonzero(own & ~seen) / np.count_nonzero(own))


def _deformation(current: _Picture, prior: _Picture, affine: sitk.Transform, report: Report) -> sitk.Transform:
    """B-splines from where the affine registration has led; SimpleITK is ten times as fast where it has no other
    transform beside them."""
    itk = import_sitk()
    near = _Picture(
        *(
            itk.Resample(getattr(prior, name), current.whole, affine, itk.sitkLinear, outside)
            for name, outside in (("shape", -1.0), ("whole", -1.0), ("liver", 0.0), ("seen", 0.0))
        )
    )
    extent = np.array(current.whole.GetSize()) * current.whole.GetSpacing()
    spline = itk.BSplineTransformInitializer(current.whole, [max(2, round(size / MESH_MM)) for size in extent], order=3)
    method = _method(current, near)
    method.SetInitialTransformAsBSpline(spline, inPlace=True, scaleFactors=[1, 2])
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([STEP_MM, 0.0])
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentagePerLevel([1.0, _SHARE])
    method.SetOptimizerAsLBFGS2(
        solutionAccuracy=1e-4, numberOfIterations=_TURNS[2], deltaConvergenceDistance=5, deltaConvergenceTolerance=3e-4
    )
    _run(method, current.whole, near.whole, _TURNS[2], report, levels=2)
    return itk.CompositeTransform([affine, spline])


def _method(current: _Picture, prior: _Picture) -> sitk.ImageRegistrationMethod:
    itk = import_sitk()
    method = itk.ImageRegistrationMethod()
    method.SetMetricAsMeanSquares()
    method.SetMetricFixedMask(current.seen * (current.shape > -_NEAR))
    method.SetMetricMovingMask(prior.seen)
    method.SetInterpolator(itk.sitkLinear)
    return method


def _run(
    method: sitk.ImageRegistrationMethod,
    fixed: sitk.Image,
    moving: sitk.Image,
    turns: int,
    report: Report,
    levels: int = 1,
) -> None:
    """Execute; a `Cancelled` of `report` stops it at the next step, since an exception cannot pass through SimpleITK.

    A metric that has lost all its points ends the stage where it is; what came of it shows in the quality.
    """
    itk = import_sitk()
    stopped: list[Cancelled] = []

    def step() -> None:
        try:
            done = method.GetCurrentLevel() + min(1.0, method.GetOptimizerIteration() / turns)
            report(min(1.0, done / levels))
        except Cancelled as error:
            stopped.append(error)
            method.StopRegistration()

    method.AddCommand(itk.sitkIterationEvent, step)
    try:
        method.Execute(fixed, moving)
    except RuntimeError as error:
        if "All samples map outside" not in str(error) and "too many samples" not in str(error).lower():
            raise
    if stopped:
        raise stopped[0]


def _alignment(transform: sitk.Transform, grid: sitk.Image) -> Alignment:
    itk = import_sitk()
    field = itk.TransformToDisplacementField(
        transform, itk.sitkVectorFloat64, grid.GetSize(), grid.GetOrigin(), grid.GetSpacing(), grid.GetDirection()
    )
    array = itk.GetArrayFromImage(field) * _LPS
    return Alignment(array, np.array(grid.GetOrigin()) * _LPS, np.array(grid.GetSpacing()) * _LPS)


def _quality(alignment: Alignment, current: _Picture, prior: _Picture) -> RegistrationQuality:
    from scipy.ndimage import map_coordinates

    itk = import_sitk()
    own = itk.GetArrayViewFromImage(current.liver) > 0
    kji = np.indices(own.shape).reshape(3, -1).T
    there = alignment.to_prior(alignment.origin + kji[:, ::-1] * alignment.step)
    at = ((there * _LPS - prior.liver.GetOrigin()) / prior.liver.GetSpacing()).T[::-1]

    def brought(image: sitk.Image, outside: float) -> np.ndarray:
        array = itk.GetArrayViewFromImage(image).astype(np.float32)
        return map_coordinates(array, at, order=1, mode="constant", cval=outside).reshape(own.shape)

    seen = (brought(prior.seen, 0) > 0.5) & (itk.GetArrayViewFromImage(current.seen) > 0)
    depth = brought(prior.shape, -1)
    liver = depth > 0
    both = int(np.count_nonzero(own & seen) + np.count_nonzero(liver & seen))
    dice = 2 * np.count_nonzero(own & liver & seen) / both if both else 0.0
    shell = (np.abs(itk.GetArrayViewFromImage(current.shape)) < STEP_MM / DEPTH_MM) & seen
    residual = (
        float(np.abs(depth - itk.GetArrayViewFromImage(current.shape))[shell].mean() * DEPTH_MM)
        if shell.any()
        else DEPTH_MM
    )
    folding = 100 * float((alignment.jacobian()[own] <= 0).mean())
    shared = np.count_nonzero(own & seen) / np.count_nonzero(own)
    return RegistrationQuality(
        round(float(dice), 4), round(residual, 2), round(folding, 3), _failure(dice, residual, folding, shared)
    )


def _failure(dice: float, residual: float, folding: float, shared: float) -> str:
    if shared < 0.3:
        return f"only {100 * shared:.0f} % of the liver is in both scans"
    if dice < LEAST_DICE:
        return f"Dice of the livers is {dice:.2f} afterwards, less than {LEAST_DICE}"
    if residual > MOST_RESIDUAL_MM:
        return f"the surfaces of the livers are {residual:.1f} mm apart afterwards, more than {MOST_RESIDUAL_MM:g} mm"
    if folding > MOST_FOLDING:
        return f"the deformation folds in {folding:.1f} % of the liver"
    return ""
