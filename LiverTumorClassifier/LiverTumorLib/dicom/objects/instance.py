"""What all result objects have in common: their maker, their names, and that the same run makes the same bytes."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from dataclasses import dataclass

import highdicom
import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from ... import __version__
from ...records.results import CaseResult
from ..source import SourceImages

MANUFACTURER = "LiverTumor"
RESEARCH_USE = "Research use only, not for diagnosis"
_UNKNOWN_DATE, _UNKNOWN_TIME = "19000101", "000000"  # where the images do not say when they were made
_MOST_NUMBER = 99_999  # of a series from whose number those of the results are made


@dataclass(frozen=True)
class Identity:
    """Names the objects of one run.

    Attributes:
        key: stands for the images, the models, the options and what was found: what is equal in these gets equal UIDs.
        models: id, version and checksum of each network, as results have them.
    """

    key: str
    models: list[dict]

    def uid(self, *of: str) -> str:
        """The UID of a part of this run."""
        return lasting_uid(self.key, *of)

    def model(self, task: str) -> dict:
        """The network that did a task."""
        return next(model for model in self.models if model["task"] == task)


def lasting_uid(*of: str) -> str:
    """The UID of what these texts name, in every run the same: of the form 2.25 (PS3.5 B.2), from a name-based UUID."""
    digest = hashlib.sha256("\n".join(of).encode()).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"


def make_identity(source: SourceImages, result: CaseResult, labels: np.ndarray, origin: dict) -> Identity:
    """The identity of a run; `origin` is what its summary tells of options and models (`batch.folder.make_origin`)."""
    found = result.to_dict()
    content = {
        "images": [str(header.SOPInstanceUID) for header in source.headers],
        "run": {name: origin[name] for name in ("task", "options", "models", "version")},
        "found": {name: found[name] for name in ("summary", "lesions")},
        "labels": hashlib.sha256(labels.tobytes()).hexdigest(),
        "written by": highdicom.__version__,  # which objects name
    }
    return Identity(json.dumps(content, sort_keys=True), origin["models"])


def instance(source: SourceImages, identity: Identity, kind: str, number: int, title: str, content: str = "") -> dict:
    """The arguments that the constructors of all objects take.

    Args:
        kind: of object; each is a series of its own.
        number: 1 to 9, of the series among those of the results.
        title: what the series is called.
        content: what else tells the object from others.
    """
    given = re.fullmatch(r"\d+", str(source.first.get("SeriesNumber") or ""))
    of_source = min(int(given[0]), _MOST_NUMBER) if given else 0
    return {
        "series_instance_uid": identity.uid(kind, "series", content),
        "series_number": 1000 * of_source + 900 + number,
        "series_description": f"{title} ({RESEARCH_USE.split(',')[0].lower()})",
        "sop_instance_uid": identity.uid(kind, "instance", content),
        "instance_number": 1,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": MANUFACTURER,
        "software_versions": __version__,
        "device_serial_number": __version__,
    }


def reference(header: Dataset) -> Dataset:
    """An image as an item of a sequence that refers to it."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    return item


def settle(dataset: Dataset, source: SourceImages, identity: Identity) -> None:
    """Take clock and chance out of an object, so that the same run makes the same one: its dates are the CT's.

    Its texts are UTF-8, whatever the version of highdicom, and it names the networks that it comes from.
    """
    dataset.SpecificCharacterSet = source.first.SpecificCharacterSet
    dataset.ContentDate, dataset.ContentTime = source.date_and_time or (_UNKNOWN_DATE, _UNKNOWN_TIME)
    for keyword in ("InstanceCreationDate", "InstanceCreationTime"):
        if keyword in dataset:
            del dataset[keyword]
    equipment = [*dataset.get("ContributingEquipmentSequence", []), *_networks(identity)]
    for item in equipment:
        if "ContributionDateTime" in item:
            del item.ContributionDateTime
    dataset.ContributingEquipmentSequence = equipment
    for item in [*dataset.get("DimensionOrganizationSequence", []), *dataset.get("DimensionIndexSequence", [])]:
        item.DimensionOrganizationUID = identity.uid("dimensions")


def _networks(identity: Identity) -> list[Dataset]:
    """Each network as contributing equipment, as IHE's AI Results has it: its UID changes with its weights."""
    items: list[Dataset] = []
    for model in identity.models:
        item = highdicom.ContributingEquipment(
            MANUFACTURER,
            codes.DCM.ProcessingEquipment,
            manufacturer_model_name=model["id"],
            software_versions=model["version"],
            contribution_description=f"{model['task']}, sha256={model['sha256']}",
        )
        item.DeviceUID = lasting_uid("network", model["id"], model["sha256"])
        items.append(item)
    return items
