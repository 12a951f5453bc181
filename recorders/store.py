"""The HDF5 file of a recording, format version 1: create, append, commit, close."""

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np
from h5py.h5i import dec_ref

from ..dynamics.errors import OutputExistsError, RecordingError
from .channels import Channel, feature_channels
from .format import FORMAT, FORMAT_VERSION
from .ring import NAN, Block

# A chunk is what one read touches: large enough to be read at the disk's speed, small enough that a short run is a
# small file. Chunks are raw, because a part-filled compressed chunk is written again at every flush.
_CHUNK_BYTES = 2**17
_CHUNK_ROWS = 1024
# Both HDF5 1.14 and 2 read and write this version, and it allows reading while writing.
_LIBVER = ("v110", "v110")
_BARE_DIMENSION = "This is a netCDF dimension but not a netCDF variable.%10d"


class Store:
    """A recording that is being written.

    The file is open for readers in other processes (SWMR) from the first moment; a reader trusts the first
    ``committed[0]`` rows and no others. Every dataset exists before SWMR is switched on; a scalar whose name comes up
    later costs one reopening.
    """

    def __init__(
        self,
        path: Path,
        channels: Sequence[Channel],
        *,
        scalars: Iterable[str] = (),
        config: str,
        overwrite: bool,
    ):
        # The training may change its folder before the file is opened again.
        self.path = path = path.absolute()
        self.rows = 0
        self._live = False
        self._given_up = False
        self._file = _create(path, overwrite)
        self._identity = _identity(path)
        self._datasets: dict[str, h5py.Dataset] = {}
        self._write_attributes(config)
        self._add("step", (), np.dtype(np.int64), ()).make_scale("step")
        self._add("time", (), np.dtype(np.float64), ())
        self._file["time"].attrs["long_name"] = "seconds since the recording began"
        self._add_committed()
        for group in ("scalars", "parameters", "features"):
            self._file.create_group(group)
        for channel in channels:
            for each in (channel, *feature_channels(channel)):
                self._add_channel(each)
        for name in scalars:
            self._add_scalar(name)
        self._start_swmr()

    def add_scalars(self, names: Iterable[str], attributes: Mapping[str, str] | None = None) -> None:
        """Make a dataset for each new scalar; rows before it hold NaN."""
        self._stop_swmr()
        for name in names:
            self._add_scalar(name).attrs.update(attributes or {})
        self._start_swmr()

    def add_channel(self, channel: Channel, attributes: Mapping[str, str]) -> None:
        """Make a dataset for a channel that came up after the file was created; earlier rows hold its fill value."""
        self._stop_swmr()
        self._add_channel(channel).attrs.update(attributes)
        self._start_swmr()

    def append(self, block: Block) -> None:
        """Write the rows of *block*, then commit them: data, flush, count, flush."""
        try:
            self._append(block)
        except Exception:
            self.abandon()
            raise

    def _append(self, block: Block) -> None:
        unknown = [name for name in block.scalars if f"scalars/{name}" not in self._datasets]
        if unknown:
            self.add_scalars(unknown)
        self._start_swmr()
        start, stop = self.rows, self.rows + len(block)
        columns = {"step": block.step, "time": block.time, **block.channels}
        columns.update((f"scalars/{name}", values) for name, values in block.scalars.items())
        for path, dataset in self._datasets.items():
            dataset.resize(stop, axis=0)
            if path in columns:
                dataset[start:stop] = columns[path]
        self._file.flush()
        self.rows = stop
        _dataset(self._file, "committed")[0] = stop
        self._file.flush()

    def close(self, status: str) -> None:
        """Close the file for good, readable by any HDF5 reader."""
        try:
            self._stop_swmr()
            self._file.attrs["status"] = status
            self._file.flush()
        except Exception:
            self.abandon()
            raise
        self._file.close()

    def abandon(self) -> None:
        """Give the file up as it is on the disk, after a write that failed.

        HDF5 crashes the process when what it still holds cannot be written on closing, so it writes that to nowhere.
        """
        if self.is_open:
            self._given_up = True
            with Path(os.devnull).open("r+b") as nowhere:
                os.dup2(nowhere.fileno(), self._file.id.get_vfd_handle())
            _close_everywhere(self._file)

    @property
    def is_open(self) -> bool:
        """Whether rows can be written."""
        return not self._given_up and bool(self._file)

    def _start_swmr(self) -> None:
        if not self._live:
            self._file.swmr_mode = True
            self._live = True

    def _stop_swmr(self) -> None:
        """Return to plain writing, which may create things; readers that have the file open keep what they see."""
        if self._live:
            _close_everywhere(self._file)
            if _identity(self.path) != self._identity:
                raise RecordingError("its file was deleted or replaced")
            self._file = _reopen(self.path)
            self._datasets = {path: _dataset(self._file, path) for path in self._datasets}
            self._live = False

    def _write_attributes(self, config: str) -> None:
        self._file.attrs.update(
            format=FORMAT,
            format_version=FORMAT_VERSION,
            status="recording",
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            software=f"learning-dynamics {version('learning-dynamics')}, Python {platform.python_version()}",
            config=config,
        )

    def _add_committed(self) -> None:
        committed = self._file.create_dataset("committed", data=np.zeros(1, np.int64))
        committed.dims[0].attach_scale(self._dimension("row_count", 1))

    def _add_scalar(self, name: str) -> h5py.Dataset:
        return self._add(f"scalars/{name}", (), np.dtype(np.float64), ())

    def _add_channel(self, channel: Channel) -> h5py.Dataset:
        dataset = self._add(channel.path, channel.shape, channel.stored_dtype, channel.axes)
        dataset.attrs.update(channel.attributes)
        return dataset

    def _add(self, path: str, shape: tuple[int, ...], dtype: np.dtype, axes: tuple[str, ...]) -> h5py.Dataset:
        row_bytes = max(1, int(np.prod(shape, dtype=np.int64)) * dtype.itemsize)
        dataset = self._file.create_dataset(
            path,
            shape=(self.rows, *shape),
            maxshape=(None, *shape),
            chunks=(min(_CHUNK_ROWS, max(1, _CHUNK_BYTES // row_bytes)), *shape),
            dtype=dtype,
            fillvalue=dtype.type(NAN) if dtype.kind in "fc" else None,
        )
        if path != "step":
            dataset.dims[0].attach_scale(self._file["step"])
        for axis, (name, size) in enumerate(zip(axes, shape, strict=True), start=1):
            dataset.dims[axis].attach_scale(self._dimension(name, size))
        self._datasets[path] = dataset
        return dataset

    def _dimension(self, name: str, size: int) -> h5py.Dataset:
        """Return the dimension scale of that name, in the way of netCDF-4; the first use makes it."""
        if name not in self._file:
            scale = self._file.create_dataset(name, shape=(size,), dtype=np.float32)
            scale.make_scale(_BARE_DIMENSION % size)
        return _dataset(self._file, name)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one at the same path, None where there is none."""
    if not path.exists():
        return None
    status = path.stat()
    return status.st_dev, status.st_ino


def _reopen(path: Path) -> h5py.File:
    """Open the file for writing again, even while a reader in another process holds a lock on it."""
    try:
        return h5py.File(path, "r+", libver=_LIBVER)
    except BlockingIOError:
        return h5py.File(path, "r+", libver=_LIBVER, locking=False)


def _dataset(file: h5py.File, path: str) -> h5py.Dataset:
    dataset = file[path]
    assert isinstance(dataset, h5py.Dataset)
    return dataset


def _close_everywhere(file: h5py.File) -> None:
    """Close *file* and whatever else this process has open of it.

    HDF5 keeps one state for a file however often a process opens it: with a reader in the same process it would stay
    in SWMR mode, where nothing can be created. A Recording that is cut off so opens the file again by itself.
    """
    for kind in (~h5py.h5f.OBJ_FILE & h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE):
        for identifier in h5py.h5f.get_obj_ids(file.id, kind):
            while identifier.valid:
                dec_ref(identifier)


def check_path(path: Path, *, overwrite: bool) -> None:
    """Raise OutputExistsError or RecordingError where no recording can be put at *path*; touch nothing."""
    if path.is_dir():
        raise OutputExistsError(f"{path} is a directory; name a file for the recording")
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists already; choose another path or replace it (overwrite=True, --force)")
    if not path.parent.is_dir():
        raise RecordingError(f"{path.parent} is no directory to write {path.name} in; create it first")


def _create(path: Path, overwrite: bool) -> h5py.File:
    check_path(path, overwrite=overwrite)
    try:
        if overwrite:
            # A new file, not the old one emptied: someone may be reading the old one, or even writing it.
            path.unlink(missing_ok=True)
        return h5py.File(path, "x", libver=_LIBVER)
    except OSError as error:
        raise RecordingError(f"{path} cannot be created: {error.strerror or error}") from error
