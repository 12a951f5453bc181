"""An output that is there whole or not at all, whether it is a file or a folder."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...dynamics.errors import OutputExistsError, RecordingError

# What is in every folder of a Zarr hierarchy, of format 3 and 2.
_OF_ZARR = ("zarr.json", ".zgroup", ".zarray")


def check_output(path: Path, *, as_folder: bool, overwrite: bool) -> None:
    """Raise OutputExistsError or RecordingError where the output cannot be put at *path*; touch nothing.

    A folder is replaced only if it is empty or a Zarr hierarchy.
    """
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists already; choose another path or replace it (overwrite=True, --force)")
    if path.is_dir() and not as_folder:
        raise OutputExistsError(f"{path} is a directory; name a file")
    if path.is_dir() and any(path.iterdir()) and not any((path / name).exists() for name in _OF_ZARR):
        raise OutputExistsError(f"{path} is a directory of other files, which is not replaced; choose another path")
    if not path.parent.is_dir():
        raise RecordingError(f"{path.parent} is no directory to write {path.name} in; create it first")


@contextmanager
def replaced_when_done(path: Path) -> Iterator[Path]:
    """Give a draft beside *path* that takes its place at the end, and vanishes when anything goes wrong before."""
    draft = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    old = draft.with_suffix(f"{path.suffix}.old")
    try:
        yield draft
        # A folder takes the place of nothing but an empty one.
        if draft.is_dir() and path.exists():
            path.rename(old)
        draft.replace(path)
    finally:
        for each in (draft, old):
            _remove(each)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
