"""Results on their way: what a target takes, what it refuses for good, and what is tried again."""

import time

import pytest

pytest.importorskip("pynetdicom", reason="the packages of the node are not installed")

from LiverTumorLib.node.backoff import delay_s
from LiverTumorLib.node.configuration import Target
from LiverTumorLib.node.delivery import Deliverer
from LiverTumorLib.node.figures import Figures
from LiverTumorLib.node.queue import Queue
from LiverTumorLib.node.targets import Away, sender_for
from LiverTumorLib.node.workers import case_folder
from ports import free_port
from pydicom.uid import SegmentationStorage
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage
from running_node import dicomweb_server, small_object

FILES = ("a.dcm", "b.dcm")


class Waiting:
    """A series that is analyzed, and whose two objects wait for the target "pacs"."""

    def __init__(self, folder, target):
        self.queue = Queue(folder / "queue.sqlite")
        self.queue.add_object("1.2", "1.3", "1.4", 1, b"", {}, "X", 0.0)
        self.queue.complete()
        results = case_folder(folder, 1)
        results.mkdir(parents=True)
        for name in FILES:
            kind = {"SOPClassUID": SegmentationStorage} if name == "b.dcm" else {}
            data = small_object("1.2", "1.5", **kind)
            data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
            data.save_as(results / name, enforce_file_format=True)
        self.queue.finish(self.queue.claim(), FILES, ["pacs"])
        sender = sender_for(target, "LIVERTUMOR", 5.0)
        self.deliverer = Deliverer(target, sender, folder, self.queue, Figures())

    @property
    def state(self):
        series = self.queue.get(1)
        return series.state, series.reason

    @property
    def deliveries(self):
        return [(each.state, each.reason, each.tries) for each in self.queue.deliveries(1)]


@pytest.fixture
def serve():
    """Start a PACS that answers C-STORE with a status; returns the target."""
    servers = []

    def start(status=0x0000, classes=(CTImageStorage, SegmentationStorage), calling=()):
        entity = AE("PACS")
        entity.require_calling_aet = list(calling)
        for each in classes:
            entity.add_supported_context(each)
        handlers = [(evt.EVT_C_STORE, lambda event: status)]
        servers.append(entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers))
        return Target("pacs", "PACS", *servers[-1].server_address)

    yield start
    for server in servers:
        server.shutdown()


def test_all_is_taken(tmp_path, serve):
    waiting = Waiting(tmp_path, serve())
    assert waiting.deliverer.step() and not waiting.deliverer.step()
    assert waiting.state == ("done", "") and [state for state, *_ in waiting.deliveries] == ["sent", "sent"]


def test_a_warning_is_no_refusal(tmp_path, serve):
    waiting = Waiting(tmp_path, serve(0xB000))
    waiting.deliverer.step()
    assert waiting.state[0] == "done"


def test_a_kind_that_is_not_taken_is_refused_for_good(tmp_path, serve):
    waiting = Waiting(tmp_path, serve(classes=[CTImageStorage]))
    assert waiting.deliverer.step()
    told = "pacs refused b.dcm: it takes no Segmentation Storage objects in Explicit VR Little Endian"
    assert waiting.state == ("failed", told)


def test_a_fault_of_the_data_is_not_tried_again(tmp_path, serve):
    waiting = Waiting(tmp_path, serve(0xC001))
    waiting.deliverer.step()
    assert waiting.state[0] == "failed" and "a.dcm: status 0xC001" in waiting.state[1]
    assert not waiting.deliverer.step()


@pytest.mark.parametrize(
    "options, told",
    [
        ({"status": 0xA700}, "it has no room (status 0xA700)"),
        ({"calling": ["OTHER"]}, "it refuses the association (is LIVERTUMOR known there, and is PACS its title?)"),
        ({"classes": ["1.2.840.10008.1.1"]}, "it takes none of the result objects"),
    ],
)
def test_what_may_pass_is_tried_again(tmp_path, serve, options, told):
    waiting = Waiting(tmp_path, serve(**options))
    assert not waiting.deliverer.step()
    assert waiting.state[0] == "sending"
    assert waiting.deliveries == [("pending", f"pacs is away: {told}", 1)] * 2
    assert not waiting.queue.next_delivery("pacs"), "not at once"
    assert waiting.queue.pending()["pacs"][0] == 2


def test_nobody_there(tmp_path):
    port = free_port()
    waiting = Waiting(tmp_path, Target("pacs", "PACS", "127.0.0.1", port))
    assert not waiting.deliverer.step()
    assert waiting.deliveries[0] == ("pending", f"pacs is away: nobody answers at 127.0.0.1, port {port}", 1)


def test_results_that_somebody_has_deleted(tmp_path, serve):
    waiting = Waiting(tmp_path, serve())
    (case_folder(tmp_path, 1) / "b.dcm").unlink()
    waiting.deliverer.step()
    assert waiting.state == ("failed", "pacs refused b.dcm: the file is not in the results any more")


def test_waiting_grows_and_has_an_end():
    assert [delay_s(tries) for tries in (0, 1, 2, 10, 10_000)] == [5, 10, 20, 600, 600]


@pytest.mark.parametrize(
    "status, outcome",
    [
        (200, "done"),
        (400, "failed"),
        (401, "it refuses access (HTTP 401); check the token"),
        (503, "it answers HTTP 503"),
        (404, "it answers HTTP 404"),
    ],
)
def test_a_dicomweb_server(tmp_path, status, outcome):
    with dicomweb_server(status) as (url, asked):
        (tmp_path / "token").write_text("0123456789abcdef")
        waiting = Waiting(tmp_path, Target("pacs", url=url, token_file=tmp_path / "token"))
        waiting.deliverer.step()
        assert asked[0] == ("/dicom-web/studies", "Bearer 0123456789abcdef")
        if outcome in ("done", "failed"):
            assert waiting.state[0] == outcome
        else:
            assert waiting.deliveries[0][:2] == ("pending", f"pacs is away: {outcome}")


@pytest.mark.parametrize("status", [401, 403])
def test_a_dicomweb_server_that_asks_who_it_is(tmp_path, status):
    with dicomweb_server(status) as (url, _asked):
        waiting = Waiting(tmp_path, Target("pacs", url=url))
        waiting.deliverer.step()
        told = f"it refuses access (HTTP {status}); it was given neither a token nor user and password"
        assert waiting.deliveries[0][:2] == ("pending", f"pacs is away: {told}")


def test_a_dicomweb_server_that_is_away():
    begin = time.monotonic()
    with pytest.raises(Away, match="it cannot be reached"):
        sender_for(Target("web", url=f"http://127.0.0.1:{free_port()}"), "X", 1.0).check()
    assert time.monotonic() - begin < 60
