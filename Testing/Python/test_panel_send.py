"""Sending results from the panel to a DICOM node: DCMTK's storescu against real peers, and a DICOMweb server."""

import base64
import shutil
import socket
import subprocess
import threading

import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")
pytest.importorskip("highdicom", reason="highdicom is not installed")
pytest.importorskip("matplotlib", reason="the page needs matplotlib")
pytest.importorskip("pynetdicom", reason="the packages of the node are not installed")

import pydicom
import slicer
from dicom_scene import analyzed_study
from LiverTumorLib.dicom.sending import Destination
from LiverTumorLib.dicom.sending import send as send_objects
from LiverTumorLib.errors import OutputError
from panel_tools import spin
from ports import free_port
from pydicom.uid import Comprehensive3DSRStorage, EncapsulatedPDFStorage, SegmentationStorage
from pynetdicom import AE, AllStoragePresentationContexts, evt
from running_node import dicomweb_server, small_object

ALL = {"SEG", "SR", "DOC"}

pytestmark = pytest.mark.skipif(not shutil.which("storescu"), reason="DCMTK is not installed (Debian: dcmtk)")


@pytest.fixture
def panel(app, monkeypatch, tmp_path):
    return analyzed_study(monkeypatch, tmp_path)


@pytest.fixture
def shown(monkeypatch):
    """The errors that were shown."""
    texts = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, *_, **__: texts.append(text))
    return texts


@pytest.fixture
def serve():
    """Start a PACS; returns its address, and the modalities that have arrived."""
    servers = []

    def start(status=0x0000, lacks=None, before=lambda: None, **wants):
        arrived = []

        def take(event):
            before()
            arrived.append(event.dataset.Modality)
            return status

        entity = AE("PACS")
        for name, value in wants.items():
            setattr(entity, name, value)
        for context in AllStoragePresentationContexts:
            if context.abstract_syntax != lacks:
                entity.add_supported_context(context.abstract_syntax)
        servers.append(entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, take)]))
        return f"127.0.0.1:{servers[-1].server_address[1]}", arrived

    yield start
    for server in servers:
        server.shutdown()


def send(panel, address, title="PACS", protocol=None, button="Send"):
    """Press the button, fill the dialog in, press one of its buttons; returns what stood in it."""
    from PySide6 import QtCore, QtWidgets

    stood = []

    def fill():
        dialog = QtWidgets.QApplication.activeModalWidget()
        box = dialog.findChild(QtWidgets.QComboBox)
        edits = dialog.findChildren(QtWidgets.QLineEdit)
        stood.extend([QtWidgets.QComboBox.currentText(box), *(QtWidgets.QLineEdit.text(edit) for edit in edits)])
        if protocol is not None:
            box.setCurrentText(protocol)
        for edit, text in zip(edits, (title, address), strict=True):
            edit.setText(text)
        buttons = dialog.findChild(QtWidgets.QDialogButtonBox).buttons()
        next(each for each in buttons if QtWidgets.QPushButton.text(each).strip("&") == button).click()

    QtCore.QTimer.singleShot(0, fill)
    panel.ui.nodeButton.click()
    return stood


def wait(panel) -> str:
    spin(lambda: not panel.run.running)
    return panel.ui.statusLabel.text


def test_results_are_sent_to_a_node_and_the_node_is_remembered(panel, serve):
    address, arrived = serve()
    assert send(panel, address) == ["DIMSE", "CTK", ""], "as Slicer's own dialog begins"
    assert wait(panel) == f"Sent to {address}."
    assert set(arrived) == ALL and arrived[0] == "SEG", "the report refers to it"
    settings = slicer.app.userSettings()
    kept = {key: settings.value(f"DICOM/Send/{key}") for key in ("Protocol", "AETitle", "URL")}
    assert kept == {"Protocol": "DIMSE", "AETitle": "PACS", "URL": address}
    assert send(panel, "elsewhere:1", button="Cancel") == ["DIMSE", "PACS", address]
    assert not panel.run.running and settings.value("DICOM/Send/URL") == address


def test_the_window_is_served_while_a_node_takes_its_time(panel, serve):
    asked, served, waited = threading.Event(), threading.Event(), []

    def wait_for_the_window():
        asked.set()
        waited.append(served.wait(60))

    address, _ = serve(before=wait_for_the_window)
    send(panel, address)
    spin(asked.is_set)
    spin(iter([False] * 20 + [True]).__next__)
    assert panel.run.running
    served.set()
    assert wait(panel) == f"Sent to {address}." and all(waited)


