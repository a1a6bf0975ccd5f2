"""A node among hostile and broken peers: python Testing/Node/hostile.py --associations 1000

Associations of every kind below come from several threads at once, honest ones among them. At the end the node must
still answer,
must have every object that it acknowledged and no half one, and must not have grown: memory and open files are printed
over time.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import struct
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, _config
from pynetdicom.sop_class import CTImageStorage as CT
from pynetdicom.sop_class import PatientRootQueryRetrieveInformationModelFind, StorageCommitmentPushModel, Verification
from running_node import AE_TITLE, RunningNode, is_stored, small_object

_GOOD = "GOOD"
_config.LOG_HANDLER_LEVEL = "none"
# Flags of a message part: command or data set, and whether it is the last.
_COMMAND_LAST, _DATA_LAST, _DATA = 3, 2, 0


class Attack:
    """Everything that a peer may do, well or badly; each method is one association."""

    def __init__(self, node: RunningNode, rng: Random) -> None:
        self._node, self._rng = node, rng
        self.acknowledged: list[Dataset] = []
        self.refused = 0

    # Honest

    def honest(self) -> None:
        """Some images of a series of its own, released or aborted in the end."""
        association = self._associate()
        if association is None:
            self.refused += 1
            return
        study, series = generate_uid(), generate_uid()
        for k in range(self._rng.randint(1, 4)):
            self._store(association, small_object(study, series, k))
        if self._rng.random() < 0.2:
            association.abort()
        else:
            association.release()

    def same_twice(self) -> None:
        """The same object again."""
        association = self._associate()
        if association is not None:
            data = small_object(generate_uid(), generate_uid())
            self._store(association, data)
            self._store(association, data)
            association.release()

    def echo(self) -> None:
        """C-ECHO."""
        association = self._associate([Verification])
        if association is not None:
            association.send_c_echo()
            association.release()

    # What is not allowed

    def wrong_called(self) -> None:
        """Another node is meant."""
        assert self._associate(called="SOMEBODY") is None

    def wrong_calling(self) -> None:
        """A title that is not among the peers'."""
        assert self._associate(calling="EVIL") is None

    def unknown_service(self) -> None:
        """A query, which the node does not answer."""
        association = self._associate([PatientRootQueryRetrieveInformationModelFind, Verification])
        if association is not None:
            association.release()

    def path_as_uid(self) -> None:
        """UIDs that lead out of the folder."""
        self._bad_store(small_object("../../../../tmp/evil", "..", SOPInstanceUID=generate_uid()))

    def other_uid(self) -> None:
        """The data set is another object than its command says."""
        data = small_object(generate_uid(), generate_uid())
        association = self._associate()
        if association is not None:
            message = self._command(generate_uid())
            self._send_raw(association, message + self._pdv(self._encoded(data), _DATA_LAST))
            self._drain(association)

    def short_pixels(self) -> None:
        """Pixels that end before the rows do."""
        self._bad_store(small_object(generate_uid(), generate_uid(), size=64, PixelData=b"\0" * 100))

    def damaged(self) -> None:
        """A data set with random bytes in it."""
        association = self._associate()
        if association is not None:
            content = bytearray(self._encoded(small_object(generate_uid(), generate_uid())))
            for _ in range(40):
                content[self._rng.randrange(min(len(content), 300))] = self._rng.randrange(256)
            self._send_raw(association, self._command(generate_uid()) + self._pdv(bytes(content), _DATA_LAST))
            self._drain(association)

    def strange_commitment(self) -> None:
        """A wish for storage commitment from nobody who may have one."""
        association = self._associate([StorageCommitmentPushModel])
        if association is not None:
            with contextlib.suppress(Exception):
                association.send_n_action(Dataset(), 1, StorageCommitmentPushModel, "1.2.840.10008.1.20.1.1")
            association.abort()

    # Broken connections

    def garbage(self) -> None:
        """Random bytes."""
        with self._connect() as peer:
            peer.sendall(self._rng.randbytes(self._rng.randint(1, 5000)))
            self._until_closed(peer)

    def http(self) -> None:
        """A browser at the wrong door."""
        with self._connect() as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            self._until_closed(peer)

    def nothing(self) -> None:
        """A port scan."""
        self._connect().close()

    def huge_part(self) -> None:
        """A message part that says it has 4 GB."""
        with self._connect() as peer:
            peer.sendall(struct.pack(">BBL", 1, 0, 0xFFFFFFFF) + b"x" * 1000)
            self._until_closed(peer)

    def half_object(self) -> None:
        """The connection ends within an object."""
        association = self._associate()
        if association is not None:
            content = self._encoded(small_object(generate_uid(), generate_uid(), size=128))
            message = self._command(generate_uid()) + self._pdv(content, _DATA_LAST)
            self._send_raw(association, message[: self._rng.randint(1, len(message) - 1)])
            self._hang_up(association)

    def huge_element(self) -> None:
        """An element of 2 GB, sent for as long as the node takes it."""
        association = self._associate()
        if association is None:
            return
        head = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OW", 0, 0x7FFFFFFE)
        part = self._pdv(b"\0" * 100_000, _DATA)
        with contextlib.suppress(OSError):
            raw = association.dul.socket.socket
            raw.sendall(self._command(generate_uid()) + self._pdv(head, _DATA))
            for _ in range(22_000):
                raw.sendall(part)
            raise AssertionError("2 GB were taken")
        self._hang_up(association)

    def slow(self) -> None:
        """A byte now and then, as slow-loris does, at the start or within an object."""
        begin = time.monotonic()
        with contextlib.suppress(OSError), self._connect() as peer:
            peer.sendall(struct.pack(">BBL", 1, 0, 500))
            while time.monotonic() - begin < 60:
                peer.sendall(b"\0")
                time.sleep(0.5)
        assert time.monotonic() - begin < 30, "a slow peer was borne with"

    def silent(self) -> None:
        """An association on which nothing is said."""
        association = self._associate()
        if association is not None:
            deadline = time.monotonic() + 30
            while association.is_established and time.monotonic() < deadline:
                time.sleep(0.2)
            assert not association.is_established, "a silent peer was borne with"

    def many_at_once(self) -> None:
        """More connections than are allowed."""
        peers = []
        with contextlib.suppress(OSError):
            peers = [self._connect() for _ in range(40)]
        time.sleep(0.2)
        for peer in peers:
            peer.close()

    # Tools

    def _associate(self, contexts: list[str] | None = None, calling: str = _GOOD, called: str = AE_TITLE):
        """An association; None where it was refused, which a busy node may do: it is asked three times."""
        for _ in range(3 if called == AE_TITLE and calling == _GOOD else 1):
            entity = AE(calling)
            entity.acse_timeout = entity.dimse_timeout = entity.connection_timeout = 30
            for context in contexts or [CT]:
                entity.add_requested_context(context, ExplicitVRLittleEndian)
            association = entity.associate("127.0.0.1", self._node.port, ae_title=called)
            if association.is_established:
                return association
            time.sleep(0.3)
        return None

    def _store(self, association, data: Dataset) -> None:
        if association.is_established and association.send_c_store(data).get("Status") == 0x0000:
            self.acknowledged.append(data)

    def _bad_store(self, data: Dataset) -> None:
        association = self._associate()
        if association is not None:
            assert association.send_c_store(data).get("Status") not in (0x0000, None), "taken"
            association.release()

    def _connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._node.port), timeout=30)

    @staticmethod
    def _until_closed(peer: socket.socket) -> None:
        with contextlib.suppress(ConnectionError):
            while peer.recv(4096):
                pass

    @staticmethod
    def _encoded(data: Dataset) -> bytes:
        from pynetdicom.dsutils import encode

        return encode(data, False, True)

    @staticmethod
    def _pdv(content: bytes, kind: int, context: int = 1) -> bytes:
        parts = [content[at : at + 100_000] for at in range(0, len(content), 100_000)]
        message = b""
        for number, part in enumerate(parts, 1):
            flag = kind if number == len(parts) else kind & 1
            message += struct.pack(">BBLLBB", 4, 0, len(part) + 6, len(part) + 2, context, flag) + part
        return message

    def _command(self, sop: str) -> bytes:
        """A C-STORE request."""
        elements = [
            (0x0002, _padded(CTImageStorage)),
            (0x0100, b"\1\0"),
            (0x0110, b"\1\0"),
            (0x0700, b"\0\0"),
            (0x0800, b"\1\0"),
            (0x1000, _padded(sop)),
        ]
        body = b"".join(struct.pack("<HHL", 0, element, len(value)) + value for element, value in elements)
        return self._pdv(struct.pack("<HHLL", 0, 0, 4, len(body)) + body, _COMMAND_LAST)

    def _send_raw(self, association, message: bytes) -> None:
        with contextlib.suppress(OSError, AttributeError):
            association.dul.socket.socket.sendall(message)

    def _drain(self, association) -> None:
        time.sleep(0.3)
        association.abort()

    def _hang_up(self, association) -> None:
        with contextlib.suppress(OSError, AttributeError):
            association.dul.socket.socket.shutdown(socket.SHUT_RDWR)
        association.kill()


