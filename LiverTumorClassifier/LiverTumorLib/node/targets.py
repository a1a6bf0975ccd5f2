"""Where results go: a DICOM node by C-STORE, a DICOMweb server by STOW-RS."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import requests
from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.presentation import build_context
from pynetdicom.status import code_to_category

from ..dicom.web_sender import Away, WebSender
from .configuration import Target, read_token
from .services import VERIFICATION
from .tls import client_context

_REFUSAL_S = 2.0
_NO_ROOM = range(0xA700, 0xA800)


class Sender(Protocol):
    """A way to one target."""

    def send(self, files: Sequence[Path]) -> Iterator[str]:
        """For each file, in order, "" where it has been taken, or why it is refused for good. Raises Away."""

    def check(self) -> None:
        """See whether the target answers. Raises Away."""


def sender_for(target: Target, ae_title: str, timeout_s: float) -> Sender:
    """The sender of a target. Raises UsageError where its TLS or its token is not right."""
    if target.url is None:
        return DicomSender(target, ae_title, timeout_s)
    session = requests.Session() if target.authorities is None else _TrustingSession(target.authorities)
    headers = {} if target.token_file is None else {"Authorization": f"Bearer {read_token(target.token_file)}"}
    return WebSender(target.url, session, timeout_s, headers)


class DicomSender:
    """C-STORE to one node, one association for the files of a series."""

    def __init__(self, target: Target, ae_title: str, timeout_s: float) -> None:
        self._entity = AE(ae_title=ae_title)
        self._entity.connection_timeout = self._entity.acse_timeout = timeout_s
        self._entity.dimse_timeout = self._entity.network_timeout = max(timeout_s, 60.0)
        self._host, self._port, self._title = target.host or "", target.port or 0, target.ae_title or ""
        self._tls = None if target.tls is None else (client_context(target.tls), self._host)

    def send(self, files: Sequence[Path]) -> Iterator[str]:
        """See `Sender`."""
        datasets = [dcmread(file) for file in files]
        pairs = dict.fromkeys((data.SOPClassUID, data.file_meta.TransferSyntaxUID) for data in datasets)
        association = self._associate([build_context(*pair) for pair in pairs])
        try:
            taken = {(context.abstract_syntax, context.transfer_syntax[0]) for context in association.accepted_contexts}
            for data in datasets:
                if (data.SOPClassUID, data.file_meta.TransferSyntaxUID) not in taken:
                    yield f"it takes no {data.SOPClassUID.name} objects in {data.file_meta.TransferSyntaxUID.name}"
                    continue
                if not association.is_established:
                    raise Away("the association broke off")
                yield self._verdict(association.send_c_store(data))
        finally:
            if association.is_established:
                association.release()

    def check(self) -> None:
        """C-ECHO."""
        association = self._associate([build_context(VERIFICATION)])
        try:
            if association.send_c_echo().get("Status") != 0x0000:
                raise Away("it does not answer an echo")
        finally:
            association.release()

    def _associate(self, contexts: list):
        association = self._entity.associate(self._host, self._port, contexts, ae_title=self._title, tls_args=self._tls)
        if association.is_established:
            return association
        if association.is_rejected:
            raise Away(
                f"it refuses the association (is {self._entity.ae_title} known there, and is {self._title} its title?)"
            )
        if association.is_aborted and association.acceptor.primitive is not None and not association.accepted_contexts:
            raise Away("it takes none of the result objects")
        raise Away(self._why_not())

    def _why_not(self) -> str:
        """Why there is no connection, which pynetdicom tells its own log only."""
        where = f"at {self._host}, port {self._port}"
        try:
            plain = socket.create_connection((self._host, self._port), self._entity.connection_timeout)
        except OSError:
            return f"nobody answers {where}"
        with plain:
            return f"{self._why_no_tls(plain) if self._tls is not None else 'it breaks off the association'} {where}"

    def _why_no_tls(self, plain: socket.socket) -> str:
        assert self._tls is not None
        try:
            with self._tls[0].wrap_socket(plain, server_hostname=self._host) as secure:
                secure.settimeout(_REFUSAL_S)
                secure.recv(1)  # with TLS 1.3 a certificate is refused only now
        except ssl.SSLCertVerificationError as error:
            return f"its certificate is not trusted ({error.verify_message})"
        except ssl.SSLError as error:
            return f"TLS fails ({(error.reason or str(error)).lower().replace('_', ' ')})"
        except TimeoutError:
            pass
        except OSError:
            return "it breaks TLS off (does it speak TLS?)"
        return "it breaks off the association"

    @staticmethod
    def _verdict(answer) -> str:
        status = answer.get("Status")
        if status is None:
            raise Away("it did not answer")
        if status in _NO_ROOM:
            raise Away(f"it has no room (status 0x{status:04X})")
        if code_to_category(status) in ("Success", "Warning"):
            return ""
        return f"status 0x{status:04X} {str(answer.get('ErrorComment', ''))[:64]}".strip()


class _TrustingSession(requests.Session):
    """Trusts one file of certificates, whatever REQUESTS_CA_BUNDLE says, which beats a session's `verify`."""

    def __init__(self, authorities: Path) -> None:
        super().__init__()
        self._authorities = str(authorities)

    def merge_environment_settings(self, *args: Any, **kwargs: Any) -> Any:
        """See `requests`."""
        return super().merge_environment_settings(*args, **kwargs) | {"verify": self._authorities}
