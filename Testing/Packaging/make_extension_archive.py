"""Make the archives of the extension that Slicer's Extensions Manager takes by "Install from file".

    python Testing/Packaging/make_extension_archive.py --out dist

writes one archive each for Linux, Windows and macOS. What lies in them is what CMake would install (the lists of the
CMakeLists.txt files, nothing else), at the places and under the names that Slicer's SlicerExtensionCPack.cmake gives,
so that Slicer takes them for archives of its own build system. CPack would add byte code (.pyc); Python makes that
itself. The same commit gives the same bytes.

One archive for Linux and one for Windows serve a whole minor version of Slicer (5.12.0, 5.12.1, ...). On macOS the
place inside the archive carries Slicer's revision, so each release there needs its own: --release.
"""

from __future__ import annotations

import argparse
import gzip
import io
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from read_extension import ROOT, Extension, catalog_entry, read_extension

# Slicer's revision is the number of commits of a release's tag plus an offset, see Slicer_WC_COMMIT_COUNT_OFFSET in its
# CMakeLists.txt.
REVISIONS = {"5.12.0": 34621, "5.12.1": 34624, "5.12.2": 34625, "5.12.3": 34627}
SYSTEMS = {"linux": ".tar.gz", "win": ".zip", "macosx": ".tar.gz"}


@dataclass(frozen=True)
class Commit:
    """The commit that the archive is made from: its short hash, and its time in seconds since 1970."""

    hash: str
    time: int


def read_commit(root: Path = ROOT) -> Commit:
    """The checked-out commit. Raises RuntimeError where there is none."""
    try:
        shown = subprocess.run(
            ["git", "-C", str(root), "show", "-s", "--abbrev=7", "--format=%h %ct"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise RuntimeError(f"{root} is not a git checkout; the archive carries the commit it was made from.") from error
    name, seconds = shown.stdout.split()
    return Commit(name, int(seconds))


def archive_name(extension: Extension, commit: Commit, revision: int, system: str) -> str:
    """Name of the archive, and of the folder that all of it lies in, as CPack gives it."""
    date = time.strftime("%Y-%m-%d", time.gmtime(commit.time))
    return f"{revision}-{system}-amd64-{extension.name}-git{commit.hash}-{date}"


def description(extension: Extension, commit: Commit) -> str:
    """The .s4ext file, from which the Extensions Manager learns the extension's name and what is said of it."""
    entry = catalog_entry()
    fields = {
        "scm": "git",
        "scmurl": entry["scm_url"],
        "scmrevision": commit.hash,
        "build_subdirectory": entry["build_subdirectory"],
        "tier": entry["tier"],
        "recommends": "NA",
        "enabled": 1,
        **extension.metadata,
    }
    return "".join(f"{key} {value}\n" for key, value in fields.items())


def archive_files(extension: Extension, commit: Commit, release: str, revision: int, system: str) -> dict[str, bytes]:
    """All files of the archive, by their path inside its one folder."""
    minor = ".".join(release.split(".")[:2])
    top = f"Slicer.app/Contents/Extensions-{revision}/{extension.name}/" if system == "macosx" else ""
    files = {
        f"{top}lib/Slicer-{minor}/qt-scripted-modules/{place}": path.read_bytes()
        for place, path in extension.files.items()
    }
    files[f"{top}share/Slicer-{minor}/{extension.name}.s4ext"] = description(extension, commit).encode()
    return dict(sorted(files.items()))


def write_archive(out: Path, extension: Extension, commit: Commit, release: str, revision: int, system: str) -> Path:
    """Write the archive for one system into the folder `out` and return its path.

    Args:
        release: of Slicer, as in "5.12.3".
        revision: of that release.
        system: a key of SYSTEMS.
    """
    name = archive_name(extension, commit, revision, system)
    files = {
        f"{name}/{path}": data for path, data in archive_files(extension, commit, release, revision, system).items()
    }
    data = (_zip if SYSTEMS[system] == ".zip" else _tar_gz)(files, commit.time)
    out.mkdir(parents=True, exist_ok=True)
    path = out / (name + SYSTEMS[system])
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    return part.replace(path)


def _tar_gz(files: dict[str, bytes], seconds: int) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile("", "wb", 6, buffer, seconds) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)  # of user 0, readable by all
            member.size, member.mtime = len(data), seconds
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _zip(files: dict[str, bytes], seconds: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            member = zipfile.ZipInfo(name, time.gmtime(seconds)[:6])
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o100644 << 16
            archive.writestr(member, data)
    return buffer.getvalue()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--out", type=Path, default=Path("dist"), metavar="DIR", help="folder for the archives (default: dist)"
    )
    parser.add_argument("--release", default="5.12.3", metavar="X.Y.Z", help="release of Slicer (default: 5.12.3)")
    parser.add_argument(
        "--revision",
        type=int,
        help="revision of that release, which its About dialog tells; known for " + ", ".join(REVISIONS),
    )
    parser.add_argument(
        "--os", nargs="+", choices=SYSTEMS, default=list(SYSTEMS), help="for which systems (default: all)"
    )
    options = parser.parse_args(arguments)
    revision = options.revision or REVISIONS.get(options.release)
    if revision is None:
        parser.error(
            f"the revision of Slicer {options.release} is not known here; say it with --revision (Slicer: Help > About)"
        )
    try:
        extension, commit = read_extension(), read_commit()
        for system in options.os:
            print(write_archive(options.out, extension, commit, options.release, revision, system))
    except (RuntimeError, OSError) as error:
        print(f"make_extension_archive.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
