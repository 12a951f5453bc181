"""The command ``dyn``: the group, and which commands there are. Whatever is heavy is imported inside the commands."""

import click

from .commands.attribute import attribute
from .commands.diff import diff
from .commands.draw import animate, plot, report
from .commands.evaluate import evaluate
from .commands.files import compact, export, merge, repair
from .commands.llc import llc
from .commands.record import record
from .commands.sweep import sweep
from .commands.tell import experiments, info, jumps, landscape
from .commands.terminal import OneLineErrors
from .commands.watch import watch


@click.group("dyn", cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="learning-dynamics", prog_name="dyn", message="%(prog)s %(version)s")
def main() -> None:
    """Watch neural networks learn: record a training at every step, and see what happened."""


for command in (
    record, sweep, experiments, info, jumps, landscape, llc, attribute, diff, evaluate, watch, plot, animate, report,
    compact, export, merge, repair,
):  # fmt: skip
    main.add_command(command)
