"""Beginning a recording: its file and its ring, new ones or those of a recording that goes on."""

import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, SupportsIndex

import h5py
import numpy as np

from ...dynamics.errors import SettingError
from ..file.checkpoint_log import drop_checkpoints
from ..file.compression import is_compressed
from ..file.creation import Constant, add_channel, add_constant, new_file
from ..file.hdf5 import array_paths, dataset_at
from ..file.store import atomic_change
from ..reading.opening import check_format, located, open_file
from ..ring.channels import Channel, stored_channels
from ..ring.finding import put_strays_aside, replacing
from ..ring.layout import RowLayout, rows_within
from ..ring.paths import check_path, real, ring_path
from ..ring.ring import Ring
from .repair import fold_in

WriterKind = Literal["auto", "inline", "process"]

# A ring holds this many bytes at most, and no more rows than it is worth writing at once. A process that writes is
# given more room, since it starts while the training already runs. The caches keep a small ring, so that a row of few
# scalars costs a step half of what one with room for hundreds does.
_RING_BYTES = {"inline": 2**24, "process": 2**26}
_RING_ROWS = 1024
# Where summaries are kept, memory is short.
_RING_IN_SHORT = 2**21
_LEAST_ROWS = 8
_SCALARS = 64


@dataclass(frozen=True)
class Start:
    """Where a recording begins: its file, its ring, who writes, the optimizer's steps so far and the seconds."""

    path: Path
    ring: Ring
    kind: WriterKind
    step: int = 0
    seconds: float = 0.0


def begin(
    path: Path,
    channels: Sequence[Channel],
    *,
    attributes: Mapping[str, str | int],
    config: str,
    kind: WriterKind,
    rates: int,
    least_rows: int,
    overwrite: bool,
    resume: bool | int,
    is_own: bool = False,
    constants: Callable[[], Iterable[Constant]] = tuple,
    ready: Callable[[Ring], None] = lambda _: None,
) -> Start:
    """Make the file and the ring of a recording, or prepare those of one that is continued.

    *constants* gives what is kept once. *ready* is given the ring before anything that lies there is changed; what it
    raises leaves all as it was. is_own says that it is this process that records there, and will no longer when *ready*
    returns.
    """
    path = real(path)
    if goes_on := resume is not False and path.exists():
        path = located(path)
    if not is_own:
        check_path(path, overwrite=overwrite or goes_on)
    token = uuid.uuid4().hex
    # Besides the user's scalars there is room for each learning rate.
    layout = RowLayout(token, _SCALARS + rates, tuple(channels))
    in_short = any(channel.group == "summaries" for channel in channels)
    most = _RING_IN_SHORT if in_short else _RING_BYTES[kind]
    rows = rows_within(channels, layout.room, most_bytes=most, most_rows=_RING_ROWS)
    ring = Ring.create(ring_path(path), layout, max(rows, _LEAST_ROWS, least_rows), ("loss", "lr"))
    try:
        ready(ring)
        # Another training may have begun meanwhile; from here on it cannot.
        check_path(path, overwrite=overwrite or goes_on)
        if goes_on:
            step, seconds = _continue(path, channels, resume, config, ring, attributes, constants)
        else:
            step, seconds = 0, 0.0
            _begin_anew(path, channels, config, ring, attributes, constants)
    except BaseException:
        ring.discard()
        raise
    return Start(path, ring, kind, step, seconds)


def _begin_anew(
    path: Path,
    channels: Sequence[Channel],
    config: str,
    ring: Ring,
    attributes: Mapping[str, str | int],
    constants: Callable[[], Iterable[Constant]],
) -> None:
    """Make the recording at *path*, in the place of what is there."""
    noted, token = {**attributes, "ring": str(ring.path)}, ring.layout.token
    options: dict[str, Any] = {"config": config, "token": token, "attributes": noted, "constants": constants()}
    with replacing(path), new_file(path, channels, ring.names, **options) as draft:
        ring.belong_to(draft)
        # Before the file, which says that it has one.
        ring.publish()


