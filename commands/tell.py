"""The commands that say in words what a recording, or the result of a sweep, holds and what happened in it."""

import json
from pathlib import Path
from typing import Any

import click

from ..dynamics.errors import SettingError
from .options import INSTANCE, JSON, PARAMETER, PARAMETERS, RECORDING
from .streams import echo, echo_lines
from .terminal import advise, progress


@click.command()
@JSON
def experiments(as_json: bool) -> None:
    """List the experiments of the catalogue."""
    from ..dynamics.experiments import EXPERIMENTS

    if as_json:
        echo(json.dumps([entry.as_dict() for entry in EXPERIMENTS.values()], indent=2))
        return
    for entry in EXPERIMENTS.values():
        echo(f"{entry.name}\n    {entry.title}\n    {entry.source}")


@click.command()
@RECORDING
@JSON
@PARAMETERS
def info(file: Path, as_json: bool, parameter: str | None) -> None:
    """Say what a recording or the result of a sweep holds, and what happened in it.

    Of a network it says which matrices changed, when and how much, the most telling first.
    """
    from ..recorders.file.hdf5 import is_sweep
    from ..recorders.reading.recording import open_recording
    from ..recorders.stories.info import tell_info
    from ..recorders.sweeps.story import sweep_document, sweep_lines
    from ..recorders.sweeps.sweep import Sweep

    if is_sweep(file):
        if parameter is not None:
            raise SettingError(
                f"--parameter {parameter}: {file} is the result of a sweep, told as a whole; leave it out"
            )
        tell_sweep = sweep_document if as_json else sweep_lines
        with Sweep(file) as sweep_:
            told = tell_sweep(sweep_, progress=progress("reading", "model"))
        echo(json.dumps(told, indent=2) if as_json else told)
        return
    with open_recording(file) as recording:
        advise(recording)
        told = tell_info(recording, parameter, in_full=as_json)
    if as_json:
        echo(json.dumps(told.as_dict(), indent=2))
    else:
        echo_lines(str(told))


@click.command()
@RECORDING
@JSON
@PARAMETERS
@INSTANCE
@click.option("--signal", metavar="NAME", help="Search this scalar or probe, such as test_acc, instead of features.")
def jumps(file: Path, as_json: bool, signal: str | None, **options: Any) -> None:
    """Say which features jumped between energy levels, when, from where to where, and what the loss did.

    Of the result of a sweep, say how many models jump, and when, at each of its points.
    """
    if signal is not None:
        _signal_jumps(file, signal, as_json, **options)
        return
    from ..recorders.file.hdf5 import is_sweep
    from ..recorders.reading.matching import is_glob
    from ..recorders.reading.recording import open_recording
    from ..recorders.stories.info import tell_each
    from ..recorders.stories.payers import with_payers
    from ..recorders.stories.story import tell
    from ..recorders.sweeps.story import tell_jumps
    from ..recorders.sweeps.sweep import Sweep

    if is_sweep(file):
        with Sweep(file) as sweep_:
            told = tell_jumps(sweep_, **options, progress=progress("reading", "model"))
        echo(json.dumps(told.as_dict(), indent=2) if as_json else told.jump_lines)
        return
    with open_recording(file) as recording:
        advise(recording)
        pattern = options["parameter"]
        if pattern is not None and is_glob(pattern, recording.features):
            stories = tell_each(recording, **options)
            jumps_of = {name: story.as_dict()["jumps"] for name, story in stories.items()}
            lines = "\n".join(story.jump_lines for story in stories.values())
        else:
            story = with_payers(recording, tell(recording, **options))
            jumps_of, lines = story.as_dict()["jumps"], story.jump_lines
    echo(json.dumps(jumps_of, indent=2) if as_json else lines)


def _signal_jumps(file: Path, signal: str, as_json: bool, **options: Any) -> None:
    from ..recorders.reading.recording import open_recording
    from ..recorders.stories.signals import tell_signal

    for name, value in options.items():
        if value is not None:
            raise SettingError(f"--{name} {value} is about features, and --signal about what was logged; leave one out")
    with open_recording(file) as recording:
        story = tell_signal(recording, signal)
    click.echo(json.dumps(story.as_dict(), indent=2) if as_json else str(story))


@click.command()
@RECORDING
@click.option("--steps", metavar="K,...", help="Which steps to look at [default: the middle of each plateau].")
@JSON
@PARAMETER
@INSTANCE
def landscape(file: Path, steps: str | None, as_json: bool, **options: Any) -> None:
    """Say which saddle or minimum of the loss is near a plateau of a toy model, and how far."""
    from ..recorders.reading.recording import open_recording
    from ..recorders.stories.plateaus import parse_steps
    from ..recorders.stories.saddles import landscape as look

    with open_recording(file) as recording:
        rows = look(recording, None if steps is None else parse_steps(steps), **options)
    echo(json.dumps([row.as_dict() for row in rows], indent=2) if as_json else "\n".join(map(str, rows)))
