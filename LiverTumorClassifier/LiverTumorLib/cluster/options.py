"""The options of every command whose work a cluster can do."""

from __future__ import annotations

import argparse

from ..errors import UsageError
from .connection import ClusterSettings
from .requirements import require_dask


def add_cluster_options(parser: argparse.ArgumentParser, unit: str, more: str = "") -> None:
    """Have several processes or computers do the work, of which one `unit` is a task; `more` ends --cluster's help."""
    group = parser.add_argument_group("cluster", "needs pip install 'livertumor[cluster]'; see Docs/cluster.md")
    group.add_argument(
        "--cluster",
        metavar="WHERE",
        help=f"work with Dask: 'local' (processes of this computer), 'slurm', or a scheduler's address{more}",
    )
    group.add_argument(
        "--workers", type=int, metavar="N", help=f"how many {unit}s at a time (default: one for each CPU; slurm: 1)"
    )
    group.add_argument("--worker-memory", metavar="SIZE", help=f"what the work on one {unit} may use, such as 4GiB")


def cluster_settings(arguments: argparse.Namespace) -> ClusterSettings | None:
    """Who works; None where there is no cluster. Raises UsageError, and RequirementError where Dask is missing."""
    if arguments.cluster is not None:
        require_dask()
        return ClusterSettings(arguments.cluster, arguments.workers, arguments.worker_memory)
    if arguments.workers is not None or arguments.worker_memory is not None:
        raise UsageError("--workers and --worker-memory go with --cluster; add --cluster local, for one.")
    return None
