"""What a hospital chooses: one TOML file, checked at the start. Every setting has a default but the folder."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import UsageError
from ..records.options import DICOM_PAGES, RunOptions
from .toml_file import Limit, Section, limited, read_toml


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_ae_title(text: str) -> bool:
    return re.fullmatch(r"[ -\[\]-~]{1,16}", text) is not None and text.strip() != ""


_AE_TITLE = Limit("1 to 16 printable ASCII characters, no backslash", _is_ae_title)
_PORT = Limit("a port, 1 to 65535", lambda value: 1 <= value <= 65535)
_COUNT = Limit("at least 1", lambda value: value >= 1)
_POSITIVE = Limit("above 0", lambda value: value > 0)
_NOT_NEGATIVE = Limit("0 or more", lambda value: value >= 0)
_PATTERN = Limit("a regular expression", _is_pattern)
_NETWORK = Limit("an IP address or network, such as 10.1.2.3 or 10.1.2.0/24", _is_network)
_PDU = Limit("4096 to 1048576", lambda value: 4096 <= value <= 1 << 20)
_URL = Limit(
    "an address that begins with http:// or https://", lambda text: re.match(r"https?://[^/]", text) is not None
)
_DICOM_PAGE = Limit(f"one of {', '.join(DICOM_PAGES)}", lambda text: text in DICOM_PAGES)
_SCHEDULER = Limit(
    "the address of a Dask scheduler, such as tcp://10.0.0.1:8786",
    lambda text: re.fullmatch(r"(tcp|tls)://[^/\s]+:\d+", text) is not None,
)
_NAME = Limit("made of letters, digits, '-' and '_'", lambda text: re.fullmatch(r"[\w-]{1,40}", text) is not None)

LOOPBACK = ("127.0.0.0/8", "::1/128")


@dataclass(frozen=True)
class Tls:
    """Files in PEM: what this node shows of itself, and whom it believes.

    Attributes:
        certificate, key: of this node.
        authorities: certificates of those who sign the others'; a receiving port asks for one signed by them.
    """

    certificate: Path
    key: Path
    authorities: Path


@dataclass(frozen=True)
class Receiving:
    """The DICOM port.

    Attributes:
        ae_title, address, port: of this node; the address is that of the network card, 0.0.0.0 for all.
        max_associations: at a time; more are turned away for the moment.
        max_pdu: bytes of one message part that are taken.
        max_object_mb: of one object; more ends the association.
        max_images: of one series; more are refused.
        min_free_gb: with less free disk, objects are refused for the moment.
        timeout_s: a peer that says nothing, or does not finish a message part, for so long is cut off.
        quiet_s: a series is complete when no image of it has come for so long.
        settle_s: and so long after the association that brought its last image has been released.
        tls: the port speaks TLS only.
    """

    ae_title: str = limited(_AE_TITLE, "LIVERTUMOR")
    address: str = limited(_NETWORK, "127.0.0.1")
    port: int = limited(_PORT, 11112)
    max_associations: int = limited(_COUNT, 10)
    max_pdu: int = limited(_PDU, 131072)
    max_object_mb: float = limited(_POSITIVE, 64.0)
    max_images: int = limited(_COUNT, 5000)
    min_free_gb: float = limited(_NOT_NEGATIVE, 5.0)
    timeout_s: float = limited(_POSITIVE, 30.0)
    quiet_s: float = limited(_POSITIVE, 60.0)
    settle_s: float = limited(_NOT_NEGATIVE, 5.0)
    tls: Tls | None = None


@dataclass(frozen=True)
class Peer:
    """Who may send.

    Attributes:
        ae_title: the calling AE title; none stands for all.
        addresses: IP addresses or networks.
        port: where the peer listens at the address it sends from; storage commitment is answered there. 0: it asks for
            none.
    """

    ae_title: str | None = limited(_AE_TITLE, None)
    addresses: tuple[str, ...] = limited(_NETWORK, LOOPBACK)
    port: int = limited(Limit("a port, or 0", lambda value: 0 <= value <= 65535), 0)


@dataclass(frozen=True)
class Target:
    """Who gets the results: a DICOM node (ae_title, host, port) or a DICOMweb server (url).

    Attributes:
        name: on the page and in logs.
        tls: of a DICOM node that speaks TLS.
        token_file: holds the bearer token of a DICOMweb server.
        authorities: certificates that a DICOMweb server's is signed by, where the system does not know them.
    """

    name: str = limited(_NAME)
    ae_title: str | None = limited(_AE_TITLE, None)
    host: str | None = None
    port: int | None = limited(_PORT, None)
    tls: Tls | None = None
    url: str | None = limited(_URL, None)
    token_file: Path | None = None
    authorities: Path | None = None

    def __post_init__(self) -> None:
        dicom = [self.ae_title, self.host, self.port]
        if self.url is None and None in dicom:
            raise ValueError("a target has either ae_title, host and port, or url")
        if self.url is not None and (self.tls is not None or any(each is not None for each in dicom)):
            raise ValueError("a target with a url has no ae_title, host, port or tls")
        if self.url is None and (self.token_file or self.authorities):
            raise ValueError("token_file and authorities belong to a target with a url")


@dataclass(frozen=True)
class Rules:
    """Which series are analyzed; the others are skipped, with the reason.

    Attributes:
        axial: only axial ones.
        thickness_mm: from, to.
        images: from, to.
        body_parts: one of these in BodyPartExamined, whatever the case; none stands for all. A series that does not say
            it passes.
        description, not_description: regular expressions, whatever the case: one that the series description must hold,
            and none of which it may.
    """

    axial: bool = True
    thickness_mm: tuple[float, float] = limited(_NOT_NEGATIVE, (0.0, 10.0))
    images: tuple[int, int] = limited(_COUNT, (20, 3000))
    body_parts: tuple[str, ...] = ()
    description: tuple[str, ...] = limited(_PATTERN, ())
    not_description: tuple[str, ...] = limited(_PATTERN, ())

    def __post_init__(self) -> None:
        for name in ("thickness_mm", "images"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} is [{low}, {high}]; the first must not be above the second")


@dataclass(frozen=True)
class Analysis:
    """How series are analyzed.

    Attributes:
        workers: how many at a time.
        tries: how often a series is begun whose analysis failed for reasons that are not in its data.
        dicom_page: what the page is among the results, see `DICOM_PAGES`.
        scheduler: address of the Dask scheduler whose workers do it; they see the node's folder under the same path.
        options: fields of `RunOptions`.
    """

    workers: int = limited(_COUNT, 1)
    tries: int = limited(_COUNT, 3)
    dicom_page: str = limited(_DICOM_PAGE, DICOM_PAGES[0])
    scheduler: str | None = limited(_SCHEDULER, None)
    options: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """The page for people.

    Attributes:
        port: 0 for no page.
        token_file: holds what opens the page; needed where the address is not a loopback one.
        names: patients' names and ids are kept and shown.
        certificate, key: files in PEM; with them the page speaks HTTPS.
        viewer: the command `livertumor` of an environment that has the extra "view"; with it the page opens a series in
            Slicer's views, over plain HTTP, at the page's address and `viewer_port` (0: a free one).
    """

    address: str = limited(_NETWORK, "127.0.0.1")
    port: int = limited(Limit("a port, or 0", lambda value: 0 <= value <= 65535), 8080)
    token_file: Path | None = None
    names: bool = False
    certificate: Path | None = None
    key: Path | None = None
    viewer: Path | None = None
    viewer_port: int = limited(Limit("a port, or 0", lambda value: 0 <= value <= 65535), 8081)

    def __post_init__(self) -> None:
        if self.viewer is not None and self.certificate is not None:
            raise ValueError(
                "viewer speaks no HTTPS; leave it out, or certificate and key, and have a proxy speak HTTPS for both"
            )
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        if self.port and self.token_file is None and not ipaddress.ip_address(self.address).is_loopback:
            raise ValueError(
                "token_file is missing, and others than this machine could see the page; write a long random text to"
                " a file"
            )


@dataclass(frozen=True)
class Keeping:
    """How long what lies on disk stays.

    Attributes:
        pixels_days: images of a series, after it is done, skipped or failed.
        results_days: its results; none stands for good.
    """

    pixels_days: float = limited(_NOT_NEGATIVE, 7.0)
    results_days: float | None = limited(_NOT_NEGATIVE, None)


@dataclass(frozen=True)
class Configuration:
    """All of it. `folder` is the node's own; the queue, the images and the results lie there."""

    folder: Path
    dicom: Receiving = Receiving()
    peers: tuple[Peer, ...] = (Peer(),)
    targets: tuple[Target, ...] = ()
    rules: Rules = Rules()
    analysis: Analysis = field(default_factory=Analysis)
    page: Page = Page()
    keep: Keeping = Keeping()

    def __post_init__(self) -> None:
        names = [target.name for target in self.targets]
        if len(set(names)) < len(names):
            raise ValueError("two targets have the same name")
        if not self.peers:
            raise ValueError("peers is empty, so nobody may send; leave it out for this machine alone")

    @property
    def run_options(self) -> RunOptions:
        """What an analysis is asked for. Raises UsageError."""
        return RunOptions.from_dict(self.analysis.options)


