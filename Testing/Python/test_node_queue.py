"""The queue and the store of a node: what becomes of a series, whatever comes in between."""

import time

import pytest

pytest.importorskip("pynetdicom", reason="the packages of the node are not installed")

from LiverTumorLib.errors import OutputError
from LiverTumorLib.node.configuration import Configuration, Keeping
from LiverTumorLib.node.queue import Queue
from LiverTumorLib.node.retention import delete_past
from LiverTumorLib.node.store import Store, is_uid
from LiverTumorLib.node.workers import case_folder, results_folder

STUDY, SERIES = "1.2", "1.3"


@pytest.fixture
def queue(tmp_path):
    queue = Queue(tmp_path / "queue.sqlite")
    yield queue
    queue.close()


def add(queue, sop="1.4", series=SERIES, digest=b"a", due=0.0):
    return queue.add_object(STUDY, series, sop, 10, digest, {"description": "x"}, "PACS", due)


def claimed(queue):
    queue.complete()
    return queue.claim()


def test_the_way_of_a_series(queue):
    id = add(queue, due=time.time() + 1000)
    assert queue.complete() == [] and queue.claim() is None
    queue.set_due([id], time.time())
    assert queue.complete() == [id]
    series = queue.claim()
    assert (series.id, series.state, series.images, series.bytes) == (id, "running", 1, 10)
    assert queue.claim() is None
    assert queue.finish(series, ["a.dcm", "b.dcm"], ["pacs"])
    assert queue.get(id).state == "sending"
    for delivery in queue.next_delivery("pacs"):
        queue.delivered(delivery)
    assert queue.get(id).state == "done" and queue.next_delivery("pacs") == []


def test_without_results_or_targets_it_is_done(queue):
    add(queue)
    assert queue.finish(claimed(queue), [], ["pacs"], "none") and queue.get(1).state == "done"


def test_a_straggler_opens_the_series_again(queue):
    """While it is analyzed, what was begun counts for nothing; when it was done, it is done again."""
    add(queue)
    series = claimed(queue)
    add(queue, "1.5")
    assert not queue.finish(series, ["a.dcm"], ["pacs"]) and queue.get(1).state == "receiving"
    again = claimed(queue)
    assert again.images == 2 and queue.finish(again, ["a.dcm"], ["pacs"])
    add(queue, "1.6")
    assert queue.get(1).state == "receiving" and queue.deliveries(1) == []


def test_a_killed_node_begins_again_and_lets_others_go_first(tmp_path, queue):
    add(queue)
    claimed(queue)
    queue.close()
    queue = Queue(tmp_path / "queue.sqlite")
    assert queue.recover() == 1
    add(queue, "2.4", series="1.9")
    assert claimed(queue).uid == "1.9"
    assert queue.claim().uid == SERIES


def test_a_fault_of_the_machine_is_tried_later(queue, monkeypatch):
    add(queue)
    assert queue.retry_later(claimed(queue), "no room", 100)
    assert queue.claim() is None
    later = time.time() + 101
    monkeypatch.setattr(time, "time", lambda: later)
    assert queue.claim().tries == 1


def test_what_a_target_refuses_fails_and_can_be_sent_again(queue):
    add(queue)
    queue.finish(claimed(queue), ["a.dcm", "b.dcm"], ["pacs"])
    first, second = queue.next_delivery("pacs")
    queue.delivered(first)
    queue.delivered(second, "it takes no such objects")
    assert (queue.get(1).state, queue.get(1).reason) == ("failed", "pacs refused b.dcm: it takes no such objects")
    assert queue.retry(1) and queue.get(1).state == "sending"
    assert [each.file for each in queue.next_delivery("pacs")] == ["b.dcm"]


def test_a_target_that_is_gone_from_the_configuration_holds_nothing_up(queue):
    add(queue)
    queue.finish(claimed(queue), ["a.dcm"], ["old", "new"])
    queue.delivered(queue.next_delivery("new")[0])
    queue.forget_targets(["new"])
    assert queue.get(1).state == "done"


def test_pixels_are_deleted_when_their_time_is_over(tmp_path, queue):
    store = Store(tmp_path / "objects")
    store.prepare(queue.has_object)
    store.accept(store.write_incoming(b"x"), STUDY, SERIES, "1.4")
    results_folder(tmp_path).mkdir()
    add(queue)
    assert delete_past(kept(tmp_path, 0.0), store, queue) == 0, "it is not over"
    queue.finish(claimed(queue), [], [])
    assert delete_past(kept(tmp_path, 1.0), store, queue) == 0, "a day has not passed"
    assert delete_past(kept(tmp_path, 0.0), store, queue) == 1
    assert store.files(STUDY, SERIES) == [] and queue.get(1).purged and queue.digest(STUDY, SERIES, "1.4") == b"a"
    assert not queue.has_object(STUDY, SERIES, "1.4") and not queue.retry(1)
    add(queue, "1.5")
    assert (queue.get(1).images, queue.get(1).whole, queue.get(1).state) == (1, 1, "receiving")


def kept(folder, pixels_days, results_days=None):
    """A configuration."""
    return Configuration(folder, keep=Keeping(pixels_days, results_days))


def test_results_are_deleted_when_their_time_is_over(tmp_path, queue):
    store = Store(tmp_path / "objects")
    store.prepare(queue.has_object)
    results = case_folder(tmp_path, 1)
    results.mkdir(parents=True)
    half = results_folder(tmp_path) / ".deleted-1"
    half.mkdir()
    add(queue)
    queue.finish(claimed(queue), ["a.dcm"], ["pacs"])
    assert delete_past(kept(tmp_path, 9.0, 0.0), store, queue) == 0 and results.is_dir(), "they wait to be sent"
    assert not half.exists(), "what a former node has left half deleted"
    for delivery in queue.next_delivery("pacs"):
        queue.delivered(delivery)
    assert delete_past(kept(tmp_path, 9.0), store, queue) == 0, "they are kept for good"
    assert delete_past(kept(tmp_path, 9.0, 1.0), store, queue) == 0, "a day has not passed"
    add(queue, "1.5")
    assert delete_past(kept(tmp_path, 9.0, 0.0), store, queue) == 0 and results.is_dir(), "the series has opened again"
    queue.finish(claimed(queue), [], [])
    assert delete_past(kept(tmp_path, 9.0, 0.0), store, queue) == 1
    assert list(results_folder(tmp_path).iterdir()) == [] and queue.get(1).state == "done"
    assert delete_past(kept(tmp_path, 9.0, 0.0), store, queue) == 0


def test_half_objects_and_unacknowledged_ones_are_cleared_away(tmp_path, queue):
    store = Store(tmp_path / "objects")
    store.prepare(queue.has_object)
    store.write_incoming(b"half")
    for sop in ("1.4", "1.5"):
        store.accept(store.write_incoming(sop.encode()), STUDY, SERIES, sop)
    add(queue, "1.4")
    Store(tmp_path / "objects").prepare(queue.has_object)
    assert [file.name for file in (tmp_path / "objects").rglob("*") if file.is_file()] == ["1.4.dcm"]


@pytest.mark.parametrize("text", ["", "..", "1..2", "1/2", "1.2\n", "a", "1." * 40 + "1", ".1", "1.2\0"])
def test_what_is_no_uid_names_no_file(text):
    assert not is_uid(text)


def test_another_file_is_no_queue(tmp_path):
    (tmp_path / "queue.sqlite").write_bytes(b"something else" * 1000)
    with pytest.raises(OutputError, match=r"queue\.sqlite cannot be used as the node's queue"):
        Queue(tmp_path / "queue.sqlite")
