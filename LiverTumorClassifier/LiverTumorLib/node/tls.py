"""TLS of DICOM connections: both sides show a certificate, and none older than TLS 1.2 is spoken."""

from __future__ import annotations

import ssl

from ..errors import UsageError
from .configuration import Tls


def server_context(tls: Tls) -> ssl.SSLContext:
    """TLS for a port that asks for a certificate. Raises UsageError."""
    return _context(ssl.PROTOCOL_TLS_SERVER, tls)


def client_context(tls: Tls) -> ssl.SSLContext:
    """TLS for a connection that shows a certificate. Raises UsageError."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, tls)


def _context(protocol: int, tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(tls.certificate, tls.key)
        context.load_verify_locations(tls.authorities)
        context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ValueError) as error:
        files = f"{tls.certificate}, {tls.key} and {tls.authorities}"
        raise UsageError(
            f"TLS cannot be set up from {files} ({error}); they must be in PEM and belong together."
        ) from error
    return context
