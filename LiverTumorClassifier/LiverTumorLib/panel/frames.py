"""The choice of all frames, which is there where the CT is a sequence of several."""

from __future__ import annotations

from slicer.i18n import tr as _

from ..mrml.frames import frames_of


def offer_frames(box, volume_node) -> None:
    """Bring the check box up to date with the chosen CT."""
    frames = frames_of(volume_node)
    box.enabled = frames is not None
    box.toolTip = (
        _("Analyze all {count} frames of the sequence, not only the one shown; the results follow its browser.").format(
            count=frames.count
        )
        if frames is not None
        else _("The CT is not a sequence of several frames.")
    )


def wants_frames(parameters) -> bool:
    """Whether all frames are asked for, of a CT that has several."""
    return parameters.allFrames and frames_of(parameters.inputVolume) is not None