def test_dcmtk_takes_them(panel, tmp_path):
    port, folder = free_port(), tmp_path / "taken"
    folder.mkdir()
    with subprocess.Popen(["storescp", "-aet", "PACS", "-od", str(folder), "-pm", str(port)]) as peer:
        try:
            spin(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
            send(panel, f"127.0.0.1:{port}")
            assert wait(panel) == f"Sent to 127.0.0.1:{port}."
        finally:
            peer.terminate()
    assert {str(pydicom.dcmread(file).Modality) for file in folder.iterdir()} == ALL


@pytest.fixture
def objects(tmp_path):
    """Three DICOM objects, of the kinds and with the names of results."""
    folder = tmp_path / "objects"
    folder.mkdir()
    for kind, sop_class in (
        ("seg", SegmentationStorage),
        ("sr", Comprehensive3DSRStorage),
        ("pdf", EncapsulatedPDFStorage),
    ):
        data = small_object("1.2", "1.5", SOPClassUID=sop_class)
        data.file_meta.MediaStorageSOPClassUID = sop_class
        data.save_as(folder / f"case.{kind}.dcm", enforce_file_format=True)
    return folder


def destination(address):
    host, _, port = address.partition(":")
    return Destination(host=host, port=int(port), title="PACS", command=["storescu"])


@pytest.mark.parametrize(
    "peer, told",
    [
        (
            {"require_called_aet": True, "ae_title": "OTHER"},
            "none of the 3 DICOM objects: it does not call itself PACS;",
        ),
        ({"require_calling_aet": ["OTHER"]}, "none of the 3 DICOM objects: it does not know this computer;"),
        ({"status": 0xA700}, "none of the 3 DICOM objects: it has no room left."),
        (
            {"status": 0x0110},
            "none of the 3 DICOM objects: it answers 'Unknown Status: 0x110' to segmentation objects.",
        ),
        ({"lacks": Comprehensive3DSRStorage}, "2 of the 3 DICOM objects: it takes no structured reports."),
    ],
)
def test_a_node_that_refuses(objects, serve, peer, told):
    address, _ = serve(**peer)
    with pytest.raises(OutputError) as raised:
        send_objects(objects, destination(address))
    assert str(raised.value).startswith(f"PACS at {address} has taken {told}"), raised.value
    assert str(raised.value).endswith("Sending them again does no harm.")


@pytest.mark.parametrize(
    "address, told",
    [
        ("127.0.0.1:{port}", "nobody listens there; check the port, and whether the node is running"),
        ("no.such.computer.invalid:104", "there is no such computer; check the address"),
    ],
)
def test_nobody_is_there(objects, address, told):
    with pytest.raises(OutputError, match=told):
        send_objects(objects, destination(address.format(port=free_port())))


def test_without_storescu(objects):
    with pytest.raises(OutputError, match="no-such-program, which would send them, cannot be started"):
        send_objects(objects, Destination(host="a", port=1, title="B", command=["no-such-program"]))


def test_a_refusal_is_shown_and_nothing_is_lost(panel, serve, shown):
    address, _ = serve(status=0xA700)
    send(panel, address)
    said = wait(panel)
    assert "it has no room left" in said and shown == [said]
    assert panel.ui.nodeButton.enabled


def test_what_is_no_address(panel, shown):
    for address, title, protocol, told in (
        ("", "PACS", "DIMSE", "\N{EM DASH} is no address of a DICOM node; give host and port, such as pacs:104."),
        ("pacs", "PACS", "DIMSE", "pacs is no address of a DICOM node; give host and port, such as pacs:104."),
        ("pacs:104", " ", "DIMSE", "An AE title has 1 to 16 letters; '' does not."),
        ("ftp://pacs", "PACS", "DICOMweb", "ftp://pacs is no address of a DICOMweb server; "),
    ):
        send(panel, address, title, protocol)
        assert not panel.run.running
        assert shown.pop().startswith(told) and not shown


def test_a_node_that_does_not_answer_is_given_up_by_cancel(panel):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        send(panel, f"127.0.0.1:{silent.getsockname()[1]}")
        reached = []
        waiting = threading.Thread(target=lambda: reached.append(silent.accept()[0]))
        waiting.start()
        spin(lambda: bool(reached))
        panel.ui.applyButton.click()
        assert panel.ui.applyButton.text == "Cancel"
        assert wait(panel) == "Stopped; the scene is as it was."
        waiting.join()
        reached[0].settimeout(10)
        while reached[0].recv(4096):
            """What storescu has said before it went; a closed connection says that no process is left."""
        reached[0].close()


@pytest.mark.parametrize(
    "status, told", [(200, "Sent to"), (401, "it refuses access (HTTP 401); check user and password")]
)
def test_a_dicomweb_server(panel, shown, status, told):
    with dicomweb_server(status) as (url, asked):
        send(panel, url, protocol="DICOMweb")
        assert told in wait(panel)
    user = base64.b64encode(b"reader:secret").decode()
    assert asked[0] == ("/dicom-web/studies", f"Basic {user}"), "as Slicer's settings say"
    assert len(asked) == (3 if status == 200 else 1) and len(shown) == (status != 200)
