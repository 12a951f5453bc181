"""Answers put into the file of a recording that is closed, as the scalars and probes that they might have been."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import h5py
import numpy as np

from ...dynamics.errors import DynError, OutputExistsError, RecordingError
from ..file.creation import add_channel, add_scalar
from ..file.hdf5 import close_everywhere, dataset_at
from ..file.reader_lock import changing
from ..file.store import atomic_change
from ..reading.recording import Recording, snapshot_of
from ..ring.channels import array_channel, check_name
from ..ring.lock import claimed
from ..ring.paths import is_live

# An attribute of what was asked for afterwards, and may be replaced.
EVALUATED = "evaluated"


def check_saving(recording: Recording, names: Iterable[str], *, replace: bool) -> None:
    """Raise where answers of these names cannot be saved; touch nothing.

    RecordingError for a file that is being written or was not closed, OutputExistsError for a name that it has.
    """
    path = snapshot_of(recording).path
    if recording.status == "recording" or is_live(path):
        raise RecordingError(f"{recording.path} is still being written; save when its training has ended")
    if recording.status == "aborted":
        raise RecordingError(f"{recording.path} was not closed; run `dyn repair {recording.path}` first")
    for name in names:
        _check_free(recording, name, replace=replace)


def _check_free(recording: Recording, name: str, *, replace: bool) -> None:
    for kind, group in (("scalar", recording.scalars), ("probe", recording.probes)):
        if name not in group:
            check_name(name, group, where=kind)
        elif EVALUATED not in group[name].attrs:
            raise OutputExistsError(
                f"{recording.path} has a {kind} {name!r}, which its training recorded; choose another name"
            )
        elif not replace:
            raise OutputExistsError(
                f"{recording.path} has a {kind} {name!r} already, evaluated earlier; choose another name or replace it "
                '(save="replace", --force)'
            )


def save_answers(recording: Recording, answers: Mapping[str, np.ndarray], rows: np.ndarray, *, replace: bool) -> None:
    """Put answers (rows asked, *shape) into the file, all of them or nothing, whenever the process dies.

    The recording goes on reading, and knows them. Raises what check_saving() raises, and RecordingError where the file
    is no longer what was read, or answers that are replaced have another shape.
    """
    path, total = snapshot_of(recording).path, len(recording)

    def change(file: h5py.File) -> None:
        if len(dataset_at(file, "step")) != total or file.attrs.get("token") != snapshot_of(recording).token:
            raise RecordingError(f"{recording.path} was changed meanwhile; open it again, and ask again")
        for name, values in answers.items():
            _put(file, name, values, rows, replace=replace)

    try:
        with claimed(path), changing(path):
            _cut_off_readers(path)
            atomic_change(path, change)
    except DynError:
        raise
    except OSError as error:
        raise RecordingError(f"{recording.path} cannot be saved into: {error.strerror or error}") from error
    finally:
        snapshot_of(recording).take()


def _cut_off_readers(path: Path) -> None:
    """Close what this process has open of the file, whose readers open it again and see what is new."""
    close_everywhere(h5py.File(path, "r"))


def _put(file: h5py.File, name: str, values: np.ndarray, rows: np.ndarray, *, replace: bool) -> None:
    total, path = len(dataset_at(file, "step")), f"{'probes' if values.ndim > 1 else 'scalars'}/{name}"
    full = np.full((total, *values.shape[1:]), np.nan, values.dtype)
    full[rows] = values
    if path in file:
        dataset = dataset_at(file, path)
        if EVALUATED not in dataset.attrs or not replace:
            raise OutputExistsError(f"{name!r} was put into the file meanwhile; choose another name")
        if dataset.shape != full.shape:
            raise RecordingError(
                f"{name!r} was {dataset.shape[1:]} in each row and is {full.shape[1:]} now; choose another name"
            )
    elif values.ndim > 1:
        dataset = add_channel(file, array_channel("probes", name, full[0]), total)
    else:
        dataset = add_scalar(file, name, total)
    dataset[...] = full
    dataset.attrs[EVALUATED] = "after the training"
