"""The tables of the queue, and their rows as records."""

from __future__ import annotations

from dataclasses import dataclass, field

STATES = ("receiving", "waiting", "running", "sending", "done", "skipped", "failed")
OVER = ("done", "skipped", "failed")
VERSION = 1
SCHEMA = """
CREATE TABLE series (
  id INTEGER PRIMARY KEY, study TEXT NOT NULL, uid TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',
  header TEXT NOT NULL, sender TEXT NOT NULL, received REAL NOT NULL, changed REAL NOT NULL, due REAL NOT NULL,
  started REAL, finished REAL, begun INTEGER NOT NULL DEFAULT 0,
  tries INTEGER NOT NULL DEFAULT 0, next_try REAL NOT NULL DEFAULT 0,
  version INTEGER NOT NULL DEFAULT 1, images INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
  purged REAL, whole INTEGER NOT NULL DEFAULT 0,
  UNIQUE (study, uid));
CREATE INDEX series_by_state ON series (state);
CREATE TABLE objects (
  series INTEGER NOT NULL REFERENCES series, sop TEXT NOT NULL, bytes INTEGER NOT NULL, digest BLOB NOT NULL,
  PRIMARY KEY (series, sop)
) WITHOUT ROWID;
CREATE INDEX objects_by_sop ON objects (sop);
CREATE TABLE deliveries (
  series INTEGER NOT NULL REFERENCES series, target TEXT NOT NULL, file TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'pending',
  reason TEXT NOT NULL DEFAULT '', tries INTEGER NOT NULL DEFAULT 0, next_try REAL NOT NULL DEFAULT 0, sent REAL,
  PRIMARY KEY (series, target, file)
) WITHOUT ROWID;
CREATE TABLE commitments (
  id INTEGER PRIMARY KEY, transaction_uid TEXT NOT NULL, ae_title TEXT NOT NULL, host TEXT NOT NULL,
  port INTEGER NOT NULL,
  objects TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, next_try REAL NOT NULL DEFAULT 0, asked REAL NOT NULL);
"""


@dataclass(frozen=True)
class Series:
    """A row of the queue.

    Attributes:
        id: its number here, by which logs and folders name it.
        header: what its first image says: description, body_part, and patient where names are kept.
        sender: AE title that sent the first image.
        received, changed, started, finished: first image, last image, begin and end of the analysis; seconds since
            1970.
        due: when it counts as complete.
        begun: how often an analysis of it was begun, also those that ended with the node.
        tries: how often its analysis failed for reasons that are not in its data.
        version: grows with each image that is new or other than before.
        purged: when its pixels were deleted.
        whole: how many images it had then.
    """

    id: int
    study: str
    uid: str
    state: str
    reason: str
    header: dict
    sender: str
    received: float
    changed: float
    due: float
    started: float | None
    finished: float | None
    begun: int
    tries: int
    next_try: float
    version: int
    images: int
    bytes: int
    purged: float | None
    whole: int


@dataclass(frozen=True)
class Delivery:
    """One file of one series on its way to one target: pending, sent, or refused for good."""

    series: int
    target: str
    file: str
    state: str
    reason: str
    tries: int
    next_try: float
    sent: float | None


@dataclass(frozen=True)
class Commitment:
    """A peer's wish to hear whether this node has objects, as (SOP class, SOP instance) UIDs."""

    id: int
    transaction_uid: str
    ae_title: str
    host: str
    port: int
    objects: list[tuple[str, str]] = field(hash=False)
    tries: int
    asked: float
