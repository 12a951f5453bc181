"""Arguments and options that several commands have."""

from pathlib import Path

import click

RECORDING = click.argument("file", type=click.Path(path_type=Path))
FILES = click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
FORCE = click.option("--force", is_flag=True, help="Replace an existing output.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
INSTANCE = click.option("--instance", type=int, metavar="K", help="Which member of an ensemble [default: 0].")
PARAMETER = click.option(
    "--parameter", metavar="GLOB", help="Whose features: a name, or a glob that matches one [default: the first]."
)
PARAMETERS = click.option(
    "--parameter", metavar="GLOB", help="Of which matrices: a name, or a glob that may match many."
)
