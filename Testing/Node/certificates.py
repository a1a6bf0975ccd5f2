"""Certificates for peers on this machine, made by openssl."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """Files in PEM: a certificate for 127.0.0.1, its key, and the certificate of who has signed it."""

    certificate: Path
    key: Path
    authority: Path

    @property
    def settings(self) -> dict[str, str]:
        """As a node's configuration has them."""
        return {"certificate": str(self.certificate), "key": str(self.key), "authorities": str(self.authority)}

    @property
    def target(self) -> str:
        """The lines that follow those of a target that speaks TLS."""
        return "[targets.tls]\n" + "".join(f"{name} = {json.dumps(file)}\n" for name, file in self.settings.items())

    @property
    def dcmtk(self) -> list[str]:
        """Options of DCMTK's programs."""
        return ["+tls", str(self.key), str(self.certificate), "+cf", str(self.authority)]


def make_certificates(folder: Path, *names: str) -> list[Certificate]:
    """Certificates by an authority of their own, all in a new folder."""
    folder.mkdir()
    authority, key = folder / "authority.pem", folder / "authority-key.pem"
    ca = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority"
    _openssl(*ca.split(), "-keyout", key, "-out", authority)
    made = []
    for name in names:
        each = Certificate(folder / f"{name}.pem", folder / f"{name}-key.pem", authority)
        (folder / "san").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        wish = folder / f"{name}.csr"
        _openssl(*f"req -newkey rsa:2048 -nodes -subj /CN={name}".split(), "-keyout", each.key, "-out", wish)
        signed = ["-CA", authority, "-CAkey", key, "-CAcreateserial", "-extfile", folder / "san"]
        _openssl("x509", "-req", "-days", "2", "-in", wish, "-out", each.certificate, *signed)
        made.append(each)
    return made


def _openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
