"""The DICOM port: C-ECHO, C-STORE of CT, and the asking part of storage commitment."""

from __future__ import annotations

import errno
import hashlib
import ipaddress
import sqlite3
import threading
import time
from io import BytesIO
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    LegacyConvertedEnhancedCTImageStorage,
    RLELossless,
)
from pynetdicom import AE, evt

from ..errors import BusyError, UsageError
from ..files.dicom_header import Kind, look_at
from .configuration import Configuration, Peer
from .figures import Figures
from .guard import GuardedHandler, GuardedServer
from .logs import log, log_unforeseen
from .queue import Queue
from .services import STORAGE_COMMITMENT, VERIFICATION
from .store import Store, is_uid
from .tls import server_context

_STORED = (CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage)
# What the readers in `files` decode, plain forms first: a peer that can choose sends those.
_SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    *JPEGTransferSyntaxes,
    *JPEGLSTransferSyntaxes,
    *JPEG2000TransferSyntaxes,
    RLELossless,
]
_HEADER = [
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "SeriesDescription",
    "BodyPartExamined",
    "PatientName",
    "PatientID",
]
_LONGEST_TEXT = 64  # as DICOM's own texts of this kind
_MOST_COMMITTED = 10_000  # objects in one wish

SUCCESS = 0x0000
_NO_ROOM, _WRONG_OBJECT, _NOT_UNDERSTOOD, _PROCESSING, _NOT_AUTHORIZED, _INVALID = (
    0xA700,
    0xA900,
    0xC000,
    0x0110,
    0x0124,
    0x0115,
)


