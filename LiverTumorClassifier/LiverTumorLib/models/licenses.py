"""Under which licenses the weights of models may be used; the code's own is another."""

from __future__ import annotations

from collections.abc import Iterable

from .bundle import Bundle


def license_lines(bundles: Iterable[Bundle]) -> list[str]:
    """A line for each license, with the models that it is for; a bundle that names none says so."""
    by_license: dict[str, list[str]] = {}
    for bundle in bundles:
        by_license.setdefault(bundle.manifest.license or "no license is given", []).append(bundle.id)
    return [f"{', '.join(ids)}: {text}" for text, ids in by_license.items()]
