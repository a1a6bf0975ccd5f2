"""Output nodes: made once, used again on the next run, kept beside their CT, and taken away again when a run fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

MAP_ATTRIBUTE = "LiverTumor.map"  # of a volume node that holds probabilities
SEQUENCE_ROLE = "LiverTumor.sequence"  # from an output node to the sequence of its frames


def output_node(scene, class_name: str, name: str, given=None):
    """The node for an output: `given` while it is in the scene, else a new one whose name starts with `name`."""
    if given is not None and given.GetScene() is scene:
        return given
    return scene.AddNewNodeByClass(class_name, scene.GenerateUniqueName(name))


def companion_node(owner, role: str, class_name: str, name: str):
    """The node that belongs to `owner` under the reference `role`, made when it is missing; saved scenes keep the
    reference."""
    node = output_node(owner.GetScene(), class_name, name, owner.GetNodeReference(role))
    owner.SetNodeReferenceID(role, node.GetID())
    return node


def remove_node(node) -> None:
    """Take a node out of its scene with its display nodes, which would stay as orphans."""
    scene = node.GetScene()
    for index in reversed(range(node.GetNumberOfDisplayNodes())):
        scene.RemoveNode(node.GetNthDisplayNode(index))
    scene.RemoveNode(node)


def is_map(node) -> bool:
    """Whether a volume node holds probabilities that a run has found."""
    return node.GetAttribute(MAP_ATTRIBUTE) is not None


def place_beside(node, reference) -> None:
    """Put a node into the subject-hierarchy study (or folder) of another one, without which DICOM export knows no
    patient.

    Does nothing where the reference is in no subject hierarchy, as without the Slicer application.
    """
    hierarchy = subject_hierarchy(reference.GetScene())
    if hierarchy is None or not (beside := hierarchy.GetItemByDataNode(reference)):
        return
    parent = hierarchy.GetItemParent(beside)
    if item := hierarchy.GetItemByDataNode(node):
        hierarchy.SetItemParent(item, parent)
    else:
        hierarchy.CreateItem(parent, node)


def subject_hierarchy(scene):
    """The scene's subject hierarchy; None where there is none. Slicer's own call would add one to the scene."""
    import slicer

    if scene is None or scene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode") is None:
        return None
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)


@contextmanager
def no_leftovers(scene) -> Iterator[None]:
    """Remove the nodes that were added inside the block when it fails."""
    before = set(_nodes(scene))
    try:
        yield
    except BaseException:
        for node in _nodes(scene):
            if node not in before:
                scene.RemoveNode(node)
        raise


def one_update(node) -> AbstractContextManager:
    """Let a node's observers (views, plots) know of all changes inside the block at once."""
    import slicer

    return slicer.util.NodeModify(node)


def _nodes(scene) -> list:
    return [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
