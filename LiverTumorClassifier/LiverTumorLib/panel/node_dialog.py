"""Which DICOM node results go to: asked as Slicer's own dialog "Send DICOM Study" does, and remembered with it."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from ..mrml.dicom_node import PROTOCOLS, NodeAddress, remember_node, remembered_node


def ask_node() -> NodeAddress | None:
    """Ask; None where the user has changed their mind."""
    import qt

    known = remembered_node()
    dialog = qt.QDialog(slicer.util.mainWindow())
    dialog.setWindowTitle(_("Send to a DICOM node"))
    form = qt.QFormLayout()
    dialog.setLayout(form)
    protocol, title, address = qt.QComboBox(), qt.QLineEdit(), qt.QLineEdit()
    protocol.addItems(list(PROTOCOLS))
    protocol.setCurrentText(known.protocol)
    title.text, address.text = known.title, known.address
    address.minimumWidth = 260
    title.toolTip = _("What the node calls itself; not needed for DICOMweb.")
    address.toolTip = _("Host and port of the node, such as pacs:104, or the address of a DICOMweb server.")

    def show_protocol() -> None:
        title.enabled = protocol.currentText == "DIMSE"

    protocol.connect("currentIndexChanged(int)", lambda index: show_protocol())
    show_protocol()
    buttons = qt.QDialogButtonBox()
    buttons.addButton(_("Send"), qt.QDialogButtonBox.AcceptRole)
    buttons.addButton(qt.QDialogButtonBox.Cancel)
    buttons.connect("accepted()", dialog.accept)
    buttons.connect("rejected()", dialog.reject)
    for label, widget in ((_("Protocol:"), protocol), (_("AE title:"), title), (_("Address:"), address)):
        form.addRow(label, widget)
    form.addRow(buttons)
    if not dialog.exec_():
        return None
    node = NodeAddress(protocol.currentText, title.text, address.text)
    remember_node(node)
    return node
