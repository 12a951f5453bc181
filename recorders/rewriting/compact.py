"""Rewriting a recording so that it is read fast: the history of each feature in one piece, compressed if asked."""

import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from ...dynamics.errors import DynError, RecordingError
from ..file.checkpoint_log import add_checkpoints, checkpoint_log_path
from ..file.compression import filters_of
from ..file.drafts import created, draft_beside, put_on_disk, remove_stale
from ..file.hdf5 import dataset_at
from ..file.journal import put_in_place
from ..reading.opening import check_format, located, open_file
from ..reading.recording import Recording, open_recording, snapshot_of
from ..reading.series import Series
from ..ring.finding import find_ring, replacing
from ..ring.lock import claimed
from ..ring.paths import check_path, is_live, real
from ..ring.ring import State
from ..text import readable
from ..writing.repair import repair
from .chunking import Piece, compact_chunks, pieces
from .copying import arrays_of, fingerprint, make_skeleton, read, write

Progress = Callable[[Iterable[Any]], Iterable[Any]]

# Room for what HDF5 notes of chunks, and of each array.
_OVERHEAD, _NOTES = 1.05, 2**13


def compact(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    compression: str | None = None,
    overwrite: bool = False,
    progress: Progress = iter,
) -> Path:
    """Write a recording anew for fast reading, feature-major and compressed as asked; return where it is.

    It stays a recording of the same format, with all its rows, those in a ring too. Without *output* it takes the place
    of the original, in one instant, after every value was read back and compared; one that is compact already stays as
    it is. Memory is some 200 MB, however large the recording. *compression* is one of none, gzip, zstd and lz4, the
    last two of the extra [compression]; without it, what is compressed stays so in the same way. *progress*
    wraps the pieces that are written, and then those that are compared.

    Raises SettingError, OutputExistsError or MissingExtraError for arguments that cannot be used, RecordingError for
    what is no recording, for one that is still being written, and where the disk has too little room or fails.
    """
    if compression is not None:
        filters_of(compression)
    source, made = Path(path), Path(path if output is None else output)
    if is_live(source):
        raise RecordingError(f"{source} is still being written; end the training first")
    # A link stays a link: what it points to is replaced.
    target = real(made)
    if output is not None:
        check_path(target, overwrite=overwrite)
    with open_file(located(source)) as file:
        check_format(source, file)
    remove_stale(target)
    if made.exists() and made.samefile(source):
        _compact_in_place(target, compression, progress)
        return made
    with (
        open_recording(source) as recording,
        _draft_of(recording, target, compression, progress) as draft,
        replacing(target),
    ):
        put_in_place(draft, target)
    return made


def _compact_in_place(path: Path, compression: str | None, progress: Progress) -> None:
    repair(path)
    before = _identity(path)
    with open_recording(path) as recording:
        if _is_compact(recording, compression):
            return
        with _draft_of(recording, path, compression, progress) as draft, claimed(path):
            if _identity(path) != before:
                raise RecordingError(f"{path} was changed meanwhile, and stays as it is; compact it again")
            put_in_place(draft, path)


def _is_compact(recording: Recording, compression: str | None) -> bool:
    root = snapshot_of(recording).node("/")
    return (
        root is not None
        and "compacted" in root.attrs
        and root.attrs["compacted"] == _chosen(recording, compression)
        and all(
            series.chunks == compact_chunks(path, series.shape, series.dtype)
            for path, series in arrays_of(recording).items()
        )
    )


def _chosen(recording: Recording, compression: str | None) -> str:
    """Return the compression that was asked for, or else that of the recording."""
    root = snapshot_of(recording).node("/")
    if compression is None and root is not None:
        return str(root.attrs.get("compacted", "none"))
    return compression or "none"


def _room_for(recording: Recording) -> int:
    """Return how many bytes the chunks take, which are filled to their ends, and what HDF5 notes of them."""
    arrays, needed = arrays_of(recording), 0
    for path, series in arrays.items():
        chunks = compact_chunks(path, series.shape, series.dtype)
        filled = (math.ceil(size / part) * part for size, part in zip(series.shape, chunks, strict=True))
        needed += math.prod(filled) * series.dtype.itemsize
    needed += sum(math.prod(each.shape) * each.dtype.itemsize for each in recording.constants.values())
    return math.ceil(_OVERHEAD * needed) + _NOTES * (len(arrays) + 1)


def _check_room(recording: Recording, target: Path) -> None:
    """Raise RecordingError unless the disk has room for a second recording beside the first."""
    needed = _room_for(recording)
    free = shutil.disk_usage(target.absolute().parent).free
    if needed > free:
        raise RecordingError(
            f"{target} needs up to {readable(needed)}, beside the original, and its disk has {readable(free)} free; "
            "make room, or name an output on another disk"
        )


@contextmanager
def _draft_of(recording: Recording, target: Path, compression: str | None, progress: Progress) -> Iterator[Path]:
    """Write the compact recording, compare it, and give its path; it is deleted unless it was put in its place."""
    _check_room(recording, target)
    try:
        with draft_beside(target) as (draft, lock):
            with created(draft, lock, _room_for(recording)) as file:
                prints = _write(recording, file, _chosen(recording, compression), progress)
            _compare(draft, prints, progress)
            shutil.copymode(target if target.exists() else recording.path, draft)
            if os.name == "nt":
                lock.release()
            yield draft
    except DynError:
        raise
    except OSError as error:
        raise RecordingError(f"{target} cannot be written: {error.strerror or error}") from error


def _write(recording: Recording, file: h5py.File, compression: str, progress: Progress) -> list[tuple[Piece, int]]:
    """Write the whole recording to *file*; return the fingerprint of each piece."""
    arrays, prints = arrays_of(recording), []
    make_skeleton(recording, file, filters_of(compression))
    file.attrs.update({**_ending(recording), "compacted": compression})
    file.attrs.pop("ring", None)
    # One that was not closed has its checkpoints beside it still.
    source = snapshot_of(recording)
    add_checkpoints(file, checkpoint_log_path(source.path), str(source.token))
    for piece in progress([piece for path in arrays for piece in pieces(path, dataset_at(file, path))]):
        prints.append((piece, _copy(arrays[piece.path], piece, dataset_at(file, piece.path))))
    return prints


def _copy(series: Series, piece: Piece, dataset: h5py.Dataset) -> int:
    values = read(series, piece, dataset.chunks)
    write(dataset, piece, values)
    return fingerprint(values)


def _ending(recording: Recording) -> dict[str, Any]:
    """Return the attributes that repairing a recording would set; none for one that was closed in order."""
    root = snapshot_of(recording).node("/")
    if root is None or root.attrs["status"] != "recording":
        return {}
    ring = find_ring(snapshot_of(recording).path, str(root.attrs.get("token")), root.attrs.get("ring"))
    if ring is None:
        return {"status": "repaired"}
    return {"status": "complete" if ring.state is State.COMPLETE else "repaired", **ring.ending}


def _compare(draft: Path, prints: list[tuple[Piece, int]], progress: Progress) -> None:
    """Raise RecordingError unless every piece of *draft*, read from the disk, is what was written."""
    put_on_disk(draft)
    with open_recording(draft) as recording:
        arrays = arrays_of(recording)
        for piece, written in progress(prints):
            series = arrays[piece.path]
            if fingerprint(read(series, piece, series.chunks)) != written:
                raise RecordingError(
                    f"{piece.path} does not read back as it was written; the original stays as it is. Check the disk"
                )


def _identity(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
