"""Outputs: whether one can be put at a path, and how it gets there whole or not at all, a file or a folder."""

import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..dynamics.errors import OutputExistsError, RecordingError, SettingError

# What is at the root of every Zarr hierarchy, of format 3 and 2, and what files it has besides: other metadata and
# chunks, called by their numbers.
_ROOTS = ("zarr.json", ".zgroup", ".zarray")
_OF_ZARR = re.compile(r"zarr\.json|\.zgroup|\.zarray|\.zattrs|\.zmetadata|c|(c\.)?\d+(\.\d+)*")
_TRIES, _PAUSE = 20, 0.05


def check_output(
    path: str | os.PathLike[str], suffixes: Sequence[str] = (), *, overwrite: bool, as_folder: bool = False
) -> Path:
    """Return *path* if an output can be put there; touch nothing.

    A folder is replaced only if it is empty, or a Zarr hierarchy that holds nothing else. Raises SettingError for a
    suffix that is none of *suffixes*, where there are any, OutputExistsError for what is there already and is not
    replaced, RecordingError for a folder to write in that is not there or is read-only.
    """
    path = Path(path)
    if suffixes and path.suffix.lower() not in suffixes:
        raise SettingError(f"{path}: nothing is known of the suffix {path.suffix!r}; use {', '.join(suffixes)}")
    if path.is_dir() and not as_folder:
        raise OutputExistsError(f"{path} is a directory; name a file")
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OutputExistsError(f"{path} is a device or a pipe, which no file may replace; name a file")
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists already; choose another path or replace it (overwrite=True)")
    if path.is_dir() and any(path.iterdir()) and not any((path / name).exists() for name in _ROOTS):
        raise OutputExistsError(f"{path} is a directory of other files, which is not replaced; choose another path")
    foreign = _foreign(path)
    if foreign is not None:
        raise OutputExistsError(f"{path} holds {foreign}, which is not Zarr's; move it away or choose another path")
    if not path.parent.is_dir():
        raise RecordingError(f"{path.parent} is no directory to write {path.name} in; create it first")
    if not os.access(path.parent, os.W_OK):
        folder = path.parent.resolve()
        raise RecordingError(f"{path} cannot be written: the folder {folder} is read-only for you; choose another one")
    return path


@contextmanager
def replaced_when_done(path: Path) -> Iterator[Path]:
    """Give a draft beside *path* that takes its place at the end, and vanishes when anything goes wrong before.

    Where *path* is a link, what it leads to is replaced. No two drafts have one name, whichever process makes them.
    """
    # Its own suffix may say what is written, whatever that of the target is.
    path, suffix = path.resolve(), path.suffix
    draft = path.with_name(f".{path.stem}.{uuid.uuid4().hex}{suffix}")
    old = draft.with_name(f"{draft.name}.old")
    try:
        yield draft
        # A folder takes the place of nothing but an empty one.
        if draft.is_dir() and path.exists():
            path.rename(old)
        draft.replace(path)
    finally:
        # Before anything is removed, one of the two is in place.
        if old.exists() and not path.exists():
            old.rename(path)
        for each in (draft, old):
            _remove(each)


def _foreign(folder: Path) -> Path | None:
    """Return the first file or link in a folder that Zarr does not write, relative to it."""
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if Path(place, name).is_symlink()]
        others = [name for name in files if not _OF_ZARR.fullmatch(name)]
        if links or others:
            return Path(place, min(links + others)).relative_to(folder)
    return None


def _remove(path: Path) -> None:
    """Remove a file or a folder; what cannot be removed stays, rather than hide why it had to go."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    # Threads of an export that was interrupted may go on writing for a moment.
    for _ in range(_TRIES):
        shutil.rmtree(path, ignore_errors=True)
        time.sleep(_PAUSE)
        if not path.exists():
            return
