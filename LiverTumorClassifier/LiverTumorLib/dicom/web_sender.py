"""DICOM objects to a DICOMweb server by STOW-RS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import requests


class Away(Exception):
    """A target cannot take anything at the moment; the text says why, and trying later is right."""


class WebSender:
    """STOW-RS to one server.

    Args:
        url: of its DICOMweb service.
        session: how it is spoken to: certificates, user and password.
        headers: of every request.
    """

    def __init__(
        self, url: str, session: requests.Session, timeout_s: float, headers: Mapping[str, str] | None = None
    ) -> None:
        from dicomweb_client import DICOMwebClient

        self._client = DICOMwebClient(
            url=url, session=session, headers=dict(headers or {}), timeout=max(timeout_s, 60.0)
        )
        self._client.set_http_retry_params(retry=False)

    def send(self, files: Sequence[Path]) -> Iterator[str]:
        """For each file, in order, "" where it has been taken, or why it is refused for good. Raises Away."""
        from pydicom import dcmread

        for file in files:
            yield self._ask(lambda file=file: self._client.store_instances([dcmread(file)]))

    def check(self) -> None:
        """Search for no study in particular, to see whether the server answers. Raises Away."""
        self._ask(lambda: self._client.search_for_studies(limit=1))

    def _ask(self, question) -> str:
        from requests import exceptions

        try:
            answer = question()
        except exceptions.HTTPError as error:
            code = error.response.status_code if error.response is not None else 0
            if error.response is not None and code in (401, 403):
                raise Away(f"it refuses access (HTTP {code}); {_what_to_check(error.response)}") from None
            if code in (408, 413, 425, 429) or code >= 500 or code == 404:
                raise Away(f"it answers HTTP {code}") from None
            return f"HTTP {code}"
        except exceptions.RequestException as error:
            raise Away(f"it cannot be reached ({type(error).__name__})") from None
        failed = getattr(answer, "FailedSOPSequence", None)
        return f"failure 0x{int(failed[0].FailureReason):04X}" if failed else ""


def _what_to_check(refused: requests.Response) -> str:
    """By what the request that was refused had said of the user."""
    kind = str(refused.request.headers.get("Authorization", "")).partition(" ")[0]
    if not kind:
        return "it was given neither a token nor user and password"
    return "check the token" if kind == "Bearer" else "check user and password"
