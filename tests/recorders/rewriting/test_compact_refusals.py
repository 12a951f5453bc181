"""What compact refuses, and what fails: one error says so, and everything stays as it was."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import dyn
from dyn.dynamics.errors import MissingExtraError, RecordingError, SettingError
from dyn.recorders.rewriting import compact as module
from dyn.recorders.rewriting.compact import compact


def test_a_recording_that_is_being_written_is_refused(regression, path, tmp_path):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(3, recorder)
        for output in (None, tmp_path / "made.h5"):
            with pytest.raises(RecordingError, match=r"run\.h5 is still being written; end the training first"):
                compact(path, output)
    assert len(dyn.open(path)) == 4


def foreign(path: Path) -> None:
    h5py.File(path, "w").close()


def of_a_sweep(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "learning-dynamics-sweep"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (foreign, "no recording"),
        (of_a_sweep, "result of a sweep and no recording"),
        (lambda path: path.write_text("step,loss"), "not an HDF5 file"),
        (lambda _: None, "does not exist"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path, make, message):
    make(tmp_path / "x.h5")
    before = [(each.name, each.read_bytes()) for each in tmp_path.iterdir()]
    with pytest.raises(RecordingError, match=message):
        compact(tmp_path / "x.h5")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == before


def test_a_disk_without_room_is_told_before_anything_is_written(recorded, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1000))
    with pytest.raises(RecordingError, match=r"needs up to [\d.]+ kB, .* has 1 kB free; make room, or name an output"):
        compact(recorded)


def no_space(*_: Any) -> None:
    raise OSError(28, "No space left on device")


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def changed_bits(series: Any, piece: Any, chunks: Any, *, read: Callable[..., Any] = module.read) -> np.ndarray:
    values = read(series, piece, chunks)
    return values + 1 if "compact" in str(series._source.path) and piece.path == "parameters/weight" else values


@pytest.mark.parametrize(
    ("name", "action", "error", "message"),
    [
        ("write", no_space, RecordingError, "cannot be written: No space left"),
        ("write", interrupt, KeyboardInterrupt, None),
        ("read", changed_bits, RecordingError, "parameters/weight does not read back as it was written"),
    ],
)
def test_whatever_fails_leaves_what_was_there(recorded, tmp_path, monkeypatch, name, action, error, message):
    before = recorded.read_bytes()
    monkeypatch.setattr(module, name, action)
    with pytest.raises(error, match=message):
        compact(recorded)
    assert recorded.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["run.h5"]


def test_a_recording_that_goes_on_meanwhile_is_not_replaced(recorded, monkeypatch):
    compare = module._compare

    def meanwhile(*arguments: Any) -> None:
        compare(*arguments)
        os.utime(recorded, (0, 0))

    monkeypatch.setattr(module, "_compare", meanwhile)
    with pytest.raises(RecordingError, match="was changed meanwhile"):
        compact(recorded)
    with h5py.File(recorded) as file:
        assert "compacted" not in file.attrs


def test_an_unknown_compression_and_a_missing_extra_are_told(recorded, monkeypatch):
    with pytest.raises(SettingError, match="unknown compression 'gzpi'; did you mean gzip"):
        compact(recorded, compression="gzpi")
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    with pytest.raises(MissingExtraError, match=r"compression='zstd' needs the extra \[compression\]: pip install"):
        compact(recorded, compression="zstd")
