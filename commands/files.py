"""The commands that make one file of another: repair, merge, compact, export."""

from pathlib import Path

import click

from ..recorders.file.compression import COMPRESSIONS
from .options import FORCE, RECORDING
from .streams import echo
from .terminal import progress, say_warnings


@click.command()
@RECORDING
def repair(file: Path) -> None:
    """Make one clean file of what a crash left: rows that are still in the ring, a change that was interrupted."""
    from ..recorders.writing.repair import repair as repair_recording

    outcome = repair_recording(file)
    echo(f"{file}: {outcome.status}, {outcome.rows:,} rows, {outcome.from_ring:,} of them from its ring", err=True)
    echo(file)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The merged recording.")
@FORCE
def merge(files: tuple[Path, ...], output: Path, force: bool) -> None:
    """Put together the recordings that the ranks of one training made of their shards."""
    from ..recorders.rewriting.merge import merge as merge_ranks

    with say_warnings():
        merge_ranks(files, output, overwrite=force)
    echo(output)


@click.command()
@RECORDING
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The compact recording [default: FILE itself].")
@click.option(
    "--compress", "compression", type=click.Choice(COMPRESSIONS), help="How it is compressed [default: as FILE is]."
)
@FORCE
def compact(file: Path, output: Path | None, compression: str | None, force: bool) -> None:
    """Rewrite a recording feature by feature, so that each feature's history is read in one piece; smaller if asked."""
    from ..recorders.rewriting.compact import compact as compact_recording
    from ..recorders.text import readable

    before = file.stat().st_size if file.is_file() else 0
    made = compact_recording(
        file, output, compression=compression, overwrite=force, progress=progress("compacting", "block")
    )
    echo(f"{file}: {readable(before)} before, {readable(made.stat().st_size)} after", err=True)
    echo(made)


@click.command()
@RECORDING
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="OUT.nc|zarr|npz|csv|parquet|rrd.")
@click.option("--select", multiple=True, metavar="GLOB", help="Only such arrays, as 'features/*' or loss; repeatable.")
@click.option("--every", type=click.IntRange(1), default=1, show_default=True, metavar="N", help="Every so many rows.")
@FORCE
def export(file: Path, output: Path, select: tuple[str, ...], every: int, force: bool) -> None:
    """Write a recording, or the result of a sweep, for other programs: the suffix of OUT says in which format.

    nc is netCDF-4, zarr a folder for Zarr, npz for NumPy; csv and parquet are tables with a row for each step, and rrd
    opens in the Rerun viewer. Into csv go scalars and dimensionality, unless --select says otherwise.
    """
    from tqdm import tqdm

    from ..recorders.export import export as export_recording
    from ..recorders.text import readable

    with say_warnings(), tqdm(desc="exporting", unit="B", unit_scale=True, disable=None, leave=False) as bar:

        def report(done: int, total: int) -> None:
            if not done:
                echo(f"{file}: {readable(total)} of numbers", err=True)
            bar.total = total
            bar.update(done - bar.n)

        made = export_recording(file, output, select=select or None, every=every, overwrite=force, report=report)
    echo(made)
