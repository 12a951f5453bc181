"""The command ``dyn record``: train an experiment, or run a script, with the recorder attached."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from ..dynamics.errors import SettingError
from .terminal import complete_target, progress, reporter


@click.command()
@click.argument("target", metavar="EXPERIMENT|SCRIPT.py|MODULE", shell_complete=complete_target)
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
@click.option("--force", is_flag=True, help="Replace an existing output.")
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
    from ..dynamics.experiments import find_experiment
    from ..dynamics.experiments.settings import parse_settings
    from ..recorders.ring.paths import check_path
    from ..recorders.schedule.steps import parse_every
    from ..recorders.scripts.launch import Script, is_script

    shorthand = [f"{key}={value}" for key, value in shortcuts.items() if value is not None]
    options: dict[str, Any] = {"select": list(select) or None}
    if every is not None:
        options["every"] = parse_every(every)
    if is_module or is_script(target):
        from ..recorders.scripts.script import record_script

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

    from ..recorders.experiment import price, record_experiment

    if not dry_run:
        check_path(path, overwrite=force)
    cost = price(entry, path, **options)
    click.echo(f"{path}: {cost}", err=True)
    if dry_run:
        return None
    record_experiment(entry, path, **options, overwrite=force, progress=progress("recording", "step"))
    click.echo(path)
    return None
