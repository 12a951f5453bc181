"""The command that says whose motion brought a change of the loss."""

import json
from pathlib import Path
from typing import Any

import click

from .options import INSTANCE, JSON, PARAMETER, RECORDING
from .streams import echo, echo_lines
from .terminal import advise, progress


@click.command()
@RECORDING
@click.option("--from", "start", type=int, metavar="K", help="The step that the change begins at [default: the first].")
@click.option("--to", "end", type=int, metavar="K", help="The step that it ends at [default: the last].")
@PARAMETER
@INSTANCE
@JSON
def attribute(file: Path, start: int | None, end: int | None, as_json: bool, **options: Any) -> None:
    """Say whose motion brought the change of the loss between two steps.

    By default over each jump, and over the whole run. It is known of the catalogue's models of features, and, to first
    order, of what was recorded with attach(gradients="allocation"). A share below 0 lowered the loss.
    """
    from ..recorders.reading.recording import open_recording
    from ..recorders.stories.attribution import attribute as share_out
    from ..recorders.stories.payers import attribute_run

    with open_recording(file) as recording:
        advise(recording)
        if start is None and end is None:
            rows = attribute_run(recording, **options, progress=progress("sharing out", "stretch"))
            document: Any = [row.as_dict() for row in rows]
        else:
            rows = [share_out(recording, start, end, **options)]
            document = rows[0].as_dict()
    if as_json:
        echo(json.dumps(document, indent=2))
    else:
        echo_lines("\n".join(map(str, rows)))
