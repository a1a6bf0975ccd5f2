"""Where the slice classifier sees tumor: the probability of each cell of its last feature map, from which the slice's
is made.

For a network with the head "cells" this is an exact class activation map (Zhou et al., CVPR 2016) with
multiple-instance pooling: the slice's logit is a straight line of its most suspicious cell's.
"""

from __future__ import annotations

import numpy as np

from ..ct import CTVolume, to_axial
from ..ct.canvas import Canvas, lay_canvas, neighbor_channels
from ..errors import ModelError
from ..models.session import Session
from ..records.options import EVIDENCE, CaseOutput, Progress, RunOptions, no_progress
from ..records.results import CaseResult, CaseSummary
from .classification import liver_labels, liver_stage
from .run import Report, Run
from .run import load_ahead as load_ahead
from .slicemaps import SliceMaps
from .slicewise import STEP, PreparedSlices, calibrated, liver_cells, logit


def map_evidence(
    volume: CTVolume,
    options: RunOptions | None = None,
    progress: Progress = no_progress,
    liver: np.ndarray | None = None,
) -> CaseOutput:
    """The map of every axial slice, brought to the volume's grid by linear interpolation.

    The cells are coarse (some centimeters), so a map says which part of a slice made it suspicious, not where a lesion
    ends. It is calibrated as the slices' probabilities are, but not averaged over slices. Of a network of the liver
    region, only cells in the liver are shown, which alone decide. The arguments are as of `classify_case`.

    Returns:
        A CaseOutput whose `probabilities` hold "evidence", float16 (k, j, i) on the input's grid, 0 to 1.

    Raises:
        ModelError: the model has no such map; or, with RequirementError and UsageError, it is missing, damaged or
        cannot be run.
    """
    options = options or RunOptions()
    run = Run([*liver_stage(options, liver), "evidence"], options.threads, progress)
    view = to_axial(volume)
    labels = liver_labels(run, view, options, liver)
    with run.stage("evidence") as report:
        session, _ = run.session(options.slice_model, "slice", options.slice_threshold)
        if not session.maps_cells:
            raise ModelError(
                f"Model '{session.bundle.id}' gives a probability for the whole slice only, so nothing says where it "
                "sees tumor; choose a model with the head 'cells', such as tumor-slice."
            )
        maps = view.restore(_cell_maps(session, view.volume, labels, report).full(view.volume.shape), order=1)
    progress("done", 1.0, "Done")
    result = CaseResult(
        volume.name, CaseSummary(notes=[*run.notes, *volume.notes]), models=run.models, seconds=run.seconds
    )
    return CaseOutput(result, probabilities={EVIDENCE: maps.astype(np.float16, copy=False)})


def _cell_maps(session: Session, volume: CTVolume, labels: np.ndarray | None, report: Report) -> SliceMaps:
    spec, count = session.bundle.manifest.input, volume.shape[0]
    if labels is not None and not labels.any():
        return SliceMaps(
            np.arange(count), np.zeros((count, 1, 1), np.float32), Canvas((1, 1), 1.0, (0.0, 0.0), (1.0, 1.0))
        )
    canvas, offset_hu = lay_canvas(spec, volume, labels)
    offset = spec.neighbor_mm / float(volume.spacing[2])
    images = PreparedSlices(spec, volume, canvas, offset_hu)
    maps = []
    for start in range(0, count, STEP):
        report(start / count)
        ks = np.arange(start, min(start + STEP, count))
        raw = session.predict_all([neighbor_channels(images, float(k), offset) for k in ks])[1][..., 0]
        cells = calibrated(logit(raw), session.bundle.manifest.calibration)
        if spec.region == "liver" and labels is not None:
            liver = canvas.sample(labels[ks] > 0)
            cells = np.where(liver.any(axis=(1, 2), keepdims=True) & liver_cells(liver, cells.shape[1:]), cells, 0)
        maps.append(cells)
    cells = np.concatenate(maps)
    # The cells tile the canvas, so they lie on a coarser canvas with the same middle; that is also how they are taught.
    size = cells.shape[1], cells.shape[2]
    return SliceMaps(
        np.arange(count),
        cells,
        Canvas(size, canvas.spacing_mm * spec.size[0] / size[0], canvas.center, canvas.voxel_mm),
    )
