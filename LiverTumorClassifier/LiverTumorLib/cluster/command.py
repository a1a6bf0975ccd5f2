"""The batch of `livertumor segment --cluster` and `classify --cluster`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

from ..batch.cases import Case, find_cases
from ..batch.display import Display
from ..batch.runner import Batch
from ..errors import UsageError
from .connection import ClusterSettings
from .places import Place, RemoteCase, is_address
from .run import ClusterBatch


def run_on_cluster(batch: Batch, settings: ClusterSettings, arguments: argparse.Namespace, display: Display) -> None:
    """Run a batch with the options of the command line. Raises what `ClusterBatch.run` and `find_cases` raise."""
    address = arguments.out.rstrip("/") if is_address(arguments.out) else None
    cases = _cases(batch, arguments.inputs, display)
    batch.say_licenses(display)
    ClusterBatch(batch, settings, address).run(cases, display)


def _cases(batch: Batch, inputs: Sequence[str], display: Display) -> list[Case | RemoteCase]:
    remote = [case for text in inputs if is_address(text) for case in Place(text).cases()]
    cases: list[Case | RemoteCase] = list(remote)
    if folders := [text for text in inputs if not is_address(text)]:
        found = find_cases(folders, exclude=batch.out, whole_folders=batch.series is not None)
        for reason in found.skipped:
            display.say(f"Skipped {reason}")
        cases += found.cases
    if not cases:
        raise UsageError(f"There is no CT at {', '.join(inputs)}.")
    taken: set[str] = set()
    for place, case in enumerate(cases):  # folders and addresses may have the same names
        name, number = case.name, 1
        while name.lower() in taken:
            number += 1
            name = f"{case.name}_{number}"
        taken.add(name.lower())
        cases[place] = replace(case, name=name)
    return cases
