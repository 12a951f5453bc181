"""The command ``dyn sweep``: an experiment at every point of a grid of settings."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .streams import echo
from .terminal import EXIT_FAILED, complete_target

if TYPE_CHECKING:
    from ..recorders.sweeps.plan import SweepPlan

EXIT_PARTLY = 3


@click.command()
@click.argument("experiment", shell_complete=complete_target)
@click.option("--over", multiple=True, metavar="KEY=...", help="log:A:B:N, lin:A:B:N or V,V,...; may be repeated.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Change a setting; may be repeated.")
@click.option("--seed", metavar="N", help="Seed of the weights and the data; short for --set seed=N.")
@click.option("--device", metavar="D", help="Where to train, such as cpu or cuda; short for --set device=D.")
@click.option("--repeat", type=click.IntRange(1), metavar="N", help="How many models each point has.")
@click.option("--loss", "way", type=click.Choice(["population", "samples"]), help="Train on [default: what is faster].")
@click.option("--record", "recorded", is_flag=True, help="Keep the trajectories, not only how they end.")
@click.option("--rest/--no-rest", "rested", default=None, help="Follow each model to the critical point next to it.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The result [default: EXPERIMENT-sweep.h5].")
@click.option("--engine", "engine_name", default="loky", show_default=True, metavar="loky|dask|ray")
@click.option("--address", metavar="A", help="Of a cluster, such as tcp://10.0.0.1:8786 [default: start one here].")
@click.option(
    "--workers", type=click.IntRange(1), metavar="N", help="How many tasks run at a time [default: all cores]."
)
@click.option("--dry-run", is_flag=True, help="Say what the sweep would take, having tried a piece of it, and stop.")
@click.option("--retry", is_flag=True, help="Try again what failed before.")
@click.option("--force", "overwrite", is_flag=True, help="Replace an existing output.")
def sweep(
    experiment: str,
    over: tuple[str, ...],
    assignments: tuple[str, ...],
    output: Path | None,
    dry_run: bool,
    **options: Any,
) -> Callable[[], int] | None:
    """Train an EXPERIMENT of the catalogue at every point of a grid, into one HDF5 file.

    Such as: dyn sweep phase-2x1 --over density=log:0.01:1:50 --over importance_extra=log:0.1:10:50 --repeat 10. By
    default the grid is that of the paper's figure. A sweep that was interrupted goes on where it was when it is run
    again. Exit code 3 says that some points failed, which the result and the messages name.
    """
    from ..recorders.outputs import check_output
    from ..recorders.ring.paths import check_suffix
    from ..recorders.sweeps.paper import plan_sweep

    shorthand = [f"{key}={value}" for key in ("seed", "device") if (value := options.pop(key)) is not None]
    chosen = {key: options.pop(key) for key in ("repeat", "way", "recorded", "rested")}
    plan = plan_sweep(experiment, over, (*assignments, *shorthand), **chosen)
    path = output or Path(f"{experiment}-sweep.h5")
    # Whether a result that is there is this sweep's own is asked later.
    check_suffix(path)
    check_output(path, overwrite=True)
    # Before torch, which takes seconds to load.
    echo(f"dyn: sweep of {plan}", err=True)
    if dry_run:
        from ..recorders.sweeps.cost import price_sweep

        price = price_sweep(plan, path, workers=options["workers"])
        for failure in plan.cut()[1]:
            echo(f"dyn: will fail at {failure}", err=True)
        echo(f"{path}: {price}", err=True)
        return None if price.fits else (lambda: EXIT_FAILED)
    return _run(plan, path, options)


def _run(plan: "SweepPlan", path: Path, options: dict[str, Any]) -> Callable[[], int] | None:
    from tqdm import tqdm

    from ..recorders.sweeps.run import run_sweep

    with tqdm(desc="sweeping", unit="task", disable=None, leave=False) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        outcome = run_sweep(plan, path, **options, report=report)
    for failure in outcome.failures:
        echo(f"dyn: failed at {failure}", err=True)
    if outcome.diverged:
        models = "model" if outcome.diverged == 1 else "models"
        echo(f"dyn: {outcome.diverged:,} {models} diverged; `dyn info {path}` says at which points", err=True)
    echo(path)
    return (lambda: EXIT_PARTLY) if outcome.failures else None
