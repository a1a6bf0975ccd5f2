"""A model bundle: a folder with manifest.json, model.tflite, perhaps model.onnx, and card.md. Nothing in it is ever
executed."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from ..atomic import atomic_path
from ..errors import ModelError
from ..files import read_json
from .manifest import SCHEMA, Manifest

MANIFEST = "manifest.json"
MODEL = "model.tflite"
ONNX = "model.onnx"  # its twin, for where LiteRT does not exist; a bundle may lack it
CARD = "card.md"


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk, its manifest read; `verify` before its weights are used."""

    folder: Path
    manifest: Manifest

    @property
    def id(self) -> str:
        return self.manifest.id

    @property
    def title(self) -> str:
        return self.manifest.title

    @property
    def card(self) -> str:
        """The model card, Markdown; empty where the bundle has none."""
        path = self.folder / CARD
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    @property
    def model(self) -> Path:
        return self.folder / MODEL

    def describe(self) -> dict[str, str]:
        """What a result says of the model it came from."""
        sha256 = self.manifest.files[MODEL]["sha256"]
        return {"id": self.id, "task": self.manifest.task, "version": self.manifest.version, "sha256": sha256}

    def verify(self) -> None:
        """Raises ModelError where a file is missing or is not the one the manifest names."""
        for name, entry in self.manifest.files.items():
            path = self.folder / name
            if not path.is_file():
                raise ModelError(f"Model '{self.id}' in {self.folder} lacks its file {name}; install the model again.")
            if path.stat().st_size != entry.get("bytes", path.stat().st_size) or _sha256(path) != entry["sha256"]:
                raise ModelError(
                    f"Model '{self.id}': {path} is damaged (its size or checksum is not the manifest's); install the "
                    "model again."
                )


def _sha256(path: Path) -> str:
    import hashlib

    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_bundle(folder: str | Path) -> Bundle:
    """Read a bundle's manifest.

    Raises:
        ModelError: no bundle there, an unreadable manifest, or one of a newer schema.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    try:
        data = read_json(path)
    except FileNotFoundError:
        raise ModelError(f"{folder} is not a model bundle: it has no {MANIFEST}.") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({error}); install the model again.") from error
    if not isinstance(data, dict) or type(data.get("schema")) is not int:
        raise ModelError(f"{path} is not a model manifest; install the model again.")
    if data["schema"] > SCHEMA:
        raise ModelError(
            f"{path} has schema {data['schema']}, newer than this software knows ({SCHEMA}); update LiverTumor."
        )
    try:
        manifest = Manifest.from_dict(data)
        manifest.files[MODEL]["sha256"]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is not a valid model manifest ({error}); install the model again.") from error
    return Bundle(folder, manifest)


def write_bundle(folder: Path, manifest: Manifest, files: dict[str, bytes]) -> Bundle:
    """Write a bundle: `files` by name (weights and card); sizes and checksums of the weights go into the manifest.

    Raises:
        OutputError: the folder cannot be written.
    """
    import hashlib

    entries = {
        name: {**manifest.files.get(name, {}), "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in files.items()
        if name != CARD
    }
    manifest = replace(manifest, files=entries)
    text = json.dumps(manifest.to_dict(), indent=1, ensure_ascii=False) + "\n"
    # The manifest last: it names nothing that is not there.
    for name, content in {**files, MANIFEST: text.encode()}.items():
        with atomic_path(folder / name) as path:
            path.write_bytes(content)
    return Bundle(folder, manifest)
