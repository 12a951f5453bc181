"""The command that compares two recordings."""

import json
from pathlib import Path

import click

from ..dynamics.errors import DynError
from .options import JSON
from .streams import echo, echo_lines
from .terminal import EXIT_USAGE, complain


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@JSON
@click.option("--exhaustive", is_flag=True, help="Read every row; say how the distance grows, and which jumps match.")
def diff(a: Path, b: Path, as_json: bool, exhaustive: bool) -> int:
    """Say where two recordings part: the first step whose parameters differ, in which, by how much, and what else does.

    Numbers are compared by their bits. The first row is sought by halves, which takes it that what parted stays parted.
    Exit code: 0 where they are equal, 1 where not, 2 in trouble.
    """
    from ..recorders.checkpoints.compare import diff as compare

    try:
        parting = compare(a, b, exhaustive=exhaustive)
        told = json.dumps(parting.as_dict(), indent=2) if as_json else str(parting)
    except (DynError, OSError) as error:
        # As of any diff: 1 is for files that differ.
        complain(error, EXIT_USAGE)
    if as_json:
        echo(told)
    else:
        echo_lines(told)
    return 0 if parting.is_equal else 1
