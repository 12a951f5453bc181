"""Signals larger than memory: what is read at a time, how often, and that nothing depends on it."""

from functools import partial
from typing import Any

import h5py
import numpy as np
import pytest

from dyn.dynamics.jumps import detect_jumps
from dyn.dynamics.jumps.changes import find_changes
from dyn.dynamics.levels import find_levels, occupancy
from dyn.dynamics.motion.regimes import find_regimes
from dyn.dynamics.signals import pieces, sliceable, stripes, tiles
from dyn.dynamics.synthetic.trajectories import Plan, plant


class Noted:
    """An array that is read when it is sliced, and notes the bytes of each slice and how often each value is read."""

    def __init__(self, values: np.ndarray, chunks: tuple[int, ...] | None = None):
        self.shape, self.dtype, self.ndim, self.chunks = values.shape, values.dtype, values.ndim, chunks
        self.bytes: list[int] = []
        self.times = np.zeros(values.shape, int)
        self._values = values

    def __getitem__(self, key: Any) -> np.ndarray:
        self.times[key] += 1
        self.bytes.append(self._values[key].nbytes)
        return self._values[key].copy(order="K")


@pytest.fixture
def few_bytes(monkeypatch):
    """A function that gives the stripes and the pieces of every analysis room for so many bytes."""

    def give(most_bytes: int) -> None:
        for place in ("jumps.changes.stripes", "signals.stripes"):
            monkeypatch.setattr(f"dyn.dynamics.{place}", partial(stripes, most_bytes=most_bytes))
        monkeypatch.setattr("dyn.dynamics.motion.regime_signals.pieces", partial(pieces, most_bytes=most_bytes))
        monkeypatch.setattr("dyn.dynamics.levels._TILE_BYTES", most_bytes)

    return give


