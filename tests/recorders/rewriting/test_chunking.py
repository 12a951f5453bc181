"""Chunks of a compact recording: how large they are, and that the pieces they are written in make up the whole."""

import h5py
import numpy as np
import pytest

from dyn.recorders.rewriting.chunking import compact_chunks, pieces

F4, F8 = np.dtype(np.float32), np.dtype(np.float64)


@pytest.mark.parametrize(
    ("path", "shape", "dtype", "chunks"),
    [
        # A million rows of few features: 1 MiB of one of them at most, in four equal parts.
        ("features/W/norm", (1_000_000, 5), F4, (250_000, 1)),
        # Of many: 128 MiB of all of them at most, 13 421 rows of 10 kB.
        ("features/W/norm", (1_000_000, 2500), F4, (13_334, 1)),
        # Of very many: 1024 rows at least.
        ("features/W/norm", (10_240, 10, 100_000), F4, (1024, 1, 1)),
        # A short recording stays in rows.
        ("features/W/norm", (1023, 6), F4, (1024, 6)),
        # Matrices stay in rows, of up to 128 KiB.
        ("parameters/W", (1_000_000, 3, 6), F4, (1024, 3, 6)),
        ("parameters/W", (1_000_000, 30, 400), F4, (2, 30, 400)),
        ("parameters/W", (1_000_000, 3000, 4000), F4, (1, 3000, 4000)),
        ("parameters/b", (1_000_000, 400), F4, (81, 400)),
        ("scalars/loss", (1_000_000,), F8, (125_000,)),
        ("probes/loss_of_instance", (2000, 10), F8, (2000, 1)),
        ("probes/kernel", (2000, 10, 10), F8, (163, 10, 10)),
        ("step", (0,), np.dtype(np.int64), (1024,)),
        ("probes/none", (5000, 0), F8, (1024, 1)),
    ],
)
def test_chunks(path, shape, dtype, chunks):
    assert compact_chunks(path, shape, dtype) == chunks


@pytest.mark.parametrize("slab", [1, 100, 1000, 10_000, 10**9])
@pytest.mark.parametrize(
    ("shape", "chunks"), [((50, 4, 6), (7, 1, 1)), ((50, 4, 6), (7, 4, 6)), ((50,), (7,)), ((0, 3), (7, 1))]
)
def test_pieces_cover_every_element_once_in_whole_chunks(monkeypatch, slab, shape, chunks):
    monkeypatch.setattr("dyn.recorders.rewriting.chunking._SLAB_BYTES", slab)
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        found = list(pieces("x", file.create_dataset("x", shape, F4, chunks=chunks, maxshape=(None, *shape[1:]))))
    times = np.zeros(shape, int)
    for piece in found:
        times[piece.key] += 1
        assert piece.rows.start % chunks[0] == 0
        if chunks[1:] == (1, 1):
            assert times[piece.key].size * F4.itemsize <= max(slab, chunks[0] * F4.itemsize)
    assert (times == 1).all()
