"""The command ``dyn record``: train an experiment, or run a script, with the recorder attached."""

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..dynamics.errors import SettingError
from .streams import echo
from .terminal import EXIT_FAILED, complete_target, progress, reporter, tell_divergence

if TYPE_CHECKING:
    from ..recorders.resuming.branch import Branch


class _OfScriptsToo(click.Command):
    """A command that says where the options of a script stand, and how a setting is changed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; raises UsageError for an option that is none of this command's, with where it belongs."""
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if (way_out := _belongs(error.option_name, given)) is not None:
                raise click.UsageError(f"{error.option_name} is no option of dyn record; {way_out}", ctx) from error
            raise


def _belongs(option: str, given: list[str]) -> str | None:
    from ..dynamics.experiments import EXPERIMENTS
    from ..recorders.scripts.launch import is_script

    target = next((each for each in given if is_script(each)), None)
    if "-m" in given:
        target = f"-m {next((each for each in given if not each.startswith('-')), 'MODULE')}"
    if target is not None:
        return f"those of a script stand after --: dyn record {target} -- {option} …"
    key = option.lstrip("-").replace("-", "_")
    entry = next((EXPERIMENTS[each] for each in given if each in EXPERIMENTS), None)
    return f"settings are changed by --set {key}=VALUE" if entry and key in entry.settings else None


def _read_labels(path: Path) -> dict[str, list[str]]:
    try:
        labels = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingError(f"--labels {path} is no JSON in UTF-8 that can be read: {error}") from error
    if not isinstance(labels, dict) or not all(isinstance(each, list) for each in labels.values()):
        raise SettingError(f'--labels {path} is no object with a list for each name: {{"tok.weight": ["a", "b"]}}')
    return labels


def _steps(text: str | None) -> int | None:
    if text is not None and not text.isdecimal():
        raise SettingError(f"--steps {text!r} is no whole number of steps")
    return None if text is None else int(text)


def _branch(origin: str, name: str) -> "Branch":
    """Return where a run is left that FILE@STEP names."""
    from ..recorders.reading.recording import open_recording
    from ..recorders.resuming.branch import branch_of

    path, _, step = origin.rpartition("@")
    if not path or not step.isdecimal():
        raise SettingError(f"--from {origin!r} is not FILE@STEP, such as run.h5@2000")
    branch = branch_of(open_recording(path), int(step))
    if branch.experiment.name != name:
        raise SettingError(f"--from {origin}: it is of {branch.experiment.name!r}, not of {name!r}")
    return branch


@click.command(cls=_OfScriptsToo)
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
@click.option(
    "--labels",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.json",
    help='Names of the features: {"PARAMETER": ["a", "b", …]}.',
)
@click.option(
    "--checkpoint-every", type=click.IntRange(1), metavar="K", help="Keep each K steps what it takes to go on."
)
@click.option("--summaries", is_flag=True, help="Keep summaries of a script's parameters, where they are too large.")
@click.option(
    "--budget", metavar="SIZE", help="Choose --every so that it takes as much: '2 GB'; a script says --steps N."
)
@click.option(
    "--from", "origin", metavar="FILE@STEP", help="Go on from a checkpoint, with the settings changed by --set."
)
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
    labels: Path | None,
    checkpoint_every: int | None,
    summaries: bool,
    budget: str | None,
    origin: str | None,
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
    options: dict[str, Any] = {"select": list(select) or None, "checkpoint_every": checkpoint_every}
    names = None if labels is None else _read_labels(labels)
    if every is not None:
        options["every"] = parse_every(every)
    if is_module or is_script(target):
        from ..recorders.scripts.script import record_script

        # Of a script they are no setting: it is only said how long it runs.
        steps = _steps(shortcuts.pop("steps", None)) if budget is not None else None
        shorthand = [f"{key}={value}" for key, value in shortcuts.items() if value is not None]
        if budget is not None:
            # It loads what a script that is recorded without a budget does not see loaded.
            from ..recorders.writing.budget import check_budget

            check_budget(budget, steps, options.get("every", 1))
        options |= {"summaries": summaries or None, "budget": budget, "steps": steps}

        if origin is not None:
            raise SettingError("--from goes on with experiments; a script does so by recording.resume_into(…) itself")
        script = Script(target, arguments, is_module=is_module)
        script.check(settings=(*assignments, *shorthand), dry_run=dry_run)
        path = output or script.default_output
        check_path(path, overwrite=force)

        # Run once click is done, which has its own way with exceptions.
        return partial(record_script, script, path, **options, labels=names, overwrite=force, report=reporter())
    if arguments:
        raise SettingError(f"{target!r} takes no arguments, got {' '.join(arguments)!r}; change a setting with --set")
    entry = find_experiment(target)
    branch = None if origin is None else _branch(origin, entry.name)
    entry = entry if branch is None else branch.experiment
    entry = entry.with_settings(**parse_settings(entry, (*assignments, *shorthand)))
    path = output or Path(f"{entry.name}.h5")

    if summaries:
        raise SettingError(
            f"--summaries is for scripts; {entry.name} is small, and what is told of it needs its parameters"
        )

    from ..recorders.experiment import every_within, price, record_experiment
    from ..recorders.reading.divergence import diverged_to_the_end
    from ..recorders.reading.recording import open_recording
    from ..recorders.writing.cost import price_is_told

    # What is there is not touched by a dry run.
    check_path(path, overwrite=force or dry_run)
    if branch is not None:
        branch.check(entry)
        if path.exists() and path.samefile(branch.recording.path):
            raise SettingError(f"--from {origin} goes on from {path}, and cannot replace it; choose another -o")
    if budget is not None:
        options["every"] = every_within(entry, path, budget, **options, labels=names, branch=branch)
    cost = price(entry, path, **options, labels=names, branch=branch)
    echo(f"{path}: {cost}", err=True)
    if dry_run:
        return None if cost.fits else (lambda: sys.exit(EXIT_FAILED))
    with price_is_told():
        record_experiment(
            entry, path, **options, labels=names, overwrite=force, branch=branch, progress=progress("recording", "step")
        )
    with open_recording(path) as recording:
        tell_divergence(path, diverged_to_the_end(recording))
    echo(path)
    return None
