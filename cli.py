"""The command ``dyn``: parse, one library call, print. Whatever is heavy is imported inside the commands."""

import json
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click

from .dynamics.errors import DynError, SettingError, unknown_name

FIGURE_KINDS = ("levels",)

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


class OneLineErrors(click.Group):
    """A command group that says what is wrong in one line on stderr, and maps errors to exit codes."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run the command line and exit."""
        extra["standalone_mode"] = False
        try:
            result = super().main(*args, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            sys.exit(EXIT_USAGE)
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else "dyn"
            _complain(f"{error.format_message().rstrip('.')}; see {command} --help", EXIT_USAGE)
        except SettingError as error:
            _complain(error, EXIT_USAGE)
        except (click.ClickException, DynError, OSError) as error:
            _complain(error, EXIT_FAILED)
        except (click.Abort, KeyboardInterrupt):
            _complain("interrupted", EXIT_INTERRUPTED)
        except (MemoryError, RuntimeError) as error:
            # torch has no error of its own for this.
            if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
                raise
            _complain("there is not enough memory for these settings; make the model or the batch smaller", EXIT_FAILED)
        # Asked for --help or --version, click hands back the exit code instead of raising.
        sys.exit(result if isinstance(result, int) else 0)


def _complain(error: BaseException | str, code: int) -> NoReturn:
    message = error.format_message() if isinstance(error, click.ClickException) else str(error)
    click.echo(f"dyn: {' '.join(message.split())}", err=True)
    sys.exit(code)


class Size(click.ParamType):
    """A frame size such as 1280x720."""

    name = "WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Read the two numbers."""
        width, cross, height = str(value).lower().partition("x")
        if not (cross and width.isdecimal() and height.isdecimal()):
            self.fail(f"{value!r} is not a size; write WIDTHxHEIGHT, such as 1280x720", param, ctx)
        return int(width), int(height)


def _complete_experiment(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from .dynamics.experiments import EXPERIMENTS

    return [name for name in EXPERIMENTS if name.startswith(incomplete)]


_RECORDING = click.argument("file", type=click.Path(path_type=Path))
_FORCE = click.option("--force", is_flag=True, help="Replace an existing output.")
_INSTANCE = click.option("--instance", type=int, metavar="K", help="Which member of an ensemble [default: 0].")
_PARAMETER = click.option("--parameter", metavar="NAME", help="Whose features [default: the first that has any].")


@click.group("dyn", cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="learning-dynamics", prog_name="dyn", message="%(prog)s %(version)s")
def main() -> None:
    """Watch neural networks learn: record a training at every step, and see what happened."""


@main.command()
@click.argument("experiment", shell_complete=_complete_experiment)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The recording [default: EXPERIMENT.h5].")
@click.option("--steps", help="How many optimizer steps; short for --set steps=N.", metavar="N")
@click.option("--seed", help="Seed of the weights and the data; short for --set seed=N.", metavar="N")
@click.option("--device", help="Where to train, such as cpu or cuda; short for --set device=D.", metavar="D")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Change a setting; may be repeated.")
@click.option("--every", type=click.IntRange(min=1), default=1, metavar="N", help="Record every N-th step only.")
@click.option("--select", multiple=True, metavar="GLOB", help="Record these parameters only; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Say what the recording would take, and stop.")
@_FORCE
def record(
    experiment: str,
    output: Path | None,
    assignments: tuple[str, ...],
    every: int,
    select: tuple[str, ...],
    dry_run: bool,
    force: bool,
    **shortcuts: str | None,
) -> None:
    """Train an EXPERIMENT of the catalogue and record it; `dyn experiments` lists them."""
    from .dynamics.experiments import find_experiment
    from .dynamics.settings import parse_settings

    entry = find_experiment(experiment)
    shorthand = [f"{key}={value}" for key, value in shortcuts.items() if value is not None]
    entry = entry.with_settings(**parse_settings(entry, (*assignments, *shorthand)))
    path = output or Path(f"{entry.name}.h5")

    from .recorders.experiment import price, record_experiment
    from .recorders.creation import check_path

    if not dry_run:
        check_path(path, overwrite=force)
    options: dict[str, Any] = {"every": every, "select": list(select) or None}
    cost = price(entry, path, **options)
    click.echo(f"{path}: {cost}", err=True)
    if dry_run:
        return
    record_experiment(entry, path, **options, overwrite=force, progress=_progress("recording", "step"))
    click.echo(path)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def info(file: Path, as_json: bool) -> None:
    """Say what a recording holds."""
    from .recorders.recording import open_recording
    from .recorders.summary import summarize

    with open_recording(file) as recording:
        summary = summarize(recording)
    click.echo(json.dumps(summary.as_dict(), indent=2) if as_json else str(summary))


@main.command()
@_RECORDING
@click.argument("kind", required=False, metavar=f"[{'|'.join(FIGURE_KINDS)}]")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="png, svg or pdf [default: FILE-KIND.png].")
@click.option("--log-steps", is_flag=True, help="Draw the steps on a logarithmic axis.")
@_PARAMETER
@_INSTANCE
@_FORCE
def plot(file: Path, kind: str | None, output: Path | None, force: bool, **options: Any) -> None:
    """Draw a figure of a recording."""
    kind = kind or FIGURE_KINDS[0]
    if kind not in FIGURE_KINDS:
        raise unknown_name("kind of figure", kind, FIGURE_KINDS)

    from .recorders.recording import open_recording
    from .viz.levels import plot_levels
    from .viz.output import FIGURE_SUFFIXES, check_output, save_figure

    path = check_output(output or Path(f"{file.stem}-{kind}.png"), FIGURE_SUFFIXES, overwrite=force)
    with open_recording(file) as recording:
        figure = plot_levels(recording, **options)
    click.echo(save_figure(figure, path, overwrite=force))


@main.command()
@_RECORDING
@click.option("-o", "--output", type=click.Path(path_type=Path), help="mp4 or gif [default: FILE.gif].")
@click.option("--fps", type=int, default=30, show_default=True, help="Frames per second.")
@click.option("--seconds", type=float, default=12.0, show_default=True, help="How long the movie lasts.")
@click.option("--size", type=Size(), default="1280x720", show_default=True, help="Width and height in pixels.")
@_PARAMETER
@_INSTANCE
@_FORCE
def animate(file: Path, output: Path | None, force: bool, **options: Any) -> None:
    """Draw a recording as a moving polyhedron, with dimensionality and loss beside it."""
    from .recorders.recording import open_recording
    from .viz.animation import animate as write_animation

    path = output or Path(f"{file.stem}.gif")
    with open_recording(file) as recording:
        write_animation(recording, path, **options, overwrite=force, progress=_progress("drawing", "frame"))
    click.echo(path)


def _progress(what: str, unit: str) -> Callable[[Iterable[Any]], Iterable[Any]]:
    """Return a progress bar that shows on a terminal and nowhere else."""
    from tqdm import tqdm

    return partial(tqdm, desc=what, unit=unit, disable=None, leave=False)
