"""The frames of a volume sequence behind the node that shows one of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import slicer

    from ..ct import CTVolume
    from .volumes import TakenCT


@dataclass(frozen=True)
class Frames:
    """The frames behind a volume node.

    Attributes:
        node: the volume node that shows one of them.
        browser: vtkMRMLSequenceBrowserNode that says which.
        sequence: vtkMRMLSequenceNode with all of them.
    """

    node: slicer.vtkMRMLScalarVolumeNode
    browser: slicer.vtkMRMLSequenceBrowserNode
    sequence: slicer.vtkMRMLSequenceNode

    @property
    def count(self) -> int:
        return self.sequence.GetNumberOfDataNodes()

    @property
    def shown(self) -> int:
        """Number of the frame that is shown, from 0."""
        return max(0, min(self.browser.GetSelectedItemNumber(), self.count - 1))

    def name(self, number: int) -> str:
        """What the sequence calls a frame: its index with name and unit, "time 2 s" for example."""
        parts = (self.sequence.GetIndexName(), self.sequence.GetNthIndexValue(number), self.sequence.GetIndexUnit())
        return " ".join(part for part in parts if part)

    def take(self, number: int) -> tuple[TakenCT, CTVolume]:
        """A frame's CT in the sequence's own scene, where it is under no transform; and the same under the parent
        transform of the node that shows it. Raises InputError, see `take_ct`."""
        from .volumes import take_ct, transform_between  # a panel opens without it

        taken = take_ct(self.sequence.GetNthDataNode(number))
        matrix = transform_between(self.node, None) @ taken.volume.ijk_to_ras
        name = f"{self.node.GetName()}, {self.name(number)}"
        return taken, replace(taken.volume, ijk_to_ras=matrix, name=name)


def frames_of(volume_node) -> Frames | None:
    """The frames behind a volume node; None where it does not belong to a sequence, or there is only one."""
    scene = volume_node.GetScene() if volume_node is not None else None
    if scene is None:
        return None
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSequenceBrowserNode")):
        browser = scene.GetNthNodeByClass(index, "vtkMRMLSequenceBrowserNode")
        sequence = browser.GetSequenceNode(volume_node)
        if sequence is not None and sequence.GetNumberOfDataNodes() > 1:
            return Frames(volume_node, browser, sequence)
    return None
