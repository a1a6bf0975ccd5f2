"""What is known of each series, in SQLite: receiving → waiting → running → sending → done, or skipped, or failed.

Each method is one transaction, written through to the disk before it returns. Times are seconds since 1970.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..errors import OutputError
from .rows import SCHEMA, STATES, VERSION, Commitment, Delivery, Series

_OBJECT = "FROM objects o JOIN series s ON s.id = o.series WHERE study = ? AND uid = ? AND sop = ?"
_OVER = "state IN ('done', 'skipped', 'failed')"
_MINE = "WHERE id = ? AND state = 'running' AND version = ?"  # unchanged since it was claimed


class Queue:
    """The queue in a file. Its methods may be called from any thread; they raise sqlite3.Error where the disk does not
    do what they ask.

    Raises OutputError where there is no queue of this version.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                with self._change() as db:
                    for statement in SCHEMA.split(";"):
                        db.execute(statement)
                    db.execute(f"PRAGMA user_version = {VERSION}")
            self._db.execute("SELECT count(*) FROM series").fetchone()
        except sqlite3.Error as error:
            raise OutputError(
                f"{path} cannot be used as the node's queue: {error}; restore it from a backup, or move it away."
            ) from error
        if version not in (0, VERSION):
            raise OutputError(
                f"{path} is the queue of another version of this software; use that one, or another folder."
            )

    def close(self) -> None:
        """Nothing is asked after this."""
        with self._lock:
            self._db.close()

    def recover(self) -> int:
        """What was running when the node ended waits again; returns how many series that are."""
        with self._change() as db:
            return db.execute("UPDATE series SET state = 'waiting' WHERE state = 'running'").rowcount

    # Receiving

    def has_object(self, study: str, uid: str, sop: str) -> bool:
        """Whether an object was acknowledged and its file is still wanted."""
        return self._one(f"SELECT 1 {_OBJECT} AND purged IS NULL", study, uid, sop) is not None

    def digest(self, study: str, uid: str, sop: str) -> bytes | None:
        """The checksum of an object that is known, be its file deleted since."""
        row = self._one(f"SELECT digest {_OBJECT}", study, uid, sop)
        return None if row is None else row["digest"]

    def images_of(self, study: str, uid: str) -> int:
        """How many images of a series are here."""
        row = self._one("SELECT images FROM series WHERE study = ? AND uid = ? AND purged IS NULL", study, uid)
        return 0 if row is None else row["images"]

    def add_object(
        self, study: str, uid: str, sop: str, size: int, digest: bytes, header: dict, sender: str, due: float
    ) -> int:
        """Note an object whose file is on disk; its series is receiving (again), and due then. Returns the number of
        the series.

        Raises KeyError where the series is past: its pixels were deleted between the question and now.
        """
        now = time.time()
        with self._change() as db:
            row = db.execute(
                "SELECT id, purged, images FROM series WHERE study = ? AND uid = ?", (study, uid)
            ).fetchone()
            if row is None:
                text = json.dumps(header)
                values = (study, uid, text, sender, now, now, due)
                columns = "study, uid, state, header, sender, received, changed, due"
                id = (
                    db.execute(
                        f"INSERT INTO series ({columns}) VALUES (?, ?, 'receiving', ?, ?, ?, ?, ?)", values
                    ).lastrowid
                    or 0
                )
            else:
                id = row["id"]
                if row["purged"] is not None:  # begins anew; the old images are known by number only
                    db.execute("DELETE FROM objects WHERE series = ?", (id,))
                    db.execute("UPDATE series SET purged = NULL, whole = max(whole, images) WHERE id = ?", (id,))
                db.execute("DELETE FROM deliveries WHERE series = ?", (id,))
            db.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", (id, sop, size, digest))
            db.execute(
                "UPDATE series SET state = 'receiving', reason = '', changed = ?, due = ?, tries = 0, next_try = 0,"
                " finished = NULL, version = version + 1, (images, bytes) ="
                " (SELECT count(*), sum(o.bytes) FROM objects o WHERE o.series = series.id) WHERE id = ?",
                (now, due, id),
            )
            return id

    def set_due(self, ids: Sequence[int], due: float) -> None:
        """Series that are receiving count as complete then, where that is earlier than now known."""
        with self._change() as db:
            db.executemany(
                "UPDATE series SET due = min(due, ?) WHERE id = ? AND state = 'receiving'", [(due, id) for id in ids]
            )

    def complete(self) -> list[int]:
        """Series that are due wait for their analysis; returns their numbers."""
        with self._change() as db:
            rows = db.execute("SELECT id FROM series WHERE state = 'receiving' AND due <= ?", (time.time(),)).fetchall()
            ids = [row["id"] for row in rows]
            db.executemany("UPDATE series SET state = 'waiting' WHERE id = ?", [(id,) for id in ids])
        return ids

    # Analysis

    def claim(self) -> Series | None:
        """The next series to analyze, which then is running. What has ended with the node before lets the others go
        first."""
        with self._change() as db:
            query = "SELECT id FROM series WHERE state = 'waiting' AND next_try <= ? ORDER BY begun, changed LIMIT 1"
            row = db.execute(query, (time.time(),)).fetchone()
            if row is None:
                return None
            db.execute(
                "UPDATE series SET state = 'running', started = ?, begun = begun + 1 WHERE id = ?",
                (time.time(), row["id"]),
            )
            return self.get(row["id"])

    def skip(self, series: Series, reason: str) -> bool:
        """A series is not analyzed. As with all three that end an analysis: False where it has changed since it was
        claimed."""
        return self._end(series, "skipped", reason)

    def fail(self, series: Series, reason: str) -> bool:
        """A series cannot be analyzed."""
        return self._end(series, "failed", reason)

    def finish(self, series: Series, files: Sequence[str], targets: Sequence[str], note: str = "") -> bool:
        """A series is analyzed; its files go to the targets, and where there is nothing to send it is done."""
        pairs = [(series.id, target, file) for target in targets for file in files]
        with self._change() as db:
            if not self._end(series, "sending" if pairs else "done", note):
                return False
            db.executemany("INSERT INTO deliveries (series, target, file) VALUES (?, ?, ?)", pairs)
        return True

    def retry_later(self, series: Series, reason: str, delay_s: float) -> bool:
        """A series waits again after an analysis that failed for reasons that are not in its data."""
        with self._change() as db:
            query = f"UPDATE series SET state = 'waiting', reason = ?, tries = tries + 1, next_try = ? {_MINE}"
            return db.execute(query, (reason, time.time() + delay_s, series.id, series.version)).rowcount > 0

    def _end(self, series: Series, state: str, reason: str) -> bool:
        with self._change() as db:
            query = f"UPDATE series SET state = ?, reason = ?, finished = ? {_MINE}"
            return db.execute(query, (state, reason, time.time(), series.id, series.version)).rowcount > 0

    # Delivery

    def next_delivery(self, target: str) -> list[Delivery]:
        """The files of one series that are due for a target."""
        due = "FROM deliveries WHERE target = ? AND state = 'pending' AND next_try <= ?"
        first = self._one(f"SELECT series {due} ORDER BY next_try, series LIMIT 1", target, time.time())
        if first is None:
            return []
        rows = self._all(f"SELECT * {due} AND series = ? ORDER BY file", target, time.time(), first["series"])
        return [Delivery(**row) for row in rows]

    def deliveries(self, id: int) -> list[Delivery]:
        """All of a series."""
        return [
            Delivery(**row) for row in self._all("SELECT * FROM deliveries WHERE series = ? ORDER BY target, file", id)
        ]

    def delivered(self, delivery: Delivery, refused: str = "") -> None:
        """A target has taken a file, or refused it for good, for a reason."""
        with self._change() as db:
            db.execute(
                "UPDATE deliveries SET state = ?, reason = ?, sent = ? WHERE series = ? AND target = ? AND file = ?",
                (
                    "refused" if refused else "sent",
                    refused,
                    time.time(),
                    delivery.series,
                    delivery.target,
                    delivery.file,
                ),
            )
            self._settle(delivery.series)

    def deliver_later(self, deliveries: Sequence[Delivery], reason: str, delay_s: float) -> None:
        """A target could not be reached, or had no room."""
        with self._change() as db:
            for each in deliveries:
                db.execute(
                    "UPDATE deliveries SET reason = ?, tries = tries + 1, next_try = ?"
                    " WHERE series = ? AND target = ? AND file = ?",
                    (reason, time.time() + delay_s, each.series, each.target, each.file),
                )

    def forget_targets(self, known: Sequence[str]) -> None:
        """What was to go to a target that the configuration no longer has is not sent."""
        with self._change() as db:
            gone = f"state = 'pending' AND target NOT IN ({','.join('?' * len(known))})"
            rows = db.execute(f"SELECT DISTINCT series FROM deliveries WHERE {gone}", tuple(known)).fetchall()
            db.execute(f"DELETE FROM deliveries WHERE {gone}", tuple(known))
            for row in rows:
                self._settle(row["series"])

    def _settle(self, id: int) -> None:
        """A series none of whose files is on its way any more is done, or failed where one was refused."""
        rows = self._all("SELECT state, reason, target, file FROM deliveries WHERE series = ?", id)
        if any(row["state"] == "pending" for row in rows):
            return
        refused = [
            f"{row['target']} refused {row['file']}: {row['reason']}" for row in rows if row["state"] == "refused"
        ]
        state, reason = ("failed", " ".join(refused)) if refused else ("done", None)
        query = "UPDATE series SET state = ?, reason = coalesce(?, reason) WHERE id = ? AND state = 'sending'"
        self._db.execute(query, (state, reason, id))

    # People, and what is past

    def retry(self, id: int) -> bool:
        """A person asks for it: what was refused is sent again, what was skipped or failed is looked at again. False
        where nothing is."""
        with self._change() as db:
            row = db.execute("SELECT state, purged FROM series WHERE id = ?", (id,)).fetchone()
            if row is None or row["state"] not in ("skipped", "failed"):
                return False
            again = "UPDATE deliveries SET state = 'pending', next_try = 0 WHERE series = ? AND state = 'refused'"
            changed = db.execute(again, (id,)).rowcount
            if not changed and row["purged"] is not None:
                return False
            query = "UPDATE series SET state = ?, reason = '', tries = 0, next_try = 0 WHERE id = ?"
            db.execute(query, ("sending" if changed else "waiting", id))
            return True

    def get(self, id: int) -> Series | None:
        """A series by its number."""
        row = self._one("SELECT * FROM series WHERE id = ?", id)
        return None if row is None else _series(row)

    def latest(self, state: str | None, limit: int, before: float | None = None) -> list[Series]:
        """Series, that changed last first; of one state, and of those that changed before a time, where they are
        given."""
        where = "(? IS NULL OR state = ?) AND (? IS NULL OR changed < ?)"
        rows = self._all(
            f"SELECT * FROM series WHERE {where} ORDER BY changed DESC LIMIT ?", state, state, before, before, limit
        )
        return [_series(row) for row in rows]

    def counts(self) -> dict[str, int]:
        """How many series there are in each state."""
        found = {row["state"]: row["n"] for row in self._all("SELECT state, count(*) n FROM series GROUP BY state")}
        return {state: found.get(state, 0) for state in STATES}

    def pending(self) -> dict[str, tuple[int, str]]:
        """For each target that something waits for: how many files, and why they have not been sent."""
        query = "SELECT target, count(*) n, max(reason) reason FROM deliveries WHERE state = 'pending' GROUP BY target"
        return {row["target"]: (row["n"], row["reason"]) for row in self._all(query)}

    def past(self, before: float) -> list[Series]:
        """Series that were over before a time, and whose pixels are still here."""
        query = f"SELECT * FROM series WHERE purged IS NULL AND finished < ? AND {_OVER}"
        return [_series(row) for row in self._all(query, before)]

    def while_past(self, id: int, before: float, act: Callable[[], object]) -> bool:
        """Do something while a series that was over before a time cannot open again; False where it is not so."""
        with self._change() as db:
            row = db.execute(f"SELECT 1 FROM series WHERE id = ? AND finished < ? AND {_OVER}", (id, before)).fetchone()
            if row is None:
                return False
            act()
            return True

    def purge(self, series: Series) -> bool:
        """Note that the pixels of a series are to be deleted; False where it has changed since."""
        with self._change() as db:
            query = f"UPDATE series SET purged = ? WHERE id = ? AND version = ? AND {_OVER}"
            return db.execute(query, (time.time(), series.id, series.version)).rowcount > 0

    # Storage commitment

    def ask_commitment(
        self, transaction_uid: str, ae_title: str, host: str, port: int, objects: Sequence[tuple[str, str]]
    ) -> None:
        """Note a peer's wish."""
        with self._change() as db:
            columns = "transaction_uid, ae_title, host, port, objects, asked"
            query = f"INSERT INTO commitments ({columns}) VALUES (?, ?, ?, ?, ?, ?)"
            db.execute(query, (transaction_uid, ae_title, host, port, json.dumps(list(objects)), time.time()))

    def next_commitment(self) -> Commitment | None:
        """A wish that is due for an answer."""
        row = self._one("SELECT * FROM commitments WHERE next_try <= ? ORDER BY next_try LIMIT 1", time.time())
        if row is None:
            return None
        values = {name: row[name] for name in row.keys() if name != "next_try"}  # noqa: SIM118 - a Row is no mapping
        return Commitment(**values | {"objects": [tuple(pair) for pair in json.loads(row["objects"])]})

    def answered_commitment(self, wish: Commitment, again_after_s: float | None = None) -> None:
        """A wish is answered, or is to be answered later."""
        with self._change() as db:
            if again_after_s is None:
                db.execute("DELETE FROM commitments WHERE id = ?", (wish.id,))
            else:
                db.execute(
                    "UPDATE commitments SET tries = tries + 1, next_try = ? WHERE id = ?",
                    (time.time() + again_after_s, wish.id),
                )

    def places_of(self, sop: str) -> list[tuple[str, str]]:
        """Study and series of an object whose file is here."""
        query = "SELECT study, uid FROM objects o JOIN series s ON s.id = o.series WHERE sop = ? AND purged IS NULL"
        return [(row["study"], row["uid"]) for row in self._all(query, sop)]

    # SQLite

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """A transaction; one within another is part of it."""
        with self._lock:
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _one(self, query: str, *values: object) -> sqlite3.Row | None:
        with self._lock:
            return self._db.execute(query, values).fetchone()

    def _all(self, query: str, *values: object) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(query, values).fetchall()


def _series(row: sqlite3.Row) -> Series:
    values = dict(row)
    return Series(**values | {"header": json.loads(values["header"])})
