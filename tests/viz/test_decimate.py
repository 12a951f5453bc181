"""Decimation keeps what a pixel column shows: the least and the greatest value in it."""

from itertools import pairwise

import numpy as np
import pytest

from dyn.viz.decimate import decimate


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
    edges = np.linspace(0, rows, 101).astype(int)
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
