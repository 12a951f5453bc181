"""The command that says how many parameters the loss sees where a training rests."""

import json
from pathlib import Path
from typing import Any

import click

from .options import INSTANCE, JSON, RECORDING
from .streams import echo


@click.command()
@RECORDING
@click.option("--steps", metavar="K,...", help="Which steps to look at [default: the middle of each plateau].")
@click.option("--at", default="critical", metavar="critical|row", show_default=True, help="Where to measure.")
@INSTANCE
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the draws.")
@JSON
def llc(file: Path, steps: str | None, as_json: bool, **options: Any) -> None:
    """Say the local learning coefficient of the loss where a training rests, or why there is none.

    Half the number of parameters that the loss sees at a minimum. At a saddle, on a slope, or where the draws cannot be
    trusted there is no number, but the reason.
    """
    from ..recorders.reading.recording import open_recording
    from ..recorders.stories.coefficients import llc as measure
    from ..recorders.stories.plateaus import parse_steps

    with open_recording(file) as recording:
        rows = measure(recording, None if steps is None else parse_steps(steps), **options)
    echo(json.dumps([row.as_dict() for row in rows], indent=2) if as_json else "\n".join(map(str, rows)))
