"""`livertumor compress CONFIG`: from labeled CT to a compressed, measured model, in one go."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..stages.options import CONFIG_HELP, add_events_option, add_start_option
from .commands import STAGES


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "compress",
        help="train, prune, quantize, export and measure a model, in one go",
        description=f"Take a network through all stages that a configuration names, of these: {', '.join(STAGES)}. "
        "Figures are of the val patients. Everything is written to the folder --out: models, logs, settings, versions, "
        "checksums of the data. The same command again continues where it was stopped and leaves out the stages whose "
        "settings and data are the same. Shipped configurations are paper, fast, best and small. Needs TensorFlow: pip "
        "install '.[train]'.",
    )
    config = (
        "workflow configuration: a TOML file (its path has a separator or ends in .toml), or the name of a shipped one"
    )
    parser.add_argument("config", metavar="CONFIG", help=config)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with the labeled CT")
    parser.add_argument(
        "--split", type=Path, metavar="FILE", help="frozen split (JSON) (default: one is made first, as 'prepare' does)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the whole workflow")
    cache = "folder of prepared network slices, which several workflows may share (default: OUT/cache)"
    parser.add_argument("--cache", type=Path, metavar="DIR", help=cache)
    parser.add_argument("--network", metavar="CONFIG", help=f"{CONFIG_HELP}, in place of CONFIG's")
    parser.add_argument(
        "--imagenet", type=Path, metavar="FILE", help="ImageNet weights of MobileNetV2 (.npz) to start from"
    )
    add_start_option(parser, "; 'none' for random weights where CONFIG names others")
    until = (
        "stop after this stage, for example 'prepare' to look at the data first; the same command without it continues"
    )
    parser.add_argument("--until", metavar="STAGE", help=until)
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything and say what would be done and how long it would take"
    )
    parser.add_argument(
        "--measure", action="store_true", help="with --dry-run: measure a few training steps on this machine for that"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace what is there from other settings, instead of stopping there"
    )
    add_events_option(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> None:
    """Check all, print the plan, run it.

    Raises:
        LiverTumorError: of the kind that says what is wrong before the start, or with which a stage ended.
    """
    from LiverTumorLib.errors import OutputError, UsageError
    from LiverTumorLib.models.bundle import load_bundle

    from ..export.card import answers_alike
    from ..progress import reporting
    from .config import load_workflow
    from .folder import bundle_of
    from .run import compress, require_unchanged, workflow_status

    if arguments.measure and not arguments.dry_run:
        raise UsageError("--measure is for --dry-run; leave it out, or add --dry-run.")
    files = {name: path.resolve() for name in ("imagenet", "start") if (path := getattr(arguments, name))}
    workflow = load_workflow(arguments.config, arguments.network, files)
    out = arguments.out
    if arguments.dry_run:
        status = workflow_status(
            workflow, arguments.data, arguments.split, out, arguments.cache or out / "cache", arguments.until
        )
        print("\n".join(_plan(status, arguments.measure)))
        if arguments.split is None:
            print(
                "The data themselves have not been looked at; 'livertumor prepare' does that, and so does the first "
                "stage."
            )
        if not arguments.overwrite:
            try:
                require_unchanged(status)
            except OutputError as error:
                print(f"Without --overwrite it would end here: {error}")
        return
    with reporting(arguments.events, out) as report:
        status = workflow_status(
            workflow, arguments.data, arguments.split, out, arguments.cache or out / "cache", arguments.until
        )
        if not arguments.overwrite:
            require_unchanged(status)
        lines = _plan(status)
        print("\n".join(lines), flush=True)
        if arguments.events:
            report("plan", 0.0, lines[-1], None)
        compress(status, f"livertumor compress {workflow.path.name}", report)
    if (bundle := bundle_of(out)) and (same := answers_alike(load_bundle(bundle).manifest)):
        print(same)
    print(f"Everything is in {out}.")


def _plan(status, measure: bool = False) -> list[str]:
    """A line for each stage: what is to be done, how long it will take, and how that is known."""
    from LiverTumorLib.jobs.remaining import duration

    from .estimate import estimates

    known = estimates(status.stages, status.out, _measured(status) if measure else None)
    width = max(len(stage.name) for stage in status.stages)
    lines = []
    for stage in status.stages:
        standing, estimate = status.standings[stage.name], known[stage.name]
        if standing.what == "done":
            lines.append(f"{stage.name:<{width}}  done")
            continue
        if stage not in status.to_do:
            lines.append(f"{stage.name:<{width}}  later")
            continue
        what = "to continue" if standing.what == "stopped" and stage.resumes else "to do"
        why = f" again, since {standing.why}" if standing.what == "changed" else ""
        lines.append(f"{stage.name:<{width}}  {what}{why} (about {duration(estimate.seconds)}, {estimate.basis})")
    for folder, name in status.left_over.items():
        lines.append(f"{name}: no longer in the configuration; {folder} is removed")
    total = sum(known[stage.name].seconds for stage in status.to_do)
    return [*lines, f"In all about {duration(total)}." if status.to_do else "Nothing is left to do."]


def _measured(status) -> dict[str, float]:
    """Seconds of one training step by stage; networks of several stages are measured once."""
    from .probe import step_seconds

    measured: list[tuple[object, float]] = []
    steps = {}
    for stage in status.to_do:
        if stage.steps:
            found = next((seconds for config, seconds in measured if config == stage.config), None)
            if found is None:
                found = step_seconds(stage.config)
                measured.append((stage.config, found))
            steps[stage.name] = found
    return steps
