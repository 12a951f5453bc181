"""The command that asks functions of the model afterwards."""

import json
import math
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import JSON, RECORDING
from .streams import echo
from .terminal import progress, say_warnings

if TYPE_CHECKING:
    import numpy as np


@click.command()
@RECORDING
@click.argument("functions", nargs=-1, required=True, metavar="SCRIPT.py:FUNCTION...")
@click.option("--steps", metavar="K,...", help="Which steps to ask about [default: all that have a row].")
@click.option("--save", is_flag=True, help="Put the answers into FILE, as scalars and probes.")
@click.option("--force", is_flag=True, help="With --save: replace what was evaluated earlier.")
@JSON
def evaluate(file: Path, functions: tuple[str, ...], steps: str | None, save: bool, force: bool, as_json: bool) -> None:
    """Ask functions of the model, FUNCTION(model) -> number or tensor, at every row of a recording.

    The model is what SCRIPT.py calls model, or what its build_model() returns; that of an experiment of the catalogue
    is built without. The script is imported, so its training belongs under `if __name__ == "__main__"`.
    """
    from ..recorders.checkpoints.evaluate import evaluate as ask
    from ..recorders.checkpoints.functions import find_functions, find_model
    from ..recorders.reading.recording import open_recording
    from ..recorders.stories.plateaus import parse_steps

    if force and not save:
        raise click.UsageError("--force replaces what is saved, and nothing is without --save; add it")
    # stdout has the answers, whatever the script prints.
    with open_recording(file) as recording, redirect_stdout(sys.stderr):
        asked = None if steps is None else parse_steps(steps)
        found, modules = find_functions(functions)
        model = find_model(recording, modules)
        with say_warnings():
            answers = ask(
                recording,
                model,
                found,
                steps=asked,
                save="replace" if force else save,
                progress=progress("evaluating", "row"),
            )
        at = recording.step[:].tolist() if asked is None else asked
    if as_json:
        echo(json.dumps({"step": at, **{name: _as_json(values) for name, values in answers.items()}}))
    else:
        for name, values in answers.items():
            echo(_line(name, values, at))


def _line(name: str, values: "np.ndarray", steps: list[int]) -> str:
    """Say how a number began, how it ended and its extremes, or how large a tensor is."""
    if values.ndim > 1:
        return f"{name}: {' × '.join(map(str, values.shape[1:]))} at each of {len(steps):,} steps"
    first, last = (f"{float(values[k]):.6g} at step {steps[k]:,}" for k in (0, -1))
    if len(steps) == 1:
        return f"{name}: {first}"
    finite = {k: float(value) for k, value in enumerate(values) if math.isfinite(value)}
    if not finite:
        return f"{name}: not finite at any of {len(steps):,} steps"
    low, high = min(finite, key=finite.__getitem__), max(finite, key=finite.__getitem__)
    extremes = (f"{word} {finite[k]:.6g} at {steps[k]:,}" for word, k in (("least", low), ("most", high)))
    return f"{name}: {first}, {last}; {', '.join(extremes)}"


def _as_json(values: "np.ndarray") -> Any:
    """Return values as JSON can hold them, null where they are not finite, complex ones as pairs."""
    import numpy as np

    if np.iscomplexobj(values):
        values = np.stack([np.real(values), np.imag(values)], axis=-1)
    if values.ndim > 1:
        return [_as_json(each) for each in values]
    return [float(each) if math.isfinite(each) else None for each in values]
