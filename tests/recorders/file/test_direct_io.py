"""Large rows written straight to the disk: the same bytes in the file, whichever way they took."""

import errno
import os
from collections import Counter
from itertools import pairwise
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.recorders.file import direct_io
from dyn.recorders.file.creation import create_file
from dyn.recorders.file.direct_io import DirectWriter
from dyn.recorders.file.store import Store
from dyn.recorders.ring.channels import Block, array_channel
from dyn.recorders.ring.layout import LARGE, PAGE

# A weight of 512 KB, which is whole pages, beside one of 250 KB that is not, and two small ones.
SIZES = (256, 512, 125)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(*(nn.Linear(n, m) for n, m in pairwise(SIZES)))


@pytest.fixture
def writes(monkeypatch):
    """How many bytes went directly to the disk, by whether they could."""
    counted = Counter()
    write = DirectWriter.write

    def count(self, dataset, row, values):
        done = write(self, dataset, row, values)
        counted[done] += values.nbytes
        return done

    monkeypatch.setattr(DirectWriter, "write", count)
    return counted


def with_pwrite(pwrite) -> SimpleNamespace:
    """The module os with another pwrite, for whoever writes directly and nobody else."""
    return SimpleNamespace(**{**vars(os), "pwrite": pwrite})


def record(model: nn.Module, path, rows: int = 7) -> list[dict[str, torch.Tensor]]:
    """Record states that differ in every row; return them."""
    states = []
    with dyn.attach(model, None, path, writer="inline") as recorder:
        for k in range(rows):
            with torch.no_grad():
                for p in model.parameters():
                    p.add_(k + torch.rand(p.shape))
            states.append({name: p.clone() for name, p in model.state_dict().items()})
            if k < rows - 1:
                recorder.step(loss=float(k))
    return states


def check(path, states) -> None:
    """Hold the file, as plain h5py reads it, to the states."""
    with h5py.File(path) as file:
        for name in states[0]:
            np.testing.assert_array_equal(file[f"parameters/{name}"][:], np.stack([s[name].numpy() for s in states]))


def test_every_byte_is_in_the_file(model, path, writes):
    check(path, record(model, path))
    if hasattr(os, "O_DIRECT"):
        # The matrix of whole pages, in each of the seven rows; the other one is never.
        assert writes[True] in (0, 7 * 4 * 256 * 512)
    assert writes[False] >= 7 * 4 * 512 * 125


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EFAULT, errno.ENOTSUP])
def test_a_file_system_that_cannot_is_written_to_as_ever(model, path, writes, monkeypatch, code):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(direct_io, "os", with_pwrite(refuse))
    check(path, record(model, path))
    assert writes[True] == 0


def test_a_system_without_the_flag_is_written_to_as_ever(model, path, writes, monkeypatch):
    monkeypatch.setattr(direct_io, "os", SimpleNamespace(open=os.open, O_WRONLY=os.O_WRONLY))
    check(path, record(model, path))
    assert writes[True] == 0


def test_writes_that_stop_short_go_on(model, path, monkeypatch):
    pwrite = os.pwrite
    monkeypatch.setattr(direct_io, "os", with_pwrite(lambda fd, source, at: pwrite(fd, source[: 16 * PAGE], at)))
    check(path, record(model, path))


def test_a_full_disk_ends_the_recording_with_its_rows(model, path, monkeypatch):
    if not hasattr(os, "O_DIRECT"):
        pytest.skip("there is no O_DIRECT here")
    pwrite, left = os.pwrite, [3]

    def until_full(fd, source, at):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(fd, source, at)

    monkeypatch.setattr(direct_io, "os", with_pwrite(until_full))
    with pytest.warns(RuntimeWarning, match="No space left"):
        states = record(model, path)
    with dyn.open(path) as recording:
        rows = len(recording)
        # What the disk did not take is in the ring still.
        assert rows >= 3
        np.testing.assert_array_equal(
            recording.parameters["0.weight"][:], np.stack([s["0.weight"].numpy() for s in states[:rows]])
        )


def test_rows_are_where_they_can_be_taken_from(model, path):
    with dyn.attach(model, None, path, writer="inline") as recorder:
        ring = recorder._ring
        large = [c for c in ring.layout.channels if c.nbytes >= LARGE]
        assert large
        assert all(ring.rows[c.path].ctypes.data % PAGE == 0 for c in large)
        assert ring.row_bytes % PAGE == 0


def test_a_large_parameter_that_is_not_recorded_at_first_has_its_fill_value(path):
    """A dataset whose rows come late is not left with whatever the disk had there."""
    late = array_channel("probes", "late", np.zeros(LARGE, np.float32))
    create_file(path, [], ["loss"], config="{}", token="abc")
    store = Store(path)
    store.append(Block(np.arange(2), np.zeros(2), {"loss": np.zeros(2)}, {}))
    store.add_channel(late, {})
    row = np.ones((1, LARGE), np.float32)
    store.append(Block(np.array([2]), np.zeros(1), {"loss": np.zeros(1)}, {late.path: row}))
    store.append(Block(np.array([3]), np.zeros(1), {"loss": np.zeros(1)}, {}))
    store.close("complete")
    with h5py.File(path) as file:
        values = file[late.path][:]
    assert np.isnan(values[[0, 1, 3]]).all()
    assert (values[2] == 1).all()
