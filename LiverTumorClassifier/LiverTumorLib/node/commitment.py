"""Storage commitment is answered: which of the objects that a peer has asked for are on this node's disk.

The node is no archive; what it commits to is to keep the objects for as long as `keep.pixels_days` says.
"""

from __future__ import annotations

from pydicom.dataset import Dataset
from pynetdicom import AE, build_role

from .backoff import delay_s
from .configuration import Receiving
from .logs import log
from .queue import Commitment, Queue
from .services import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
from .store import Store
from .tls import client_context

_ALL_THERE, _SOME_MISSING = 1, 2
_NO_SUCH_OBJECT = 0x0112
_TRIES = 200  # more than a day


class Committer:
    """Answers the wishes in the queue, on associations of its own."""

    def __init__(self, chosen: Receiving, store: Store, queue: Queue) -> None:
        self._chosen, self._store, self._queue = chosen, store, queue

    def step(self) -> bool:
        """Answer one wish; False where none is due, or the peer is away."""
        wish = self._queue.next_commitment()
        if wish is None:
            return False
        if self._answer(wish):
            log("storage commitment answered", ae_title=wish.ae_title, objects=len(wish.objects))
            self._queue.answered_commitment(wish)
            return True
        log("storage commitment put off", level="warning", ae_title=wish.ae_title, tries=wish.tries + 1)
        self._queue.answered_commitment(wish, None if wish.tries >= _TRIES else delay_s(wish.tries))
        return False

    def _answer(self, wish: Commitment) -> bool:
        entity = AE(ae_title=self._chosen.ae_title)
        entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = self._chosen.timeout_s
        entity.add_requested_context(STORAGE_COMMITMENT)
        tls = None if self._chosen.tls is None else (client_context(self._chosen.tls), wish.host)
        role = build_role(STORAGE_COMMITMENT, scp_role=True)
        association = entity.associate(wish.host, wish.port, ae_title=wish.ae_title, ext_neg=[role], tls_args=tls)
        if not association.is_established:
            return False
        report = self._report(wish)
        kind = _SOME_MISSING if "FailedSOPSequence" in report else _ALL_THERE
        try:
            answer, _ = association.send_n_event_report(report, kind, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE)
            return answer.get("Status") == 0x0000
        finally:
            association.release()

    def _report(self, wish: Commitment) -> Dataset:
        report = Dataset()
        report.TransactionUID = wish.transaction_uid
        there, missing = [], []
        for sop_class, sop in wish.objects:
            item = Dataset()
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, sop
            if any(self._store.path(study, uid, sop).is_file() for study, uid in self._queue.places_of(sop)):
                there.append(item)
            else:
                item.FailureReason = _NO_SUCH_OBJECT
                missing.append(item)
        if there:
            report.ReferencedSOPSequence = there
        if missing:
            report.FailedSOPSequence = missing
        return report
