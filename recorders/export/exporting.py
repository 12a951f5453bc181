"""Exporting: a recording, or the result of a sweep, in the format of another program."""

import math
import os
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from ...dynamics.errors import MissingExtraError, RecordingError, SettingError, unknown_name
from ..outputs import check_output, replaced_when_done
from ..reading.recording import Recording
from ..text import readable
from .contents import Contents
from .gather import gathered, selected, watched
from .names import distinct
from .slabs import in_slabs

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Format:
    """A format: the module that writes it, what of a recording it takes by default, how its size compares."""

    module: str
    default: tuple[str, ...] = ("*",)
    # Bytes written for each byte read, at most.
    growth: float = 1.0
    is_folder: bool = False
    is_table: bool = False

    def writer(self, suffix: str) -> Callable[[Contents, Path], None]:
        """Return what writes contents to a path."""
        try:
            return import_module(f"{__package__}.{self.module}").write
        except ImportError as error:
            raise MissingExtraError.for_feature(f"an export to {suffix}", "export") from error


# Of summaries all but the sketches, whose numbers say nothing by themselves.
_IN_SHORT = tuple(
    f"summaries/*/{quantity}" for quantity in ("norm", "gradient_norm", "update", "effective_rank", "dimensionality")
)
FORMATS = {
    ".nc": Format("netcdf"),
    ".zarr": Format("zarr_folder", is_folder=True),
    ".npz": Format("npz"),
    # A number of 4 bytes has 12 characters or so.
    ".csv": Format("csv_file", ("scalars/*", "features/*/dimensionality", *_IN_SHORT), growth=3.0, is_table=True),
    ".parquet": Format("parquet", is_table=True),
    # Series are written as 8-byte numbers.
    ".rrd": Format("rerun_file", ("scalars/*", "features/*/dimensionality", "parameters/*", *_IN_SHORT), growth=2.0),
}


def export(
    source: Recording | str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    select: Sequence[str] | None = None,
    every: int = 1,
    overwrite: bool = False,
    report: Report = lambda _done, _total: None,
) -> Path:
    """Write a recording, or the result of a sweep, to *output* in the format of its suffix; return that path.

    nc is netCDF-4 and zarr a folder of Zarr's format 3, both with the groups of the recording; npz is for np.load, csv
    and parquet hold one table with a row for each step (of a sweep: for each model), rrd opens in the Rerun viewer. A
    recording may be running, closed, or left by a crash: what is exported is its rows at this moment.

    select: globs of paths such as ``parameters/W`` or ``features/*/norm``, or of names within a group such as ``loss``;
    by default everything, but to csv scalars and dimensionality only, and to rrd what can be drawn. every: only every
    so many rows, from the first on. report is told how many of how many bytes were read, first of none. Arrays are read
    block by block, so that memory does not grow with them; the output is there whole or not at all.

    Raises SettingError for arguments that cannot be used, MissingExtraError without the extra [export] for zarr,
    parquet and rrd, OutputExistsError for an existing output, RecordingError for what cannot be read or written.
    """
    output = Path(output)
    source = source if isinstance(source, Recording) else Path(source)
    chosen = FORMATS.get(output.suffix.lower())
    if chosen is None:
        raise unknown_name("suffix of an export", output.suffix, FORMATS)
    if every < 1:
        raise SettingError(f"every={every} is no number of rows; use 1 or more")
    check_output(output, as_folder=chosen.is_folder, overwrite=overwrite)
    write = chosen.writer(output.suffix)
    with gathered(source, every=every) as found:
        if found.source.resolve() == output.resolve():
            raise SettingError(f"output={str(output)!r} is what is exported; choose another path")
        default = chosen.default if found.index == ("step",) else ("*",)
        contents = distinct(selected(found, default) if select is None else selected(found, select, strict=True))
        if chosen.is_table:
            contents = _with_columns(contents, output)
        total = contents.nbytes
        _check_room(output, round(total * chosen.growth))
        report(0, total)
        read = watched(in_slabs(contents, side_by_side=chosen.is_table), lambda done: report(done, total))
        try:
            with replaced_when_done(output) as draft:
                write(read, draft)
        except (RecordingError, SettingError):
            raise
        except OSError as error:
            raise RecordingError(f"{output} cannot be made: {error.strerror or error}") from error
    return output


def _with_columns(contents: Contents, output: Path) -> Contents:
    """Return contents without what has no column in a table, having no elements or no rows, and warn of it."""
    is_empty = {array.path: not math.prod(array.shape[len(contents.index) :]) for array in contents.arrays}
    if any(is_empty.values()):
        names = ", ".join(path for path, empty in is_empty.items() if empty)
        warnings.warn(f"{output} has no column for what has no elements: {names}", stacklevel=3)
    if once := ", ".join(array.path for array in contents.constants):
        warnings.warn(f"{output} has no column for what is the same in every row: {once}", stacklevel=3)
    return replace(contents, arrays=[array for array in contents.arrays if not is_empty[array.path]], constants=())


def _check_room(output: Path, size: int) -> None:
    free = shutil.disk_usage(output.resolve().parent).free
    if size > free:
        raise RecordingError(
            f"{output} takes up to {readable(size)} and {readable(free)} are free; "
            "export fewer rows (every=N, --every) or arrays (select, --select)"
        )
