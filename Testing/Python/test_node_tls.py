"""TLS with real peers, their certificates made by openssl: DCMTK and Orthanc send and receive, browsers read the page.

Skipped where the peers are not installed.
"""

import contextlib
import http.client
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("pynetdicom", reason="the packages of the node are not installed")

from certificates import make_certificates
from cli_tools import HERE, posix
from LiverTumorLib.node.configuration import Target, Tls
from LiverTumorLib.node.targets import Away, sender_for
from LiverTumorLib.node.tls import client_context
from orthanc import Orthanc, storescu, write_study
from ports import free_port
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage
from running_node import AE_TITLE, RunningNode, small_object, target

TASKS = [sys.executable, str(HERE / "cli_with_tasks.py")]
TOKEN = "0123456789abcdef0123456789abcdef"
RULES = {"images": [3, 100]}

pytestmark = [posix, pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")]
needs_dcmtk = pytest.mark.skipif(not shutil.which("storescp"), reason="DCMTK is not installed (Debian: dcmtk)")


@pytest.fixture(autouse=True)
def tasks(work):
    """Small tasks in place of the networks', and an empty temporary folder."""


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """Certificates of the node and of the PACS, by one authority."""
    return make_certificates(tmp_path_factory.mktemp("tls") / "ours", "node", "pacs")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """A certificate by an authority that nobody here trusts."""
    return make_certificates(tmp_path_factory.mktemp("tls") / "strange", "stranger")[0]


@pytest.fixture
def study(tmp_path):
    """A small series as files."""
    uids = generate_uid(), generate_uid()
    write_study(tmp_path / "study", [small_object(*uids, k, size=32) for k in range(4)])
    return tmp_path / "study"


class Storescp:
    """DCMTK's storescp with its files in a folder."""

    def __init__(self, folder, options):
        folder.mkdir()
        self.folder, self.port = folder, free_port()
        words = ["storescp", *options, "--fork", "-aet", "PACS", "-od", str(folder), str(self.port)]
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("storescp has not started")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(20)


@needs_dcmtk
def test_dcmtk_sends_and_gets_over_tls(tmp_path, study, ours, stranger):
    own, pacs = ours
    with Storescp(tmp_path / "pacs", pacs.dcmtk) as archive:
        to = target("pacs", "PACS", archive.port) + own.target
        sections = {"dicom.tls": own.settings, "rules": RULES, "analysis": {"dicom_page": "capture"}}
        with RunningNode(tmp_path, to, command=TASKS, **sections) as node:
            for refused in (None, stranger, replace(pacs, authority=stranger.authority)):
                with pytest.raises(subprocess.CalledProcessError):
                    storescu(study, node.port, AE_TITLE, refused)
            assert node.states() == []
            storescu(study, node.port, AE_TITLE, pacs)
            node.wait_for(lambda: node.states() == ["done"])
            assert (
                "pacs answers"
                in subprocess.run(
                    [*TASKS, "listen", _elsewhere(node), "--check"], capture_output=True, text=True, timeout=300
                ).stdout
            )
    came = {dcmread(file).Modality for file in archive.folder.iterdir()}
    assert {"SEG", "SR", "OT"} == came


def _elsewhere(node):
    """The configuration of a running node with other ports and another folder."""
    text = node.configuration.read_text()
    for port in (node.port, node.page_port):
        text = text.replace(f"port = {port}\n", f"port = {free_port()}\n")
    other = node.configuration.with_name("other.toml")
    other.write_text(text.replace('folder = "node"', 'folder = "other"'))
    return str(other)


@needs_dcmtk
@pytest.mark.parametrize(
    "kind, told",
    [
        ("plain", "it breaks TLS off (does it speak TLS?) at 127.0.0.1"),
        ("its certificate", "its certificate is not trusted (unable to get"),
        ("our certificate", "TLS fails ("),
        ("nobody", "nobody answers at 127.0.0.1"),
    ],
)
def test_why_a_target_is_away_is_told(tmp_path, ours, stranger, kind, told):
    own, pacs = ours
    shown = replace(stranger, authority=own.authority) if kind == "our certificate" else own
    options = {"plain": [], "its certificate": replace(stranger, authority=own.authority).dcmtk}
    with Storescp(tmp_path / "pacs", options.get(kind, pacs.dcmtk)) as archive:
        port = free_port() if kind == "nobody" else archive.port
        tls = Tls(shown.certificate, shown.key, shown.authority)
        sender = sender_for(Target("pacs", "PACS", "127.0.0.1", port, tls), "LIVERTUMOR", 5.0)
        with pytest.raises(Away) as away:
            sender.check()
    assert str(away.value).startswith(told)


def test_a_slow_handshake_holds_nobody_up(tmp_path, ours):
    own, pacs = ours
    sections = {"dicom.tls": own.settings, "dicom": {"timeout_s": 120.0}, "rules": RULES}
    with RunningNode(tmp_path, command=TASKS, **sections) as node:
        entity = AE("SENDER")
        entity.connection_timeout = entity.acse_timeout = 60
        entity.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
        slow = socket.create_connection(("127.0.0.1", node.port))  # and never begins its handshake
        context = client_context(Tls(pacs.certificate, pacs.key, pacs.authority))
        association = entity.associate("127.0.0.1", node.port, ae_title=AE_TITLE, tls_args=(context, "127.0.0.1"))
        assert association.is_established, "long before the handshake of the other is given up"
        association.release()
        slow.close()


@contextlib.contextmanager
def https(certificate, url):
    """A proxy that speaks HTTPS for a web server, as hospitals have it; gives its own address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            parts = urlsplit(url)
            with (
                contextlib.suppress(OSError),
                context.wrap_socket(self.request, server_side=True) as client,
                socket.create_connection((parts.hostname, parts.port)) as server,
            ):
                back = threading.Thread(target=pass_on, args=(server, client), daemon=True)
                back.start()
                pass_on(client, server)
                back.join()

    def pass_on(source, to):
        with contextlib.suppress(OSError):
            while part := source.recv(65536):
                to.sendall(part)
            to.shutdown(socket.SHUT_WR)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as proxy:
        proxy.daemon_threads = True
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{proxy.server_address[1]}"
        proxy.shutdown()


@pytest.mark.skipif(not shutil.which("Orthanc"), reason="Orthanc is not installed (Debian: orthanc)")
def test_orthanc_routes_and_gets_all_over_tls(tmp_path, study, ours):
    """DICOM and DICOMweb, both with certificates."""
    own, pacs = ours
    web = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so").is_file()
    node = RunningNode(tmp_path, command=TASKS, rules=RULES, **{"dicom.tls": own.settings})
    archive = Orthanc(tmp_path / "pacs", node.port, web=web, tls=pacs)
    with archive, https(pacs, archive.url) as address:
        with open(node.configuration, "a", encoding="utf-8") as file:
            file.write(archive.target + own.target)
            if web:
                file.write(f'[[targets]]\nname = "web"\nurl = "{address}/dicom-web"\n')
                file.write(f'authorities = "{own.authority}"\n')
            with pytest.raises(Away, match="SSLError"):
                sender_for(Target("web", url=address), "X", 5.0).check()
        with node:
            storescu(study, archive.port, "ORTHANC", pacs)
            node.wait_for(lambda: node.states() == ["done"], 90)
            uid = dcmread(next(study.iterdir())).StudyInstanceUID
            assert {"CT", "SEG", "SR"} <= set(archive.modalities(uid))
            sent = dict(node.rows("SELECT target, count(*) FROM deliveries WHERE state = 'sent' GROUP BY target"))
            assert set(sent) == ({"orthanc", "web"} if web else {"orthanc"})
    if not web:
        pytest.skip("all but DICOMweb was tested: Orthanc's plugin is not installed (Debian: orthanc-dicomweb)")


def test_the_page_speaks_https(tmp_path, ours, stranger):
    own, _ = ours
    (tmp_path / "token").write_text(TOKEN)
    page = {"certificate": str(own.certificate), "key": str(own.key), "token_file": "token"}
    with RunningNode(tmp_path, command=TASKS, page=page, authority=own.authority) as node:
        assert node.ask("/healthz") == "ok\n"
        trusted = ssl.create_default_context(cafile=own.authority)
        connection = http.client.HTTPSConnection("127.0.0.1", node.page_port, timeout=120, context=trusted)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/login", f"token={TOKEN}", form)
        answer = connection.getresponse()
        assert answer.status == 303 and "Secure" in answer.headers["set-cookie"]
        for context in (ssl.create_default_context(), ssl.create_default_context(cafile=stranger.authority)):
            with pytest.raises(ssl.SSLCertVerificationError):
                http.client.HTTPSConnection("127.0.0.1", node.page_port, context=context).request("GET", "/")
        with pytest.raises((OSError, http.client.HTTPException)):
            plain = http.client.HTTPConnection("127.0.0.1", node.page_port, timeout=120)
            plain.request("GET", "/")
            plain.getresponse()
        old = ["openssl", "s_client", "-tls1_1", "-connect", f"127.0.0.1:{node.page_port}"]
        assert subprocess.run(old, stdin=subprocess.DEVNULL, capture_output=True, timeout=120).returncode != 0
        assert TOKEN not in node.log.read_text()
