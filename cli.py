"""The command ``dyn``: parse, one library call, print. Whatever is heavy is imported inside the commands."""

import json
import sys
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .commands.files import compact, export, merge, repair
from .commands.record import record
from .commands.sweep import sweep
from .commands.terminal import OneLineErrors, Size, advise, progress
from .dynamics.errors import unknown_name
from .viz.kinds import KINDS, default_kind

if TYPE_CHECKING:
    from .recorders.reading.recording import Recording

FIGURE_KINDS = tuple(KINDS)


_RECORDING = click.argument("file", type=click.Path(path_type=Path))
_FILES = click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
_FORCE = click.option("--force", is_flag=True, help="Replace an existing output.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
_INSTANCE = click.option("--instance", type=int, metavar="K", help="Which member of an ensemble [default: 0].")
_PARAMETER = click.option("--parameter", metavar="NAME", help="Whose features [default: the first that has any].")


def _drawable(file: Path, *, moving: bool = False) -> AbstractContextManager["Recording"]:
    """Open a recording, or the result of a sweep as one."""
    from .recorders.sweeps.as_recording import recording_of

    return recording_of(file, moving=moving, progress=progress("copying", "block"))


@click.group("dyn", cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="learning-dynamics", prog_name="dyn", message="%(prog)s %(version)s")
def main() -> None:
    """Watch neural networks learn: record a training at every step, and see what happened."""


for command in (record, sweep, compact, export, merge, repair):
    main.add_command(command)


@main.command()
@_JSON
def experiments(as_json: bool) -> None:
    """List the experiments of the catalogue."""
    from .dynamics.experiments import EXPERIMENTS

    if as_json:
        click.echo(json.dumps([entry.as_dict() for entry in EXPERIMENTS.values()], indent=2))
        return
    for entry in EXPERIMENTS.values():
        click.echo(f"{entry.name}\n    {entry.title}\n    {entry.source}")


@main.command()
@_RECORDING
@_JSON
def info(file: Path, as_json: bool) -> None:
    """Say what a recording or the result of a sweep holds, and what happened in it."""
    from .recorders.file.hdf5 import is_sweep
    from .recorders.reading.recording import open_recording
    from .recorders.stories.story import tell_all
    from .recorders.stories.summary import summarize
    from .recorders.sweeps.story import sweep_document, sweep_lines
    from .recorders.sweeps.sweep import Sweep

    if is_sweep(file):
        tell_sweep = sweep_document if as_json else sweep_lines
        with Sweep(file) as sweep_:
            told = tell_sweep(sweep_, progress=progress("reading", "model"))
        click.echo(json.dumps(told, indent=2) if as_json else told)
        return
    with open_recording(file) as recording:
        advise(recording)
        summary, story = summarize(recording), tell_all(recording)
    if as_json:
        click.echo(json.dumps(summary.as_dict() | {"story": story and story.as_dict()}, indent=2))
    else:
        click.echo("\n".join(str(each) for each in (summary, story) if each))


@main.command()
@_RECORDING
@_JSON
@_PARAMETER
@_INSTANCE
def jumps(file: Path, as_json: bool, **options: Any) -> None:
    """Say which features jumped between energy levels, when, from where to where, and what the loss did.

    Of the result of a sweep, say how many models jump, and when, at each of its points.
    """
    from .recorders.file.hdf5 import is_sweep
    from .recorders.reading.recording import open_recording
    from .recorders.stories.story import tell
    from .recorders.sweeps.story import tell_jumps
    from .recorders.sweeps.sweep import Sweep

    if is_sweep(file):
        with Sweep(file) as sweep_:
            told = tell_jumps(sweep_, **options, progress=progress("reading", "model"))
        click.echo(json.dumps(told.as_dict(), indent=2) if as_json else told.jump_lines)
        return
    with open_recording(file) as recording:
        advise(recording)
        story = tell(recording, **options)
    click.echo(json.dumps(story.as_dict()["jumps"], indent=2) if as_json else story.jump_lines)


@main.command()
@_RECORDING
@click.option("--steps", metavar="K,…", help="Which steps to look at [default: the middle of each plateau].")
@_JSON
@_PARAMETER
@_INSTANCE
def landscape(file: Path, steps: str | None, as_json: bool, **options: Any) -> None:
    """Say which saddle or minimum of the loss is near a plateau of a toy model, and how far."""
    from .recorders.reading.recording import open_recording
    from .recorders.stories.plateaus import parse_steps
    from .recorders.stories.saddles import landscape as look

    with open_recording(file) as recording:
        rows = look(recording, None if steps is None else parse_steps(steps), **options)
    click.echo(json.dumps([row.as_dict() for row in rows], indent=2) if as_json else "\n".join(map(str, rows)))


@main.command()
@_RECORDING
@click.option("--interval", type=float, default=1.0, show_default=True, metavar="SECONDS", help="How often to look.")
@click.option("--once", is_flag=True, help="Look once, and stop.")
def watch(file: Path, interval: float, once: bool) -> None:
    """Watch a recording while it is written: its speed, its loss, the levels of its features."""
    from .recorders.watching.watch import watch as watch_recording

    watch_recording(file, interval=interval, stream=sys.stdout, until_done=not once)


@main.command()
@_RECORDING
@click.argument("kind", required=False, metavar=f"[{'|'.join(FIGURE_KINDS)}]")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="png, svg or pdf [default: FILE-KIND.png].")
@click.option("--log-steps", is_flag=True, help="Draw the steps on a logarithmic axis.")
@_PARAMETER
@_INSTANCE
@_FORCE
def plot(file: Path, kind: str | None, output: Path | None, force: bool, **options: Any) -> None:
    """Draw a figure of a recording, by default the kind that shows best what it is about."""
    if kind is not None and kind not in FIGURE_KINDS:
        raise unknown_name("kind of figure", kind, FIGURE_KINDS)
    # The first member, 0, is an option like any other.
    given = {name: value for name, value in options.items() if value is not None and value is not False}

    from .viz.output import FIGURE_SUFFIXES, check_output, save_figure

    with _drawable(file) as recording:
        chosen = default_kind(recording, given) if kind is None else KINDS[kind]
        path = output or Path(f"{file.stem}-{chosen.name}.png")
        check_output(path, FIGURE_SUFFIXES, overwrite=force)
        advise(recording)
        figure = chosen.draw(recording, **given)
    click.echo(save_figure(figure, path, overwrite=force))


