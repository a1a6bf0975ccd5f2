"""What is asked of the analysis on two cores, and whether what was measured reaches it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from peer import KERAS, PLAIN, UNET_2D

SCAN, MINUTE_S = "command, .nii.gz to all results", 60
CLASSIFIED = "all slices classified"
Figures = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Asked:
    """One line: what it is, how it is found in the medians, the bound, and whether it is the least or the most."""

    what: str
    figure: Callable[[Figures], float]
    bound: float
    unit: str
    at_least: bool = False


def targets(vnni: bool, slices: int, long: int, batch: int, threads: int) -> list[Asked]:
    """The lines for a scan of so many slices, a long one, a batch of so many scans and the networks' threads."""

    def faster(engine: str) -> Callable[[Figures], float]:
        return lambda all_: 1 / all_[f"network slice, {threads} threads", f"ours / {engine}"]

    def scan_faster(all_: Figures) -> float:
        """Than Keras on every slice, though our network sees only those with liver; the others are 0 by rule."""
        keras_ms = all_[f"network slice, {threads} threads", f"{KERAS} per slice"]
        return keras_ms / 1000 * slices / all_[CLASSIFIED, "liver known"]

    name = f"{slices} slices, .nii.gz to everything written, {'with' if vnni else 'without'} VNNI"
    several, longest, cold = f"batch of {batch}", f"command, {long} slices", "cold start to one slice's probability"
    return [
        Asked(
            name,
            lambda all_: all_[SCAN, "wall_s"],
            2.2 if vnni else 4.5,
            "s",
        ),
        Asked("the same, computing", lambda all_: all_[SCAN, "cpu_s"], 3.2, "s"),
        Asked("the same, first stage told", lambda all_: all_[SCAN, "first_word_s"], 0.5, "s"),
        Asked("the same, memory of all processes", lambda all_: all_[SCAN, "tree_peak_mb"], 350, "MB"),
        Asked(
            "the same, share of the networks",
            lambda all_: all_[SCAN, "share in the networks"],
            40,
            "%",
            True,
        ),
        Asked(f"{long} slices", lambda all_: all_[longest, "wall_s"], 9, "s"),
        Asked(f"{long} slices, memory", lambda all_: all_[longest, "tree_peak_mb"], 900, "MB"),
        Asked(
            f"a slice of {long} against one of {slices}",
            lambda all_: all_[longest, "cpu_s"] / long / (all_[SCAN, "cpu_s"] / slices),
            1,
            "times",
        ),
        Asked(several, lambda all_: all_[several, "scans a minute"], 30, "scans a minute", True),
        Asked(
            f"{several}, by computing",
            lambda all_: batch * MINUTE_S * threads / all_[several, "cpu_s"],
            30,
            "scans a minute",
            True,
        ),
        Asked(f"a scan's slices classified, liver known, against {KERAS}", scan_faster, 40, "times", True),
        Asked(f"a slice with liver against {KERAS}", faster(KERAS), 40, "times", True),
        Asked(f"classified slices against {PLAIN}", faster(PLAIN), 10, "times", True),
        Asked(
            f"whole command against the {UNET_2D} network alone",
            lambda all_: 1 / all_[f"command / {UNET_2D} on {slices} slices", "wall_s, ours / peer"],
            55,
            "times",
            True,
        ),
        Asked(cold, lambda all_: all_[cold, "wall_s"], 1.0, "s"),
    ]


def table(asked: list[Asked], rows: list[dict]) -> str:
    """The lines as Markdown; what was not measured, for want of a package or because it was not asked for, says so."""
    figures = {(row["what"], row["measure"]): row["median"] for row in rows}
    lines = ["| what | measured | asked | reached |", "| --- | --- | --- | --- |"]
    for each in asked:
        bound = f"{'≥' if each.at_least else '≤'} {each.bound:g} {each.unit}"
        try:
            value = each.figure(figures)
        except KeyError:
            lines.append(f"| {each.what} | not measured | {bound} | |")
            continue
        reached = value >= each.bound if each.at_least else value <= each.bound
        lines.append(f"| {each.what} | {value:.3g} {each.unit} | {bound} | {'yes' if reached else 'no'} |")
    return "\n".join(lines) + "\n"
