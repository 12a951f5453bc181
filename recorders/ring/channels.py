"""What is recorded: arrays with a name, a shape and a dtype, and what is derived from them. Readers load no torch."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from ...dynamics.errors import SettingError
from .matrices import MatrixView

FeatureAxis = Literal["columns", "rows"]
ChannelGroup = Literal["parameters", "features", "probes", "buffers", "constants", "summaries"]

# step, time and the scalars that every recording has (loss, lr).
_ROW_OVERHEAD = 4 * 8
_FEATURE_QUANTITIES = ("dimensionality", "norm", "interference")
# A scalar for each constant that changed, by this and a slash before its name: the first step at which it may have.
CHANGED = "changed"
# HDF5 refuses to switch a file with many more datasets to SWMR (about 5 500 of ours).
_MOST_DATASETS = 5000


@dataclass(frozen=True)
class Channel:
    """One array that is recorded in every row.

    group and name are its place in the file; dtype is how it lies in the ring, stored_dtype how it lies in the file
    (bfloat16, which NumPy lacks, lies in the ring as its 16 bits, and both 16-bit floats in the file as float32, since
    not every reader knows them); axes name its dimensions. features says how a parameter is seen as matrices that have
    a feature in each column (see MatrixView), None where it has none.
    """

    group: ChannelGroup
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    stored_dtype: np.dtype
    axes: tuple[str, ...]
    features: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Where the channel lies in the file."""
        return f"{self.group}/{self.name}"

    @property
    def view(self) -> MatrixView:
        """How a parameter with features is seen as matrices."""
        return MatrixView.of({**self.attributes, "features": self.features})

    @property
    def nbytes(self) -> int:
        """How many bytes one row of it takes in the ring."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def stored_bytes(self) -> int:
        """How many bytes one row of it takes in the file."""
        return math.prod(self.shape) * self.stored_dtype.itemsize

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {**asdict(self), "dtype": self.dtype.str, "stored_dtype": self.stored_dtype.str}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "Channel":
        """Return the channel that as_dict() described."""
        lists = {key: tuple(entry[key]) for key in ("shape", "axes")}
        dtypes = {key: np.dtype(entry[key]) for key in ("dtype", "stored_dtype")}
        return cls(**{**entry, **lists, **dtypes})


def feature_channels(channel: Channel) -> tuple[Channel, ...]:
    """Return the channels that are derived from a parameter with features, none from one without."""
    if channel.features is None:
        return ()
    *instances, _, n = channel.view.shape(channel.shape)
    if channel.view.is_pattern:
        axes = (*(f"{channel.name}.instance" for _ in instances), f"{channel.name}.feature")
    else:
        axes = (*channel.axes[:-2], channel.axes[-1 if channel.features == "columns" else -2])
    shape, dtype = (*instances, n), np.dtype(np.float32)
    return tuple(
        Channel("features", f"{channel.name}/{quantity}", shape, dtype, dtype, axes) for quantity in _FEATURE_QUANTITIES
    )


def array_channel(group: Literal["probes"], name: str, value: np.ndarray) -> Channel:
    """Return the channel of a probe or of a derived quantity whose values look like *value*."""
    # The group is part of the name, since a probe may be called like a parameter.
    axes = tuple(f"{group}.{name}.axis{k}" for k in range(value.ndim))
    stored = stored_dtype(value.dtype)
    attributes = {} if stored == value.dtype else {"origin_dtype": value.dtype.name}
    return Channel(group, name, value.shape, value.dtype, stored, axes, attributes=attributes)


# What is measured of a summarised matrix in some rows, and not a number in the others.
IN_TURN = ("singular_values", "effective_rank", "dimensionality")


def is_in_turn(channel: Channel) -> bool:
    """Whether a channel of a summary is measured in some rows only."""
    return channel.name.rpartition("/")[2] in IN_TURN


def stored_dtype(dtype: np.dtype) -> np.dtype:
    """Return the dtype in which values of *dtype* go to the file: netCDF-4, for one, has no 16-bit floats."""
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def stored_channels(channels: Iterable[Channel]) -> list[Channel]:
    """Return the channels as the file has them: each one, and what is derived from it."""
    return [each for channel in channels for each in (channel, *feature_channels(channel))]


def row_bytes(channels: Iterable[Channel]) -> int:
    """Return how many bytes one row of these channels takes in the file, with the features derived from them."""
    return _ROW_OVERHEAD + sum(each.stored_bytes for each in stored_channels(channels))


def check_channels(channels: Sequence[Channel]) -> None:
    """Raise SettingError where the channels cannot lie in one file: names that collide, or too many of them."""
    stored = stored_channels(channels)
    if len(stored) > _MOST_DATASETS:
        raise SettingError(
            f"{len(stored)} arrays are too many for one recording, which holds {_MOST_DATASETS}; select fewer "
            "parameters, or record no dimensionality (features=None)"
        )
    # Only names with the same beginning can collide; a large model has thousands of names.
    rivals: dict[tuple[str, str], list[str]] = {}
    for channel in channels:
        others = rivals.setdefault((channel.group, channel.name.partition("/")[0]), [])
        check_name(channel.name, others, where=channel.group)
        others.append(channel.name)
    _check_axes(stored)


def _check_axes(channels: Iterable[Channel]) -> None:
    """Raise SettingError where one name of an axis would have two sizes: slashes are dots in the names of axes."""
    seen: dict[str, tuple[int, str]] = {}
    for channel in channels:
        for axis, size in zip(channel.axes, channel.shape, strict=True):
            known, other = seen.setdefault(axis.replace("/", "."), (size, channel.path))
            if known != size:
                raise SettingError(
                    f"the axes of {channel.path!r} would be called like those of {other!r}, which have other sizes; "
                    "rename one"
                )


def check_name(name: str, others: Iterable[str], *, where: str) -> None:
    """Hold a name to what can be a path in the file: it may have slashes, but no other name may lie on it."""
    parts = name.split("/")
    if not {"", ".", ".."}.isdisjoint(parts) or "\0" in name or not _is_unicode(name):
        raise SettingError(f"{name!r} in {where}: a name is made of words, with single slashes between them at most")
    for other in others:
        if other == name or other.startswith(f"{name}/") or name.startswith(f"{other}/"):
            raise SettingError(f"{name!r} in {where} collides with {other!r}, which is recorded too; rename one")


def _is_unicode(name: str) -> bool:
    # A lone surrogate, as os.fsdecode() makes, is no character and has no encoding.
    return name.isascii() or name == name.encode(errors="ignore").decode()


@dataclass(frozen=True)
class Block:
    """Rows, column by column: every column has the same length, the rows of the block."""

    step: np.ndarray
    time: np.ndarray
    scalars: dict[str, np.ndarray]
    channels: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.step)

    def take(self, rows: slice | np.ndarray) -> "Block":
        """Return the block of these rows."""
        scalars = {name: column[rows] for name, column in self.scalars.items()}
        channels = {path: column[rows] for path, column in self.channels.items()}
        return Block(self.step[rows], self.time[rows], scalars, channels)