@main.command()
@_FILES
@click.option("-o", "--output", type=click.Path(path_type=Path), help="mp4, webm, gif, N-%04d.png, html [FILE.gif].")
@click.option("--fps", type=int, default=30, show_default=True, help="Frames per second.")
@click.option("--seconds", type=float, default=12.0, show_default=True, help="How long the movie lasts.")
@click.option("--size", type=Size(), default="1280x720", show_default=True, help="Width and height in pixels.")
@click.option("--clock", default="motion", show_default=True, help="What time goes by: motion, step or log.")
@click.option("--turn", type=float, default=60.0, show_default=True, help="Degrees that the camera goes around.")
@click.option("--project", default="moving", show_default=True, help="Beyond 3 dimensions: moving, pca, or I,J,K.")
@click.option("--workers", type=int, default=1, show_default=True, help="How many processes draw.")
@click.option("--instance", type=int, multiple=True, metavar="K", help="Which members of an ensemble; repeatable.")
@_PARAMETER
@_FORCE
def animate(files: tuple[Path, ...], output: Path | None, force: bool, **options: Any) -> None:
    """Draw recordings as moving polyhedra, with dimensionality and loss beside them, and what happens in words."""
    from .viz.animation import animate as write_animation

    path = output or Path(f"{files[0].stem}.gif")
    with ExitStack() as stack:
        recordings = [stack.enter_context(_drawable(file, moving=True)) for file in files]
        write_animation(recordings, path, **options, overwrite=force, progress=progress("drawing", "frame"))
    click.echo(path)


@main.command()
@_RECORDING
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The page [default: FILE.html].")
@_PARAMETER
@_INSTANCE
@_FORCE
def report(file: Path, output: Path | None, force: bool, **options: Any) -> None:
    """Write a page to share: one HTML file in which any browser, also offline, turns, plays and explains the run."""
    from .viz.page import write_page

    with _drawable(file, moving=True) as recording:
        click.echo(write_page(recording, output or Path(f"{file.stem}.html"), **options, overwrite=force))