def signal_of(rows: int, dtype: str) -> np.ndarray:
    """Return a signal of seven features that jump, with every kind of gap that there is; (rows, 7)."""
    signal = plant(Plan(rows=max(rows, 100), features=7, events=4, noise=1 / 5), seed=3).signal[:rows]
    # Sums of rounded values are exact, in whatever order they are added.
    signal = (signal + np.random.default_rng(0).normal(0, 1e-9, signal.shape)).astype(dtype)
    signal[rows // 3 : rows // 3 + 2] = np.nan
    signal[: rows // 20, 1] = np.nan
    signal[:, 2] = np.nan
    signal[rows // 2, 3], signal[-1, 4] = np.inf, -np.inf
    return signal


def told(signal: Any) -> str:
    """Return all that is found in a signal, to the last bit."""
    step = 3 * np.arange(signal.shape[0])
    return repr([find_changes(signal, step), find_levels(signal, step), occupancy(signal).tolist()])


@pytest.mark.parametrize(
    ("rows", "dtype"), [(1, "float32"), (5, "float64"), (511, "float16"), (513, "float32"), (2000, "float64")]
)
def test_what_is_found_does_not_depend_on_the_stripes(rows, dtype, few_bytes):
    signal = signal_of(rows, dtype)
    whole = told(signal)
    for width, laid_out in ((1, np.ascontiguousarray), (2, np.asfortranarray), (3, np.ascontiguousarray)):
        few_bytes(2 * width * signal[:, 0].nbytes)
        assert told(Noted(laid_out(signal))) == whole


def test_what_is_found_in_a_long_run_does_not_depend_on_the_stripes(few_bytes):
    signal = signal_of(100_000, "float64")
    whole = told(signal)
    assert len(find_changes(signal, np.arange(len(signal)))) >= 4
    few_bytes(2 * 3 * signal[:, 0].nbytes)
    assert told(Noted(np.asfortranarray(signal))) == whole


def test_a_gap_in_one_feature_leaves_the_others_as_they_are():
    signal = plant(Plan(rows=1030, features=4, events=3), seed=1).signal
    alone = find_changes(signal[:, 1:], np.arange(1030))
    # The last row fills no block, so that no mean tells of what is missing there.
    signal[[500, -1], 0] = np.nan
    assert [change for change in find_changes(signal, np.arange(1030)) if change.feature] == [
        type(change)(**{**vars(change), "feature": change.feature + 1}) for change in alone
    ]


def test_an_array_in_memory_is_one_stripe_and_no_copy():
    signal = np.zeros((1000, 9))
    ((columns, values),) = stripes(signal, most_bytes=10)
    assert (columns, np.shares_memory(values, signal)) == (slice(0, 9), True)


def test_a_stripe_is_whole_chunks_where_these_have_room():
    signal = Noted(np.zeros((100, 23), np.float32), chunks=(50, 4))
    # Two stripes of nine columns would have room, and two chunks are eight columns.
    found = [columns for columns, _ in stripes(signal, most_bytes=2 * 9 * 400)]
    assert found == [slice(0, 8), slice(8, 16), slice(16, 23)]
    assert max(signal.bytes) <= 9 * 400
    assert (signal.times == 1).all()


def test_what_has_room_is_one_stripe():
    signal = Noted(np.zeros((100, 23), np.float32), chunks=(10, 23))
    assert len([*stripes(signal, most_bytes=100 * 23 * 4)]) == 1


def test_a_signal_without_features_has_no_stripes():
    assert detect_jumps(Noted(np.zeros((100, 0)))) == []


def test_what_goes_wrong_while_a_stripe_is_read_ahead_is_raised():
    class Broken(Noted):
        def __getitem__(self, key):
            if self.bytes:
                raise OSError("the disk is gone")
            return super().__getitem__(key)

    with pytest.raises(OSError, match="the disk is gone"):
        list(stripes(Broken(np.zeros((100, 4))), most_bytes=1600))


def test_pieces_are_whole_chunks_within_the_bytes():
    signal = Noted(np.arange(300.0).reshape(100, 3), chunks=(8, 3))
    found = [*pieces(signal, most_bytes=20 * 24)]
    assert [rows for rows, _ in found][:2] == [slice(0, 16), slice(16, 32)]
    assert max(signal.bytes) <= 20 * 24
    np.testing.assert_array_equal(np.concatenate([values for _, values in found]), np.arange(300.0).reshape(100, 3))


@pytest.mark.parametrize("chunks", [None, (8, 12), (100, 2)])
def test_tiles_read_every_value_once(chunks, few_bytes):
    few_bytes(4000)
    signal = Noted(np.ones((100, 12)), chunks)
    assert sum(values.sum() for _, values in tiles(signal, most_bytes=1000)) == 1200
    assert max(signal.bytes) <= 4000
    assert (signal.times == 1).all()


@pytest.mark.parametrize("look", [detect_jumps, find_levels, occupancy])
def test_an_analysis_reads_every_value_once_and_no_more_than_has_room(look, few_bytes):
    few_bytes(2 * 1000 * 8 * 3)
    signal = Noted(np.asfortranarray(plant(Plan(rows=1000, features=8, events=3), seed=0).signal), chunks=(1000, 1))
    look(signal)
    assert max(signal.bytes) <= 1000 * 8 * 3
    assert (signal.times == 1).all()


def test_regimes_read_every_row_once_and_no_more_than_has_room(few_bytes):
    W = np.random.default_rng(0).normal(size=(700, 2, 3)).cumsum(axis=0)
    whole = find_regimes(W)
    few_bytes(50 * W[0].nbytes)
    signal = Noted(W, chunks=(16, 2, 3))
    # Parts that lie in two pieces are sums of two sums.
    assert [(each.start, each.end, each.kind) for each in find_regimes(signal)] == [
        (each.start, each.end, each.kind) for each in whole
    ]
    assert max(signal.bytes) <= 50 * W[0].nbytes
    assert (signal.times == 1).all()


def test_a_value_that_is_not_finite_is_found_in_whatever_piece_it_is(few_bytes):
    W = np.ones((700, 2, 3))
    W[500, 1, 1] = np.inf
    few_bytes(50 * W[0].nbytes)
    with pytest.raises(ValueError, match="W holds a value that is not finite"):
        find_regimes(Noted(W))


@pytest.mark.parametrize("chunks", [(600, 1), (16, 8)])
def test_a_dataset_of_a_file_is_told_as_its_values_are(chunks, tmp_path, few_bytes):
    signal = plant(Plan(rows=600, features=8, events=3), seed=0).signal
    few_bytes(2 * 600 * 8 * 3)
    with h5py.File(tmp_path / "signal.h5", "w") as file:
        dataset = file.create_dataset("signal", data=signal, chunks=chunks)
        assert told(dataset) == told(signal)


@pytest.mark.parametrize("look", [detect_jumps, find_levels, occupancy])
def test_a_signal_of_another_shape_is_refused_unread(look):
    signal = Noted(np.zeros((10, 2, 3)))
    with pytest.raises(ValueError, match="must have shape"):
        look(signal)
    assert signal.bytes == []


def test_a_list_is_an_array_and_a_dataset_is_itself():
    signal = Noted(np.zeros((2, 2)))
    assert sliceable(signal) is signal
    np.testing.assert_array_equal(sliceable([[1, 2], [3, 4]]), [[1, 2], [3, 4]])


def test_a_small_jump_on_a_large_offset_is_not_lost():
    # A float32 near 1000 has steps of 6e-5; a sum of single precision would lose more than the jump.
    rows = np.arange(200_000)
    signal = (1000 + 0.1 * (rows >= 100_000)).astype(np.float32)[:, None]
    (change,) = find_changes(signal, rows)
    assert (change.start, change.end) == (99_999, 100_000)
    assert change.after - change.before == pytest.approx(0.1, abs=1e-4)
