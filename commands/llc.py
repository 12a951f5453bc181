"""The command that says how many parameters the loss sees where a training rests."""

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from .options import INSTANCE, JSON, RECORDING
from .streams import echo

if TYPE_CHECKING:
    from ..dynamics.landscape.minibatches import BatchedLoss
    from ..recorders.reading.recording import Recording


@click.command()
@RECORDING
@click.option("--steps", metavar="K,...", help="Which steps to look at [default: the middle of each plateau].")
@click.option("--at", default="critical", metavar="critical|row", show_default=True, help="Where to measure.")
@INSTANCE
@click.option("--loss", "address", metavar="SCRIPT.py:FN", help="For any network: FN(model, batch), over its batches.")
@click.option("--coarse", is_flag=True, help="For many rows of a toy model: fewer draws, a rougher number.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the draws.")
@JSON
def llc(file: Path, steps: str | None, address: str | None, as_json: bool, **options: Any) -> None:
    """Say the local learning coefficient of the loss where a training rests, or why there is none.

    Half the number of parameters that the loss sees at a minimum. At a saddle, on a slope, or where the draws cannot be
    trusted there is no number, but the reason.

    Of a network that is not a toy model, give --loss: FN(model, batch) returns a loss for each example, SCRIPT.py has
    the model, or build_model(), and a list of batches. It is measured at rows, and coarsely.

    Of a census it is measured at the commonest configuration of each size, which takes up to a minute each.
    """
    from ..recorders.file.hdf5 import is_sweep

    if is_sweep(file):
        _of_census(file, {"steps": steps, "loss": address, **options}, as_json=as_json)
        return
    from ..recorders.reading.recording import open_recording
    from ..recorders.stories.coefficients import llc as measure
    from ..recorders.stories.plateaus import parse_steps

    # stdout has the numbers, whatever the script prints.
    with open_recording(file) as recording, redirect_stdout(sys.stderr):
        asked = None if steps is None else parse_steps(steps)
        rows = measure(recording, asked, loss=None if address is None else _loss_of(recording, address), **options)
    echo(json.dumps([row.as_dict() for row in rows], indent=2) if as_json else "\n".join(map(str, rows)))


def _of_census(file: Path, options: dict[str, Any], *, as_json: bool) -> None:
    """Say the coefficients of a census, each as soon as it is known, since together they take minutes."""
    from ..dynamics.errors import SettingError
    from ..recorders.stories.census_coefficients import census_coefficients
    from ..recorders.sweeps.sweep import Sweep

    seed = options.pop("seed")
    for name, value in options.items():
        if value not in (None, "critical"):
            raise SettingError(f"--{name} {value} is about rows, and {file} is the result of a sweep; leave it out")
    with Sweep(file) as sweep:
        told = []
        for each in census_coefficients(sweep, seed=seed):
            told.append(each.as_dict())
            if not as_json:
                echo(str(each))
    if as_json:
        echo(json.dumps(told, indent=2))


def _loss_of(recording: "Recording", address: str) -> "BatchedLoss":
    """Return the loss that a script has, with its model and its batches."""
    from ..dynamics.errors import SettingError
    from ..dynamics.landscape.minibatches import BatchedLoss
    from ..recorders.checkpoints.functions import find_functions, find_model

    functions, modules = find_functions((address,))
    batches = getattr(modules[0], "batches", None)
    if not isinstance(batches, list | tuple) or not batches:
        raise SettingError(
            f"{modules[0].__file__} has no batches; let it have a list of them, each as {address} takes it"
        )
    return BatchedLoss(find_model(recording, modules), cast("Any", next(iter(functions.values()))), batches)
