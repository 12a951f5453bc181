"""Sealed files: what a task left, whole or not there at all, in a folder that every worker reaches."""

import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from io import BufferedWriter
from pathlib import Path
from typing import Any

import numpy as np

from ...dynamics.errors import RecordingError
from ..outputs import replaced_when_done


class SealedFolder:
    """The sealed results of a sweep's tasks, and why others failed; made when it is first written to."""

    def __init__(self, path: Path):
        self.path = path

    def make(self) -> None:
        """Make the folder, if it is not there; RecordingError where that cannot be."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecordingError(f"{self.path} cannot be made: {error.strerror or error}") from error

    def has(self, name: str) -> bool:
        """Whether the task of that name is done."""
        return self._result(name).exists()

    def seal(self, name: str, arrays: Mapping[str, Any]) -> None:
        """Keep what a task left."""
        self._write(self._result(name), lambda file: np.savez(file, **arrays))

    def read(self, name: str) -> dict[str, np.ndarray]:
        """Return what a task left."""
        with np.load(self._result(name)) as arrays:
            return dict(arrays)

    def fail(self, name: str, reason: str) -> None:
        """Keep why a task failed."""
        self._write(self._note(name), lambda file: file.write(json.dumps(reason).encode()))

    def failure(self, name: str) -> str | None:
        """Return why a task failed; None where it did not."""
        note = self._note(name)
        return None if self.has(name) or not note.exists() else json.loads(note.read_bytes())

    def forgive(self, names: Iterable[str]) -> None:
        """Forget failures, so that the tasks are tried again."""
        for name in names:
            self._note(name).unlink(missing_ok=True)

    def drop_damaged(self, names: Iterable[str]) -> None:
        """Remove what a failing disk or a careless copy left unreadable, so that these tasks run again."""
        for name in names:
            for file, check in ((self._result(name), _check_result), (self._note(name), _check_note)):
                try:
                    check(file)
                except FileNotFoundError:
                    continue
                except (ValueError, zipfile.BadZipFile, zlib.error):
                    file.unlink()

    def discard(self, names: Iterable[str]) -> None:
        """Remove what there is of the tasks of these names, and the folder if nothing else is in it."""
        for name in names:
            # What a worker was writing when it was killed has a dot in front.
            for file in [*self.path.glob(f"{name}.*"), *self.path.glob(f".{name}.*")]:
                file.unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()

    def _result(self, name: str) -> Path:
        return self.path / f"{name}.npz"

    def _note(self, name: str) -> Path:
        return self.path / f"{name}.failed"

    def _write(self, path: Path, write: Callable[[BufferedWriter], object]) -> None:
        """Write a file that is there with all its content or not at all, whenever the process or the machine dies."""
        self.make()
        try:
            with replaced_when_done(path) as draft, draft.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise RecordingError(
                f"{self.path} cannot be written: {error.strerror or error}; what is sealed there is kept, "
                "and the same command goes on with it"
            ) from error


def _check_result(file: Path) -> None:
    with zipfile.ZipFile(file) as members:
        # Every member is read and held to its checksum, a piece at a time.
        if members.testzip() is not None:
            raise zipfile.BadZipFile


def _check_note(file: Path) -> None:
    json.loads(file.read_bytes())
