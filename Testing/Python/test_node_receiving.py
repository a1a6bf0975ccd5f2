"""A running node and its peers, honest and hostile: what is taken, what is refused, what is analyzed, and that nothing
is lost."""

import json
import subprocess
import sys
import time

import pytest

pytest.importorskip("pynetdicom", reason="the packages of the node are not installed")

from cli_tools import HERE, posix
from hostile import attack, hostile_node
from kills import Pacs, killed, small_series
from LiverTumorLib.cli import main
from ports import free_port
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, MRImageStorage, generate_uid
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage
from running_node import AE_TITLE, RunningNode, is_stored, small_object

TASKS = [sys.executable, str(HERE / "cli_with_tasks.py")]
SMALL = {"images": [3, 100]}

pytestmark = posix


@pytest.fixture(autouse=True)
def tasks(work):
    """Small tasks in place of the networks', and an empty temporary folder."""


def send(node, objects, *, release=True, title="SENDER", called=AE_TITLE):
    """Send objects in one association; returns the statuses."""
    entity = AE(title)
    for sop_class in {data.SOPClassUID for data in objects}:
        entity.add_requested_context(sop_class, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", node.port, ae_title=called)
    assert association.is_established
    statuses = [association.send_c_store(data).get("Status") for data in objects]
    association.release() if release else association.abort()
    return statuses


def series(images, **tags):
    study, uid = generate_uid(), generate_uid()
    return [small_object(study, uid, k, **tags) for k in range(images)]


def test_series_are_received_analyzed_or_skipped_with_the_reason(tmp_path):
    with RunningNode(
        tmp_path, command=TASKS, rules=SMALL | {"not_description": ["ct"], "body_parts": ["liver"]}
    ) as node:
        sets = {
            "": series(4, BodyPartExamined="LIVER"),
            "It has 2 slices; 3 to 100 are analyzed.": series(2),
            "It is not axial.": series(4, ImageOrientationPatient=[1.0, 0, 0, 0, 0, -1]),
            "Its slices are 20 mm thick; 0 to 10 mm are analyzed.": series(4, SliceThickness="20"),
            "Its description 'CT' has the pattern 'ct' of rules.not_description.": series(4, SeriesDescription="CT"),
            "Its body part is HEAD; analyzed are liver.": series(4, BodyPartExamined="HEAD"),
            "It has no CT slices, but localizers.": series(4, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
        }  # fmt: skip
        for objects in sets.values():
            assert set(send(node, objects)) == {0x0000}
            assert all(is_stored(node, data) for data in objects)
        node.wait_for(lambda: set(node.states()) <= {"done", "skipped"})
        assert [reason for (reason,) in node.rows("SELECT reason FROM series ORDER BY id")] == list(sets)
        assert len(list(node.folder.glob("results/*/*/summary.json"))) == 1

        done = next(iter(sets.values()))
        before = node.rows("SELECT version, finished FROM series WHERE id = 1")
        assert set(send(node, done)) == {0x0000}, "the same again is acknowledged, and repeats nothing"
        assert node.rows("SELECT version, finished FROM series WHERE id = 1") == before
        straggler = small_object(done[0].StudyInstanceUID, done[0].SeriesInstanceUID, 4)
        assert send(node, [straggler]) == [0x0000]
        node.wait_for(lambda: node.states()[0] == "done")
        (summary,) = node.folder.glob("results/1/*/summary.json")
        assert len(json.loads(summary.read_text())["case"]["slices"]) == 5, "the straggler is in the new results"

        assert "Secret" not in node.log.read_text() and generate_uid.__name__ not in node.log.read_text()
        assert done[0].StudyInstanceUID not in node.log.read_text()
        assert all("Secret" not in text for (text,) in node.rows("SELECT header FROM series"))
        assert "Secret" not in node.ask("/") + node.ask("/series/1")
        assert node.stop() == 0


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_who_and_what_is_not_taken(tmp_path):
    peer = '[[peers]]\nae_title = "GOOD"\naddresses = ["127.0.0.1"]\n'
    with RunningNode(tmp_path, peer, command=TASKS, dicom={"max_images": 3, "max_object_mb": 1.0}) as node:
        for title, called in (("EVIL", AE_TITLE), ("GOOD", "OTHER")):
            entity = AE(title)
            entity.add_requested_context(CTImageStorage)
            assert entity.associate("127.0.0.1", node.port, ae_title=called).is_rejected
        objects = series(4)
        assert send(node, objects, title="GOOD") == [0, 0, 0, 0xA700], "more than a series may have"
        wrong = small_object("1.2", "..", SOPInstanceUID=generate_uid())
        cut = small_object("1.2", "1.3", size=64, PixelData=b"\0" * 50)
        assert send(node, [wrong, cut], title="GOOD") == [0xC000, 0xC000]
        big = small_object("1.2", "1.3", size=1024)
        assert send(node, [big], title="GOOD") == [None], "cut off"
        entity = AE("GOOD")
        entity.add_requested_context(MRImageStorage)
        entity.add_requested_context(CTImageStorage, [JPEG2000Lossless, JPEGLSLossless])
        association = entity.associate("127.0.0.1", node.port, ae_title=AE_TITLE)
        assert {context.abstract_syntax for context in association.accepted_contexts} == {CTImageStorage}
        association.release()
        node.wait_for(lambda: node.states() == ["skipped"])
        assert not list(node.folder.glob("objects/.incoming/*"))


def test_a_full_disk_refuses_for_the_moment(tmp_path):
    with RunningNode(tmp_path, command=TASKS, dicom={"min_free_gb": 1e6}) as node:
        assert send(node, series(1)) == [0xA700]
        assert "The disk is nearly full" in node.ask("/")
        assert node.states() == []


def test_one_folder_and_each_port_are_one_nodes(tmp_path, capsys):
    with RunningNode(tmp_path, command=TASKS) as node:
        assert main(["listen", str(node.configuration), "--check"]) == 9
        assert "Another node works in" in capsys.readouterr().err
        other = tmp_path / "other.toml"
        for dicom, page, told, words in (
            (node.port, free_port(), "The DICOM port", []),
            (free_port(), node.page_port, "The page's port", ["--check"]),
        ):
            other.write_text(f'folder = "other"\n[dicom]\nport = {dicom}\n[page]\nport = {page}\n')
            done = subprocess.run([*TASKS, "listen", str(other), *words], capture_output=True, text=True, timeout=300)
            (said,) = (line for line in done.stderr.splitlines() if line.startswith("livertumor:"))
            assert done.returncode == 9 and told in said and "in use by another program" in said


def test_an_address_of_another_machine(tmp_path, capsys):
    path = tmp_path / "node.toml"
    path.write_text(f'folder = "x"\n[dicom]\naddress = "192.0.2.1"\nport = {free_port()}\n[page]\nport = 0\n')
    assert main(["listen", str(path), "--check"]) == 2
    assert "correct [dicom] address or port" in capsys.readouterr().err


def test_a_broken_association_leaves_the_quiet_time_to_decide(tmp_path):
    with RunningNode(tmp_path, command=TASKS, rules=SMALL, dicom={"quiet_s": 600.0, "settle_s": 0.1}) as node:
        objects = series(4)
        send(node, objects[:2], release=False)
        time.sleep(1.0)
        assert node.states() == ["receiving"], "the rest is waited for"
        send(node, objects[2:])
        node.wait_for(lambda: node.states() == ["done"])


def test_data_that_cannot_be_read_fail_once_and_may_be_tried_again(tmp_path):
    with RunningNode(tmp_path, command=TASKS, rules=SMALL) as node:
        objects = series(6)
        for data in objects[3:]:
            data.Rows, data.Columns, data.PixelData = 32, 32, b"\0" * 2048
        send(node, objects)
        node.wait_for(lambda: node.states() == ["failed"])
        ((reason, tries),) = node.rows("SELECT reason, tries FROM series")
        assert "size" in reason and tries == 0


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_hostile_peers(tmp_path):
    with hostile_node(tmp_path) as node:
        assert attack(node, 40, seed=2, tell=lambda text: None) == []


def test_kills(tmp_path):
    assert killed(tmp_path, 3, small_series(2, 6), seed=3, command=TASKS, tell=lambda text: None) == []


def test_a_target_that_is_away_gets_all_when_it_is_back(tmp_path):
    port = free_port()
    target = f'[[targets]]\nname = "pacs"\nae_title = "PACS"\nhost = "127.0.0.1"\nport = {port}\n'
    with RunningNode(tmp_path, target, command=TASKS, rules=SMALL) as node:
        send(node, series(4))
        node.wait_for(lambda: node.states() in (["sending"], ["done"]))
        if node.states() == ["done"]:
            pytest.skip("there are no DICOM results here")
        node.wait_for(lambda: "is away: nobody answers at 127.0.0.1" in node.ask("/"))
        assert node.ask("/healthz") == "ok\n", "the node itself is well"
        pacs = Pacs(port)
        try:
            node.wait_for(lambda: node.states() == ["done"])
            assert len(pacs.received) == node.rows("SELECT count(*) FROM deliveries")[0][0] > 0
        finally:
            pacs.close()
