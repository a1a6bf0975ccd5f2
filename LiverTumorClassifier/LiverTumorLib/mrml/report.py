"""The report of what a segmentation holds now, with all that a reader has done: the page, and DICOM objects; made in a
child process."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..batch.report_task import WRITER, Reviewed, arguments
from ..ct.placed_mask import PlacedMask
from ..dicom.sending import Destination
from ..errors import InputError
from ..jobs import Job, Writer, start_job
from ..records.options import Progress, RunOptions
from .case_nodes import LESIONS_ROLE, MODELS, SLICES_ROLE, SUMMARY_ROLE, CaseNodes
from .corrections import check_contents, contents, is_redrawn
from .dicom_database import image_files
from .kept_axes import axes_of, length_of
from .lesions import LesionLabels, rejected_numbers, take_lesions
from .runs import handed_over
from .serving import ServedRun
from .tables import records_of
from .translation import _
from .volumes import take_ct


def start_report(
    segmentation_node,
    ct_node,
    receivers: tuple[Progress | None, Callable[[ServedRun], None] | None] = (None, None),
    *,
    page: Path | None = None,
    folder: Path | None = None,
    destination: Destination | None = None,
    patient: bool = False,
) -> ServedRun:
    """Start to write a report; its result is a `CaseNodes` with the figures.

    Args:
        receivers: of the progress and of the end.
        page: the PDF to write.
        folder: an existing folder for the DICOM objects: segmentation, structured report, and the page.
        destination: a DICOM node that they are sent to from there.
        patient: say on the page who the patient is.

    Raises:
        InputError: there is nothing to report, or DICOM is asked for and the CT is not from DICOM. The run ends with
            what `check_ct`, `check_contents`, `handed_over` and `write_report` raise, and OutputError or WorkerError
            where the child cannot be started.
    """
    if not records_of(segmentation_node.GetNodeReference(SUMMARY_ROLE)):
        raise InputError(_("There are no results to report; press Apply first."))
    images = image_files(ct_node) if folder is not None or patient else []
    ct, lesions, before = take_ct(ct_node), take_lesions(segmentation_node, ct_node), contents(segmentation_node)
    progress, finished = receivers
    doing = _("Writing the report") if destination is None else _("Writing the report and sending it")

    def listen(event: dict) -> None:
        if progress is not None and event["event"] == "progress":
            progress(event["stage"], event["fraction"], doing)

    def steps():
        found = yield lesions.labels
        check_contents(segmentation_node, before)
        reviewed = replace(_reviewed(segmentation_node, found), patient=patient, images=images)
        writer = Writer(WRITER, arguments(reviewed, page, folder, destination))

        def start() -> Job:
            return start_job("report", ct.checked(), RunOptions(), on_event=listen, liver=found.labels, writer=writer)

        output = yield from handed_over(ct, start)
        return CaseNodes(output.result, segmentation_node)

    run = ServedRun(steps(), finished)
    run.serve()
    return run


def _reviewed(segmentation_node, found: LesionLabels) -> Reviewed:
    """What the nodes say beside CT and labels, and what one label a voxel cannot say."""
    lesions = found.lesions
    records = records_of(segmentation_node.GetNodeReference(LESIONS_ROLE))
    summaries = records_of(segmentation_node.GetNodeReference(SUMMARY_ROLE))
    corrected = is_redrawn(segmentation_node)
    probabilities = {} if corrected else {str(row["id"]): row.get("mean_probability", math.nan) for row in records}
    axes = axes_of(segmentation_node, records)
    suspicious, notes = (summaries[0].get(name) or "" for name in ("suspicious_slices", "notes"))
    return Reviewed(
        numbers=[lesion.number for lesion in lesions],
        names={str(lesion.number): lesion.name for lesion in lesions},
        rejected=rejected_numbers(lesions),
        **_hidden(found),
        judgments={str(lesion.number): vars(lesion.judgment) for lesion in lesions if lesion.judgment.is_said},
        axes={str(number): _by_hand(own) for number, own in axes.items() if own.by_hand},
        probabilities={number: value for number, value in probabilities.items() if not math.isnan(value)},
        corrected=corrected,
        slices=[
            {name: value for name, value in row.items() if value == value}  # a missing number is NaN
            for row in records_of(segmentation_node.GetNodeReference(SLICES_ROLE))
        ],
        suspicious_slices=[int(index) for index in suspicious.split(", ") if index],
        notes=[notes] if notes else [],
        models=json.loads(segmentation_node.GetAttribute(MODELS) or "[]"),
    )


def _hidden(found: LesionLabels) -> dict:
    """The fields of `Reviewed` that hold masks."""
    outside = np.zeros(found.labels.shape, bool)
    outside.reshape(-1)[found.outside] = True
    whole = {str(lesion.number): PlacedMask.of(found.whole(label)).text() for label, lesion in found.covered.items()}
    return {"outside": PlacedMask.of(outside).text(), "whole": whole}


def _by_hand(axes) -> dict:
    """The fields of `Lesion` that hold what was drawn by hand."""
    fields: dict = {"axes_by_hand": axes.words}
    for axis in axes.by_hand:
        fields |= {axis.length: length_of(axes.ends[axis]), axis.ends: axes.ends[axis]}
    return fields
