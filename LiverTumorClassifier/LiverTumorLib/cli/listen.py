"""`livertumor listen`: a DICOM node beside the PACS."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import RequirementError


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "listen",
        help="receive CT from a PACS, analyze it, send the results back",
        description="A DICOM node: receives CT, analyzes what its rules choose, sends the results to other nodes, shows"
        " a page. Runs until it is stopped; whatever ends it, it goes on where it was.",
    )
    parser.add_argument("configuration", metavar="CONFIG", type=Path, help="TOML file; Docs/hospital.md explains it")
    parser.add_argument(
        "--check",
        action="store_true",
        help="check the configuration and what it needs, say whether targets answer, and end",
    )
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Check, or serve until Ctrl-C or SIGTERM, which is a good end of a service."""
    try:
        from ..node.configuration import read_configuration
        from ..node.service import Node, check
    except ModuleNotFoundError as error:
        raise RequirementError(f"A node needs {error.name}: pip install 'livertumor[files,node]'.") from error
    configuration = read_configuration(arguments.configuration.absolute())
    if arguments.check:
        for line in check(configuration):
            print(line)
        print(f"{arguments.configuration} is right.")
        return 0
    node = Node(configuration)
    try:
        node.open()
        node.serve()
    except KeyboardInterrupt:
        pass
    finally:
        node.close()
    return 0
