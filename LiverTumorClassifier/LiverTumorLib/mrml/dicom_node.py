"""The DICOM node that Slicer sends to: what Slicer remembers of it, and how it is spoken to.

Slicer 5.12's own `DICOMLib.DICOMSender` does not send our reports: it knows segmentations, but no Comprehensive 3D SR;
it does not say why a node refuses; and it waits in the window's thread. So its storescu, its settings and its
certificates are used from here, in the child.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..dicom.sending import Destination
from ..errors import UsageError
from .translation import _

PROTOCOLS = ("DIMSE", "DICOMweb")
_SETTINGS = "DICOM/Send/{}"  # where Slicer's own dialog keeps them


@dataclass(frozen=True)
class NodeAddress:
    """What a user says of a node, as in Slicer's dialog "Send DICOM Study".

    Attributes:
        protocol: one of PROTOCOLS.
        title: AE title, for DIMSE.
        address: host:port, or the address of a DICOMweb server.
    """

    protocol: str = "DIMSE"
    title: str = "CTK"
    address: str = ""


def remembered_node() -> NodeAddress:
    """The node that was last sent to, here or from Slicer's DICOM module."""
    import slicer

    settings, usual = slicer.app.userSettings(), NodeAddress()
    protocol, title, address = (
        str(settings.value(_SETTINGS.format(key), default))
        for key, default in (("Protocol", usual.protocol), ("AETitle", usual.title), ("URL", usual.address))
    )
    return NodeAddress(protocol if protocol in PROTOCOLS else usual.protocol, title, address)


def remember_node(node: NodeAddress) -> None:
    """Keep it for the next time, here or in Slicer's DICOM module."""
    import slicer

    for key, value in (("Protocol", node.protocol), ("AETitle", node.title), ("URL", node.address)):
        slicer.app.userSettings().setValue(_SETTINGS.format(key), value)


def destination_of(node: NodeAddress) -> Destination:
    """How a node is spoken to.

    Raises UsageError: the address is none, or Slicer has no storescu.
    """
    import qt
    from DICOMLib import DICOMCommand, DICOMUtils

    url = qt.QUrl().fromUserInput(node.address.strip())
    if node.protocol == "DICOMweb":
        if not url.host() or url.scheme() not in ("http", "https"):
            raise UsageError(
                _("{address} is no address of a DICOMweb server; give one such as https://pacs/dicom-web.").format(
                    address=node.address.strip() or "\N{EM DASH}"
                )
            )
        auth = DICOMUtils.getGlobalDICOMAuth()
        user, password = (auth.username, auth.password) if auth is not None else ("", "")
        return Destination(url=url.toString(), user=user, password=password)
    if not url.host() or url.port() < 1:
        raise UsageError(
            _("{address} is no address of a DICOM node; give host and port, such as pacs:104.").format(
                address=node.address.strip() or "\N{EM DASH}"
            )
        )
    title = node.title.strip()
    if not 1 <= len(title) <= 16:
        raise UsageError(_("An AE title has 1 to 16 letters; {title!r} does not.").format(title=title))
    try:
        storescu = DICOMCommand("storescu", [])
    except UserWarning as error:  # which is how Slicer says it
        raise UsageError(_("Slicer's program that sends DICOM is missing: {error}.").format(error=error)) from error
    storescu.tlsSettingsKeyPrefix = "Client"  # as Slicer's sender has it
    command = [storescu.executable, *storescu.tlsArguments()]
    return Destination(host=url.host(), port=url.port(), title=title, command=command)