def _padded(text: str) -> bytes:
    return text.encode() + b"\0" * (len(text) % 2)


_SHARES = {
    "honest": 30, "same_twice": 5, "echo": 5, "wrong_called": 5, "wrong_calling": 5, "unknown_service": 5,
    "path_as_uid": 5, "other_uid": 5,
    "short_pixels": 4, "damaged": 8, "strange_commitment": 3, "garbage": 8, "http": 2, "nothing": 4, "huge_part": 3,
    "half_object": 8,
    "huge_element": 2, "slow": 2, "silent": 2, "many_at_once": 1,
}  # fmt: skip


def attack(node: RunningNode, associations: int, seed: int, threads: int = 6, tell=print) -> list[str]:
    """Have a node attacked; returns what is wrong with it then, in sentences.

    The node's configuration must know the peer GOOD only, and cut who is silent within seconds.
    """
    rng = Random(seed)
    kinds = list(_SHARES) + rng.choices(list(_SHARES), list(_SHARES.values()), k=max(0, associations - len(_SHARES)))
    rng.shuffle(kinds)
    attacks: list[Attack] = []
    wrong: list[str] = []
    lock = threading.Lock()
    begin = time.monotonic()

    def one(number: int) -> None:
        each = Attack(node, Random(f"{seed} {number}"))
        try:
            getattr(each, kinds[number])()
        except AssertionError as error:
            with lock:
                wrong.append(f"{kinds[number]}: {error}")
        except OSError:  # cut off, as it should be
            pass
        with lock:
            attacks.append(each)
            if len(attacks) % 100 == 0 or len(attacks) == len(kinds):
                memory, files = node.figure("livertumor_resident_bytes") / 1e6, node.figure("livertumor_open_files")
                tell(
                    f"{len(attacks)} associations, {time.monotonic() - begin:.0f} s:"
                    f" {memory:.0f} MB, {files:.0f} open files"
                )

    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(one, number) for number in range(len(kinds))]:
            future.result()
    acknowledged = [data for each in attacks for data in each.acknowledged]
    busy = sum(each.refused for each in attacks)
    tell(f"{len(acknowledged)} objects acknowledged; {busy} honest peers found the node busy three times")
    return wrong + what_is_wrong(node, acknowledged)