def read_configuration(path: Path) -> Configuration:
    """The configuration in a file; files named in it are found relative to its folder. Raises UsageError."""
    section = Section(path)
    configuration = section.fill(Configuration, read_toml(path))
    try:
        _ = configuration.run_options
    except UsageError as error:
        raise section.wrong(f"[analysis.options] {error}") from error
    for place, file in _files(configuration):
        try:
            with open(file, "rb") as stream:
                stream.read(1)
        except OSError as error:
            raise section.wrong(f"{place}: {file} cannot be read: {error.strerror or error}.") from error
    return configuration


def read_token(path: Path) -> str:
    """The secret in a file. Raises UsageError where it is too short to be one."""
    token = path.read_text(encoding="utf-8", errors="replace").strip()
    if len(token) < 16 or not token.isascii() or not token.isprintable():
        raise UsageError(
            f"{path} must hold a token of at least 16 printable characters; 'openssl rand -hex 32' makes a good one."
        )
    return token


def _files(configuration: Configuration) -> list[tuple[str, Path]]:
    """Every file that the configuration names, and where it does."""
    holders: list[tuple[str, object]] = [("[page]", configuration.page), ("[dicom.tls]", configuration.dicom.tls)]
    for target in configuration.targets:
        holders += [(f"target {target.name}", target), (f"target {target.name}, tls", target.tls)]
    names = ("certificate", "key", "authorities", "token_file", "viewer")
    found = [(f"{place} {name}", getattr(holder, name, None)) for place, holder in holders for name in names]
    return [(place, file) for place, file in found if file is not None]
