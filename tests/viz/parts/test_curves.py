"""Decimation keeps what a pixel column shows: the least and the greatest value in it."""

from itertools import pairwise

import numpy as np
import pytest

from dyn.viz.parts import curves as module
from dyn.viz.parts.curves import decimate, outline, running_mean, trend

BUDGET = 2**14


class Filed:
    """An array in a file of chunks of this shape, which notes what is asked of it."""

    def __init__(self, values: np.ndarray, chunks: tuple[int, ...]):
        self.shape, self.dtype, self.ndim, self.chunks = values.shape, values.dtype, values.ndim, chunks
        self._values = values
        self.sizes: list[int] = []

    def __getitem__(self, key):
        self.sizes.append(self._values[key].nbytes)
        return self._values[key]


def test_few_rows_come_back_as_they_are():
    x, y = np.arange(10), np.random.default_rng(0).normal(size=(10, 3))
    kept_x, kept_y = decimate(x, y, bins=5)
    assert kept_x is x
    assert kept_y is y


@pytest.mark.parametrize("rows", [1001, 1_234, 50_000])
def test_extremes_of_every_bin_survive(rows):
    x, y = np.arange(rows), np.random.default_rng(0).normal(size=(rows, 4))
    y[rows // 3, 2] = 99
    kept_x, kept_y = decimate(x, y, bins=100)
    assert kept_y.shape == (200, 4)
    assert kept_x[0] == 0
    assert kept_x[-1] == rows - 1
    assert (np.diff(kept_x) >= 0).all()
    # The hundred bins are equal stretches of the axis, which ends at the last row.
    edges = [*np.searchsorted(x, np.linspace(0, rows - 1, 101)[:-1]).tolist(), rows]
    for k, (start, stop) in enumerate(pairwise(edges)):
        np.testing.assert_array_equal(kept_y[2 * k], y[start:stop].min(axis=0))
        np.testing.assert_array_equal(kept_y[2 * k + 1], y[start:stop].max(axis=0))


def test_nan_is_left_out_unless_there_is_nothing_else():
    y = np.arange(1000.0)
    y[100:105] = np.nan
    y[500:600] = np.nan
    _, kept = decimate(np.arange(1000), y, bins=100)
    assert np.isnan(kept).sum() == 20
    assert kept[20:22].tolist() == [105, 109]


@pytest.mark.parametrize("chunks", [(64, 40), (2048, 1)], ids=["by rows", "by features"])
def test_a_file_is_read_once_and_in_parts(monkeypatch, chunks):
    monkeypatch.setattr(module, "_MOST_BYTES", BUDGET)
    x, values = np.arange(2048), np.random.default_rng(1).normal(size=(2048, 40)).astype(np.float32)
    values[::7, 3] = np.nan
    rows = [0, 5, 1000, 2047]
    filed = Filed(values, chunks)
    told = outline(x, filed, 30, rows)
    # Twenty times what is read at a time; either chunk has room in it.
    assert values.nbytes == 20 * BUDGET == sum(filed.sizes)
    assert max(filed.sizes) <= BUDGET
    np.testing.assert_array_equal(told.rows, values[rows])
    for found, known in zip(told[:2], decimate(x, values, 30), strict=True):
        np.testing.assert_array_equal(found, known)


def test_bins_are_equal_on_a_logarithmic_axis():
    x = np.arange(1, 100_001)
    kept_x, kept_y = decimate(x, x % 7, bins=100, scale=np.log10)
    # Of the first bins some hold no row: the first decade has 9 rows for 20 bins, and all of them are kept.
    assert set(range(1, 10)) <= set(kept_x.tolist())
    assert (np.diff(np.log10(kept_x[::2])) < 0.31).all()
    assert (kept_y[-2:] == [0, 6]).all()


def test_rows_at_uneven_steps_keep_their_places():
    x = np.concatenate([np.arange(1000), 10**6 + np.arange(1000)])
    kept_x, kept_y = decimate(x, np.sin(x), bins=100)
    assert kept_x.tolist() == [0, 500, 10**6 + 500, 10**6 + 999]
    assert kept_y.min() == np.sin(x).min()


@pytest.mark.parametrize("rows", [10, 500, 10_000])
def test_running_mean(rows):
    values = np.random.default_rng(1).normal(size=rows)
    values[rows // 2] = np.nan
    x, means = running_mean(np.arange(rows), values, window=7, count=200)
    assert len(x) == min(rows, 200)
    for row, mean in zip(x, means, strict=True):
        window = values[max(0, row - 3) : row + 4]
        # 1e-12: the rounding of a sum of seven.
        assert mean == pytest.approx(np.nanmean(window), abs=1e-12)


def test_running_mean_of_a_small_loss_behind_a_large_one():
    values = np.concatenate([np.full(1000, 1e20), np.full(9000, 1e-3)])
    _, means = running_mean(np.arange(10_000), values, window=10)
    assert means[-1] == pytest.approx(1e-3)


def test_too_little_known_is_missing():
    values = np.full(100, np.nan)
    values[50] = 1.0
    assert np.isnan(running_mean(np.arange(100), values, window=10)[1]).all()


def column_extents(x: np.ndarray, y: np.ndarray, columns: int) -> np.ndarray:
    """Return the least and the greatest value that is drawn in each pixel column, (columns, 2)."""
    column = np.searchsorted(np.linspace(x[0], x[-1], columns + 1)[1:-1], x, side="right")
    return np.array([[y[column == k].min(), y[column == k].max()] for k in range(columns)])


def test_the_picture_is_that_of_all_rows_in_every_pixel_column():
    rows = 40_000
    x, y = np.arange(rows), np.sin(np.linspace(0, 6, rows)) + 0.3 * np.random.default_rng(2).normal(size=rows)
    drawn = decimate(x, y, bins=800)
    assert len(drawn[0]) == 1600
    np.testing.assert_array_equal(column_extents(*drawn, columns=400), column_extents(x, y, columns=400))


def test_a_loss_that_is_logged_now_and_then_has_a_trend():
    step = np.arange(1000)
    loss = np.where(step % 10 == 0, 2.0, np.nan)
    x, y, label = trend(step, loss)
    assert label == "minibatch loss"
    np.testing.assert_array_equal(x, step[::10])
    np.testing.assert_array_equal(y, 2.0)