def what_is_wrong(node: RunningNode, acknowledged: list[Dataset]) -> list[str]:
    """What a node has lost or kept that it should not."""
    wrong = []
    if node.process.poll() is not None:
        return [f"the node has ended with {node.process.returncode}"]
    wrong += [
        f"{data.SOPInstanceUID} was acknowledged and is lost" for data in acknowledged if not is_stored(node, data)
    ]
    known = {sop for (sop,) in node.rows("SELECT sop FROM objects")}
    wrong += [f"{file} is not in the queue" for file in node.folder.glob("objects/*/*/*.dcm") if file.stem not in known]
    node.wait_for(lambda: node.figure("livertumor_associations") == 0, 60)
    wrong += [f"{file} is left over" for file in node.folder.glob("objects/.incoming/*")]
    if "unforeseen" in node.log.read_text():
        wrong.append(
            "something unforeseen is in the log: "
            + next(line for line in node.log.read_text().splitlines() if "unforeseen" in line)
        )
    if "Traceback" in node.log.read_text():
        wrong.append("a traceback is in the log")
    if "Secret" in node.log.read_text():
        wrong.append("a patient's name is in the log")
    return wrong


def many_objects(node: RunningNode, count: int, tell=print) -> list[str]:
    """One association with very many objects of one series, more than a series may have."""
    each = Attack(node, Random(0))
    association = each._associate()
    study, series = generate_uid(), generate_uid()
    begin = time.monotonic()
    for k in range(count):
        each._store(association, small_object(study, series, k))
    association.release()
    tell(f"{count} objects in one association: {len(each.acknowledged)} acknowledged, {time.monotonic() - begin:.0f} s")
    return what_is_wrong(node, each.acknowledged)


def hostile_node(folder: Path) -> RunningNode:
    """A node as `attack` needs it."""
    limits = {"timeout_s": 3.0, "max_associations": 10, "max_object_mb": 4.0, "max_images": 5000}
    return RunningNode(folder, f'[[peers]]\nae_title = "{_GOOD}"\n', dicom=limits)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--associations", type=int, default=1000)
    parser.add_argument("--objects", type=int, default=10_000, help="in one association, at the end")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, hostile_node(Path(place)) as running:
        before = running.figure("livertumor_open_files")
        found = attack(running, chosen.associations, chosen.seed) + many_objects(running, chosen.objects)
        print(f"open files before and after: {before:.0f}, {running.figure('livertumor_open_files'):.0f}")
    print("\n".join(found) or "nothing is wrong")
    sys.exit(bool(found))