def _continue(
    path: Path,
    channels: Sequence[Channel],
    resume: bool | int,
    config: str,
    ring: Ring,
    attributes: Mapping[str, str | int],
    constants: Callable[[], Iterable[Constant]],
) -> tuple[int, float]:
    """Make the recording at *path* one that is being written again; return where it goes on."""
    if not isinstance(resume, SupportsIndex):
        raise SettingError(f"resume={resume!r} is neither True, for the last step, nor a step")
    # Before anything is changed, even by mending it.
    with open_file(path) as file:
        check_format(path, file)
        _check_same(path, file, channels)
        _check_constants(path, file, constants())
    ring.belong_to(path)
    fold_in(path)
    with h5py.File(path, "r") as file:
        rows, steps = int(dataset_at(file, "committed")[0]), dataset_at(file, "step")
        # The final row's step has not been taken, so that it gets its row now.
        following = int(steps[rows - 1]) + (not file.attrs.get("final_row", 0)) if rows else 0
        seconds = float(dataset_at(file, "time")[rows - 1]) if rows else 0.0
        known = steps[:rows]
    step = following if resume is True else int(resume)
    if not 0 <= step <= following:
        raise SettingError(
            f"resume={resume!r} is no step that {path} can be continued from; it has steps 0 to {following}"
        )
    entry = {"step": step, "at": datetime.now(UTC).isoformat(timespec="seconds"), "config": json.loads(config)}

    # The row of this step stays until it is recorded again; those after it are of a training that is taken back.
    kept = int(np.searchsorted(known, step, side="right"))

    def reopen(file: h5py.File) -> None:
        dataset_at(file, "committed")[0] = kept
        drop_checkpoints(file, step)
        if kept:
            file.attrs["final_row"] = int(known[kept - 1] == step)
        earlier = json.loads(str(file.attrs.get("resumed", "[]")))
        noted = {"token": ring.layout.token, "ring": str(ring.path), "resumed": json.dumps([*earlier, entry])}
        file.attrs.update(status="recording", **attributes, **noted)
        for channel in stored_channels(channels):
            if channel.path not in file:
                # What stands in the rows before says nothing.
                add_channel(file, channel, rows).attrs["first_row"] = rows
        for channel, values in constants():
            if channel.path not in file:
                add_constant(file, channel, values).attrs["first_row"] = rows

    put_strays_aside(path)
    # Before the file, which says that it has one.
    ring.publish()
    atomic_change(path, reopen)
    return step, seconds


def _check_same(path: Path, file: h5py.File, channels: Sequence[Channel]) -> None:
    """Raise SettingError unless rows of these channels can be added: the file has no other parameters.

    Parameters and buffers that it has not are added to those that it has: they were frozen so far, or not there.
    A compressed chunk would be written again, and at another place, with each part of it.
    """
    if any(is_compressed(dataset_at(file, name)) for name in array_paths(file)):
        raise SettingError(
            f"{path} is compressed, and rows cannot be added to it; dyn compact {path} --compress none makes it one "
            "that can be continued"
        )
    wanted = {channel.path: channel for channel in stored_channels(channels)}
    found = {name for name in array_paths(file) if name.startswith(("parameters/", "buffers/", "summaries/"))}
    differing = sorted(found - wanted.keys())
    new = [channel for channel in channels if channel.group != "probes" and channel.path not in file]
    addable = {each.path for each in stored_channels(new)} if not differing else set()
    differing += [name for name in wanted if name not in file and name not in addable]
    for name in wanted.keys() & set(array_paths(file)):
        dataset, channel = dataset_at(file, name), wanted[name]
        if dataset.shape[1:] != channel.shape or dataset.dtype != channel.stored_dtype:
            differing.append(name)
    if differing:
        raise SettingError(
            f"{path} cannot be continued: it differs from the model in {', '.join(sorted(differing)[:3])}; "
            "attach the same model and selection, or record to another file"
        )


def _check_constants(path: Path, file: h5py.File, constants: Iterable[Constant]) -> None:
    """Raise SettingError unless what was kept once is what it was."""
    for channel, values in constants:
        if channel.path in file and not _is_equal(dataset_at(file, channel.path)[()], values):
            raise SettingError(
                f"{path} cannot be continued: {channel.name} was kept once, since it did not change, and is another "
                f"now; put the model back to its state then, or record {channel.name} with each row (select=…, "
                "buffers=…)"
            )


def _is_equal(kept: np.ndarray, present: np.ndarray) -> bool:
    """Whether two arrays are equal to the bit."""
    is_alike = kept.shape == present.shape and kept.dtype == present.dtype
    return is_alike and np.array(kept).tobytes() == present.tobytes()
