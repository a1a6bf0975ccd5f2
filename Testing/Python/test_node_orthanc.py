"""A real PACS beside the node: Orthanc and DCMTK on loopback. Skipped where they are not installed."""

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pynetdicom", reason="the packages of the node are not installed")

from cli_tools import HERE, posix
from orthanc import Orthanc, measured, phantom_study, storescu, write_study
from pydicom import dcmread
from running_node import AE_TITLE, RunningNode

TASKS = [sys.executable, str(HERE / "cli_with_tasks.py")]
WEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")

pytestmark = [
    posix,
    pytest.mark.skipif(
        not (shutil.which("Orthanc") and shutil.which("storescu")),
        reason="Orthanc and DCMTK are not installed (Debian: orthanc, dcmtk)",
    ),
]


@pytest.fixture
def study(tmp_path):
    """A phantom's folder and its study UID."""
    slices = phantom_study(3, (24, 64, 64), (6.0, 6.0, 10.0))
    return tmp_path / "study", write_study(tmp_path / "study", slices)


def add_target(node, text):
    with open(node.configuration, "a", encoding="utf-8") as file:
        file.write(text)


def test_dcmtk_is_answered(tmp_path, work, study):
    with RunningNode(tmp_path, command=TASKS) as node:
        subprocess.run(["echoscu", "-aec", AE_TITLE, "127.0.0.1", str(node.port)], check=True, timeout=300)
        storescu(study[0], node.port, AE_TITLE)
        node.wait_for(lambda: node.states() == ["done"])


def test_orthanc_routes_a_ct_and_gets_the_results(tmp_path, study):
    """With the real networks, into the right study, and to a DICOMweb server too; then it asks for storage
    commitment."""
    pytest.importorskip("LiverTumorLib.dicom", reason="results are not written as DICOM here")
    folder, uid = study
    node = RunningNode(tmp_path)
    with contextlib.ExitStack() as stack:
        pacs = stack.enter_context(Orthanc(tmp_path / "pacs", node.port))
        add_target(node, f'{pacs.target}[[peers]]\nae_title = "ORTHANC"\nport = {pacs.port}\n')
        if WEB.is_file():
            web = stack.enter_context(Orthanc(tmp_path / "web", node.port, routes=False, web=True))
            add_target(node, f'[[targets]]\nname = "web"\nurl = "{web.url}/dicom-web"\n')
        stack.enter_context(node)
        storescu(folder, pacs.port)
        node.wait_for(lambda: node.states() == ["done"], 180)
        assert pacs.modalities(uid) == ["CT", "DOC", "SEG", "SR"]
        assert len(pacs.ask("/studies")) == 1, "the results are in the study of their CT"
        if WEB.is_file():
            assert web.modalities(uid) == ["DOC", "SEG", "SR"]

        one = dcmread(next(folder.iterdir()), stop_before_pixels=True)
        wish = [[one.SOPClassUID, one.SOPInstanceUID], [one.SOPClassUID, "1.2.3.4"]]
        asked = pacs.ask("/modalities/NODE/storage-commitment", {"DicomInstances": wish})
        node.wait_for(lambda: pacs.ask(asked["Path"])["Status"] != "Pending", 60)
        answer = pacs.ask(asked["Path"])
        assert [item["SOPInstanceUID"] for item in answer["Success"]] == [one.SOPInstanceUID]
        assert [item["SOPInstanceUID"] for item in answer["Failures"]] == ["1.2.3.4"]
        if not WEB.is_file():
            pytest.skip("all but DICOMweb was tested: Orthanc's plugin is not installed (Debian: orthanc-dicomweb)")


def test_studies_that_come_at_once_all_get_their_results(tmp_path):
    """The script that measures it, small."""
    said = []
    measured(tmp_path, 2, (26, 64, 64), workers=1, tell=said.append)
    assert said[0].startswith("studies of 64x64x26: 2, each by its own storescu at once")
    assert [line.partition(":")[0] for line in said[1:2]] == ["SEG and SR in the PACS"] and len(said) == 5
