"""The command that looks on while a training runs."""

import sys
from pathlib import Path

import click

from .options import RECORDING


@click.command()
@RECORDING
@click.option("--interval", type=float, default=1.0, show_default=True, metavar="SECONDS", help="How often to look.")
@click.option("--once", is_flag=True, help="Look once, and stop.")
def watch(file: Path, interval: float, once: bool) -> None:
    """Watch a recording while it is written: its speed, its loss, the levels of its features."""
    from ..recorders.watching.watch import watch as watch_recording

    watch_recording(file, interval=interval, stream=sys.stdout, keyboard=sys.stdin, until_done=not once)
