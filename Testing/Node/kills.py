"""A node that is killed again and again: python Testing/Node/kills.py --kills 20 --series 6 [--networks]

Senders try each image until it is acknowledged; the node is killed with SIGKILL at random moments and started again. In
the end every series must be done, each of its images there, analyzed into one result, and each result object must have
come to the target, whole.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random

from orthanc import phantom_studies
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, _config, evt
from pynetdicom.sop_class import CTImageStorage
from running_node import AE_TITLE, RunningNode, small_object, target

_config.LOG_HANDLER_LEVEL = "none"


class Pacs:
    """A node that gets the results, in memory; `received` counts each object by UID."""

    def __init__(self, port: int | None = None) -> None:
        self.received: Counter[str] = Counter()
        self.contents: dict[str, set[bytes]] = {}
        entity = AE("PACS")
        for context in _everything():
            entity.add_supported_context(context)
        self._server = entity.start_server(
            ("127.0.0.1", port or 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)]
        )
        self.port = self._server.server_address[1]

    def _store(self, event: evt.Event) -> int:
        sop = str(event.request.AffectedSOPInstanceUID)
        self.received[sop] += 1
        self.contents.setdefault(sop, set()).add(event.encoded_dataset(include_meta=False))
        return 0x0000

    def close(self) -> None:
        """No more."""
        self._server.shutdown()

    @property
    def target(self) -> str:
        """The lines of a node's configuration that send to it."""
        return target("pacs", "PACS", self.port)


def _everything() -> list[str]:
    from pynetdicom import AllStoragePresentationContexts

    return [context.abstract_syntax for context in AllStoragePresentationContexts]


def send_until_acknowledged(node: RunningNode, objects: list[Dataset], rng: Random) -> None:
    """Send objects, some in an association, each until it is acknowledged."""
    left = list(objects)
    while left:
        entity = AE("SENDER")
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = 5
        entity.add_requested_context(CTImageStorage)
        association = entity.associate("127.0.0.1", node.port, ae_title=AE_TITLE)
        for _ in range(rng.randint(1, 8)):
            if not association.is_established or not left:
                break
            try:
                if association.send_c_store(left[0]).get("Status") == 0x0000:
                    left.pop(0)
            except (RuntimeError, ValueError, OSError):
                break
        if association.is_established:
            association.release()
        else:
            time.sleep(0.2)


def small_series(count: int, images: int) -> list[list[Dataset]]:
    """For small tasks in place of the networks'."""
    uids = [(generate_uid(), generate_uid()) for _ in range(count)]
    return [[small_object(*pair, k, size=32) for k in range(images)] for pair in uids]


def killed(
    folder: Path,
    kills: int,
    sets: list[list[Dataset]],
    seed: int,
    command: list[str] | None = None,
    longest_s: float = 3.0,
    tell=print,
) -> list[str]:
    """Kill a node while it works; returns what is wrong in the end, in sentences.

    Args:
        sets: the images of each series.
        command: see `RunningNode`.
        longest_s: between two kills.
    """
    series = len(sets)
    rng = Random(seed)
    pacs = Pacs()
    analysis = {"tries": 10}
    node = RunningNode(folder, pacs.target, command=command, rules={"images": [1, 1000]}, analysis=analysis)
    wrong: list[str] = []
    try:
        node.start()

        def feed() -> None:
            for number, objects in enumerate(sets):
                send_until_acknowledged(node, objects, Random(f"{seed} {number}"))

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        moments: Counter = Counter()
        for _ in range(kills):
            time.sleep(rng.uniform(0.05, longest_s))
            moments.update(set(node.states()))
            node.kill()
            node.start()
        feeder.join(600)
        node.wait_for(lambda: node.states() == ["done"] * series, 600)
        tell(f"{kills} kills, while there were series {dict(moments)}")
        found = {(study, uid): count for study, uid, count in node.rows("SELECT study, uid, images FROM series")}
        wrong += [
            f"series {number} has {found.get(uids)} of {len(each)} images"
            for number, each in enumerate(sets)
            if found.get(uids := (each[0].StudyInstanceUID, each[0].SeriesInstanceUID)) != len(each)
        ]
        results = sorted(node.folder.glob("results/*/*/summary.json"))
        if len(results) != series:
            wrong.append(f"{len(results)} results of {series} series")
        wrong += [f"{file} is left over" for file in node.folder.glob("results/*/.*")]
        sent = node.rows("SELECT count(*) FROM deliveries WHERE state = 'sent'")[0][0]
        tell(f"{sent} result objects sent; {len(pacs.received)} came, {sum(pacs.received.values())} with repetitions")
        if len(pacs.received) != sent:
            wrong.append(f"{sent} result objects are said to be sent, {len(pacs.received)} came")
        wrong += [
            f"{sop} came in {len(contents)} forms" for sop, contents in pacs.contents.items() if len(contents) > 1
        ]
    finally:
        node.kill()
        pacs.close()
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--series", type=int, default=6)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--networks", action="store_true", help="phantoms and the real networks, no small tasks")
    parser.add_argument("--longest", type=float, default=3.0, help="seconds between two kills")
    chosen = parser.parse_args()
    tasks = None
    if chosen.networks:
        shape, spacing = (chosen.images, 128, 128), (3.0, 3.0, min(260 / chosen.images, 10.0))
        sent = list(phantom_studies(chosen.series, 1, shape, spacing))
    else:
        tasks = [sys.executable, str(Path(__file__).parents[1] / "Python" / "cli_with_tasks.py")]
        sent = small_series(chosen.series, chosen.images)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        found = killed(Path(place), chosen.kills, sent, chosen.seed, tasks, chosen.longest)
    print(f"{time.monotonic() - begin:.0f} s, load {os.getloadavg()[0]:.1f}")
    print("\n".join(found) or "nothing is wrong")
    sys.exit(bool(found))
