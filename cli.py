"""The command ``dyn``: parse, one library call, print. Whatever is heavy is imported inside the commands."""

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from .dynamics.errors import SettingError, unknown_name
from .terminal import OneLineErrors, Size, progress, reporter, say_warnings

FIGURE_KINDS = ("levels",)


def _complete_target(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from .dynamics.experiments import EXPERIMENTS

    names = [CompletionItem(name) for name in EXPERIMENTS if name.startswith(incomplete)]
    return [*names, CompletionItem(incomplete, type="file")]


_RECORDING = click.argument("file", type=click.Path(path_type=Path))
_FORCE = click.option("--force", is_flag=True, help="Replace an existing output.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
_INSTANCE = click.option("--instance", type=int, metavar="K", help="Which member of an ensemble [default: 0].")
_PARAMETER = click.option("--parameter", metavar="NAME", help="Whose features [default: the first that has any].")


@click.group("dyn", cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="learning-dynamics", prog_name="dyn", message="%(prog)s %(version)s")
def main() -> None:
    """Watch neural networks learn: record a training at every step, and see what happened."""


@main.command()
@click.argument("target", metavar="EXPERIMENT|SCRIPT.py|MODULE", shell_complete=_complete_target)
@click.argument("arguments", metavar="[-- ARGUMENTS...]", nargs=-1, type=click.UNPROCESSED)
@click.option("-m", "is_module", is_flag=True, help="Record a module, run as python -m runs it.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The recording [default: its name and .h5].")
@click.option("--steps", help="How many optimizer steps; short for --set steps=N.", metavar="N")
@click.option("--seed", help="Seed of the weights and the data; short for --set seed=N.", metavar="N")
@click.option("--device", help="Where to train, such as cpu or cuda; short for --set device=D.", metavar="D")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Change a setting; may be repeated.")
@click.option("--every", metavar="N", help="Which steps: N, log, 0:1000:1,1000::50, trigger:drop=0.05 [default: 1].")
@click.option("--select", multiple=True, metavar="GLOB", help="Record these parameters only; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Say what the recording would take, and stop.")
@_FORCE
def record(
    target: str,
    arguments: tuple[str, ...],
    is_module: bool,
    output: Path | None,
    assignments: tuple[str, ...],
    every: str | None,
    select: tuple[str, ...],
    dry_run: bool,
    force: bool,
    **shortcuts: str | None,
) -> Callable[[], None] | None:
    """Train an EXPERIMENT of the catalogue and record it, or record a script that knows nothing of this.

    `dyn experiments` lists the catalogue. A script, or with -m a module, runs as python would run it, with the
    arguments that stand after --, such as: dyn record train.py -o run.h5 -- --lr 1e-3
    """
    from .dynamics.experiments import find_experiment
    from .dynamics.settings import parse_settings
    from .recorders.launch import Script, is_script
    from .recorders.paths import check_path
    from .recorders.schedule import parse_every

    shorthand = [f"{key}={value}" for key, value in shortcuts.items() if value is not None]
    options: dict[str, Any] = {"select": list(select) or None}
    if every is not None:
        options["every"] = parse_every(every)
    if is_module or is_script(target):
        from .recorders.script import record_script

        script = Script(target, arguments, is_module=is_module)
        script.check(settings=(*assignments, *shorthand), dry_run=dry_run)
        path = output or script.default_output
        check_path(path, overwrite=force)

        # Run once click is done, which has its own way with exceptions.
        return partial(record_script, script, path, **options, overwrite=force, report=reporter())
    if arguments:
        raise SettingError(f"{target!r} takes no arguments, got {' '.join(arguments)!r}; change a setting with --set")
    entry = find_experiment(target)
    entry = entry.with_settings(**parse_settings(entry, (*assignments, *shorthand)))
    path = output or Path(f"{entry.name}.h5")

    from .recorders.experiment import price, record_experiment

    if not dry_run:
        check_path(path, overwrite=force)
    cost = price(entry, path, **options)
    click.echo(f"{path}: {cost}", err=True)
    if dry_run:
        return None
    record_experiment(entry, path, **options, overwrite=force, progress=progress("recording", "step"))
    click.echo(path)
    return None


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
    """Say what a recording holds, and what happened in it."""
    from .recorders.recording import open_recording
    from .recorders.story import tell_all
    from .recorders.summary import summarize

    with open_recording(file) as recording:
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
    """Say which features jumped between energy levels, when, from where to where, and what the loss did."""
    from .recorders.recording import open_recording
    from .recorders.story import tell

    with open_recording(file) as recording:
        story = tell(recording, **options)
    click.echo(json.dumps(story.as_dict()["jumps"], indent=2) if as_json else story.jump_lines)


@main.command()
@_RECORDING
@click.option("--interval", type=float, default=1.0, show_default=True, metavar="SECONDS", help="How often to look.")
@click.option("--once", is_flag=True, help="Look once, and stop.")
def watch(file: Path, interval: float, once: bool) -> None:
    """Watch a recording while it is written: its speed, its loss, the levels of its features."""
    from .recorders.watch import watch as watch_recording

    watch_recording(file, interval=interval, stream=sys.stdout, until_done=not once)


@main.command()
@_RECORDING
def repair(file: Path) -> None:
    """Make one clean file of what a crash left: rows that are still in the ring, a change that was interrupted."""
    from .recorders.repair import repair as repair_recording

    outcome = repair_recording(file)
    click.echo(
        f"{file}: {outcome.status}, {outcome.rows:,} rows, {outcome.from_ring:,} of them from its ring", err=True
    )
    click.echo(file)


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The merged recording.")
@_FORCE
def merge(files: tuple[Path, ...], output: Path, force: bool) -> None:
    """Put together the recordings that the ranks of one training made of their shards."""
    from .recorders.merge import merge as merge_ranks

    with say_warnings():
        merge_ranks(files, output, overwrite=force)
    click.echo(output)


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
        write_animation(recording, path, **options, overwrite=force, progress=progress("drawing", "frame"))
    click.echo(path)