class _Refused(Exception):
    """An object is not taken: the status, and a word for the figures and the peer."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Receiver:
    """The port, serving from `start` to `stop`.

    Raises (by `start`) BusyError where the port is taken, UsageError where the address is none of this machine or TLS
    cannot be set up.
    """

    def __init__(self, configuration: Configuration, store: Store, queue: Queue, figures: Figures) -> None:
        self._configuration, self._store, self._queue, self._figures = configuration, store, queue, figures
        self._server: GuardedServer | None = None
        self._touched: dict[object, set[int]] = {}  # association -> series
        self._lock = threading.Lock()

    def start(self) -> None:
        """Open the port."""
        chosen = self._configuration.dicom
        entity = AE(ae_title=chosen.ae_title)
        entity.maximum_associations = chosen.max_associations
        entity.maximum_pdu_size = chosen.max_pdu
        entity.require_called_aet = True
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = chosen.timeout_s
        entity.add_supported_context(VERIFICATION)
        entity.add_supported_context(STORAGE_COMMITMENT)
        for sop_class in _STORED:
            entity.add_supported_context(sop_class, _SYNTAXES)
        handlers: list[Any] = [
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_DIMSE_RECV, self._message),
            (evt.EVT_C_STORE, self._stored),
            (evt.EVT_N_ACTION, self._asked),
            (evt.EVT_RELEASED, self._released),
            (evt.EVT_ABORTED, self._lost),
            (evt.EVT_CONN_CLOSE, self._lost),
        ]
        context = None if chosen.tls is None else server_context(chosen.tls)
        try:
            server = GuardedServer(
                entity,
                (chosen.address, chosen.port),
                chosen.ae_title,
                entity.supported_contexts,
                ssl_context=context,
                evt_handlers=handlers,
                request_handler=GuardedHandler,
            )
        except OSError as error:
            raise address_error("The DICOM port", "dicom", chosen.address, chosen.port, error) from error
        networks = [network for peer in self._configuration.peers for network in peer.addresses]
        server.limit(networks, int(chosen.max_object_mb * 1e6), chosen.max_pdu, chosen.timeout_s)
        entity._servers.append(server)
        self._server = server
        threading.Thread(target=server.serve_forever, name="DICOM port", daemon=True).start()
        log("listening", ae_title=chosen.ae_title, address=chosen.address, port=chosen.port, tls=context is not None)

    def stop(self) -> None:
        """Close the port; associations break off, which loses nothing that was acknowledged."""
        if self._server is not None:
            self._server.shutdown()

    @property
    def associations(self) -> int:
        """How many there are at the moment."""
        return len(self._server.active_associations) if self._server is not None else 0

    def _peer(self, ae_title: str, address: str) -> Peer | None:
        """Who may send under this title from this address."""
        for peer in self._configuration.peers:
            named = peer.ae_title is None or peer.ae_title.strip() == ae_title.strip()
            if named and any(
                ipaddress.ip_address(address) in ipaddress.ip_network(each, strict=False) for each in peer.addresses
            ):
                return peer
        return None

    def _requested(self, event: evt.Event) -> None:
        association = event.assoc
        self._message(event)
        title, address = _caller(association)
        if self._peer(title, address) is None:
            log("association refused", level="warning", ae_title=title, address=address, why="not among the peers")
            self._figures.refused.labels("peer").inc()
            association.acse.send_reject(0x01, 0x01, 0x03)  # for good: calling AE title not recognized
            association.is_rejected = True
            association.kill()

    def _message(self, event: evt.Event) -> None:
        if self._server is not None:
            self._server.budgets[event.assoc].renew()

    def _stored(self, event: evt.Event) -> int | Dataset:
        try:
            self._take(event)
            return SUCCESS
        except _Refused as refused:
            why, status = str(refused), refused.status
        except (OSError, sqlite3.Error) as error:
            why, status = "disk", _NO_ROOM
            log("disk", level="error", error=type(error).__name__, errno=getattr(error, "errno", None))
        except Exception as error:
            why, status = "error", _PROCESSING
            log_unforeseen("C-STORE", error)
        self._figures.refused.labels(why).inc()
        title, address = _caller(event.assoc)
        log("object refused", level="warning", ae_title=title, address=address, why=why, status=f"0x{status:04X}")
        answer = Dataset()
        answer.Status = status
        answer.ErrorComment = f"LiverTumor: {why}"[:64]
        return answer

    def _take(self, event: evt.Event) -> None:
        """Have an object on disk and in the queue. Raises _Refused, OSError, sqlite3.Error."""
        chosen = self._configuration.dicom
        if self._store.free_bytes() < chosen.min_free_gb * 1e9:
            raise _Refused(_NO_ROOM, "disk nearly full")
        content = event.encoded_dataset()
        try:
            header = dcmread(BytesIO(content), stop_before_pixels=True, specific_tags=_HEADER)
            study, uid, sop = (str(header[name].value) for name in _HEADER[:3])
        except Exception:  # pydicom raises errors of every kind on damaged data
            raise _Refused(_NOT_UNDERSTOOD, "damaged") from None
        if not all(map(is_uid, (study, uid, sop))):
            raise _Refused(_NOT_UNDERSTOOD, "invalid UID")
        if sop != getattr(event.request, "AffectedSOPInstanceUID", None):
            raise _Refused(_WRONG_OBJECT, "another UID than announced")
        digest = hashlib.sha256(content).digest()
        title, _ = _caller(event.assoc)
        if self._queue.digest(study, uid, sop) == digest and self._is_kept(study, uid, sop):
            self._figures.received.labels(title).inc()
            return
        if self._queue.images_of(study, uid) >= chosen.max_images:
            raise _Refused(_NO_ROOM, "too many images in the series")
        incoming = self._store.write_incoming(content)
        try:
            finding = look_at(incoming)
            if finding.damaged or finding.kind is Kind.FOREIGN:
                raise _Refused(_NOT_UNDERSTOOD, "damaged")
            with self._store.placing:
                self._store.accept(incoming, study, uid, sop)
                due = time.time() + chosen.quiet_s
                id = self._queue.add_object(study, uid, sop, len(content), digest, self._header(header), title, due)
        finally:
            self._store.refuse(incoming)
        with self._lock:
            self._touched.setdefault(event.assoc, set()).add(id)
        self._figures.received.labels(title).inc()
        self._figures.received_bytes.inc(len(content))

    def _is_kept(self, study: str, uid: str, sop: str) -> bool:
        """Whether an object that is known needs no file: it has one, or the series is past."""
        return self._store.path(study, uid, sop).exists() or not self._queue.has_object(study, uid, sop)

    def _header(self, header: Dataset) -> dict:
        """What the queue keeps of a series beside its UIDs."""
        texts = {"description": "SeriesDescription", "body_part": "BodyPartExamined"}
        if self._configuration.page.names:
            texts |= {"patient_name": "PatientName", "patient_id": "PatientID"}
        return {name: _text(header, tag) for name, tag in texts.items()}

    def _released(self, event: evt.Event) -> None:
        """What a peer has brought is complete soon, unless another association brings more of it."""
        with self._lock:
            mine = self._touched.pop(event.assoc, set())
            others = set().union(*self._touched.values())
        if mine - others:
            self._queue.set_due(sorted(mine - others), time.time() + self._configuration.dicom.settle_s)

    def _lost(self, event: evt.Event) -> None:
        """What a broken association has brought waits for the rest; the quiet time decides."""
        with self._lock:
            self._touched.pop(event.assoc, None)

    def _asked(self, event: evt.Event) -> tuple[int, None]:
        """Storage commitment: the wish is noted, and answered by `commitment` on an association of our own."""
        try:
            title, address = _caller(event.assoc)
            peer = self._peer(title, address)
            if peer is None or not peer.port:
                log(
                    "storage commitment refused",
                    level="warning",
                    ae_title=title,
                    why="the peer has no port in the configuration",
                )
                return _NOT_AUTHORIZED, None
            wish = event.action_information
            objects = [
                (str(item.ReferencedSOPClassUID), str(item.ReferencedSOPInstanceUID))
                for item in wish.ReferencedSOPSequence
            ]
            well_formed = all(is_uid(uid) for pair in objects for uid in pair) and is_uid(str(wish.TransactionUID))
            if event.action_type != 1 or not well_formed or not 0 < len(objects) <= _MOST_COMMITTED:
                return _INVALID, None
            self._queue.ask_commitment(str(wish.TransactionUID), title, address, peer.port, objects)
            log("storage commitment asked", ae_title=title, objects=len(objects))
            return SUCCESS, None
        except sqlite3.Error:
            return _PROCESSING, None
        except Exception:  # of a damaged data set
            return _INVALID, None


def address_error(what: str, section: str, address: str, port: int, error: OSError) -> BusyError | UsageError:
    """Why a port cannot be opened."""
    if error.errno == errno.EADDRINUSE:
        return BusyError(
            f"{what} {port} at {address} is in use by another program; end that, or choose another [{section}] port."
        )
    return UsageError(
        f"{what} {port} at {address} cannot be opened: {error.strerror or error}; correct [{section}] address or port."
    )


def _caller(association) -> tuple[str, str]:
    """AE title and address of a peer."""
    primitive = association.requestor.primitive
    return (primitive.calling_ae_title or "").strip(), association.requestor.address


def _text(header: Dataset, tag: str) -> str:
    try:
        text = str(header.get(tag) or "").strip()[:_LONGEST_TEXT]
    except Exception:  # pydicom decodes a text when it is asked for
        return ""
    return "".join(letter for letter in text if letter.isprintable())
