"""Indexing of what is read in blocks: NumPy's answer, and no more read than was asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dyn.recorders.reading.indexing import as_slice, indexed

ARRAY = np.arange(7 * 5 * 4).reshape(7, 5, 4)


class Blocks:
    """Reads blocks of an array, and counts the numbers that it gave."""

    def __init__(self, array: np.ndarray):
        self.array = array
        self.count = 0

    def __call__(self, wanted: list[range]) -> np.ndarray:
        block = self.array[tuple(map(as_slice, wanted))]
        self.count += block.size
        return block


def taken(key, array=ARRAY):
    return indexed(key, array.shape, Blocks(array))


@given(arrays.basic_indices(ARRAY.shape, allow_newaxis=True))
def test_basic_indices_are_numpys(key):
    np.testing.assert_array_equal(taken(key), ARRAY[key])


@given(arrays.integer_array_indices(ARRAY.shape), st.booleans())
def test_lists_are_numpys(key, as_lists):
    if as_lists:
        key = tuple(each.tolist() for each in key)
    np.testing.assert_array_equal(taken(key), ARRAY[key])


@given(arrays.arrays(bool, st.sampled_from([(7,), (7, 5), (7, 5, 4)])))
def test_masks_are_numpys(mask):
    np.testing.assert_array_equal(taken(mask), ARRAY[mask])


MIXED = [
    (..., [0, 3]),
    ([6, 0, 6], slice(None, None, -2)),
    (2, ..., [1, 1]),
    ([True] * 3 + [False] * 4, 1),
    (slice(1, 6, 2), [[0], [4]], [1, 2]),
    ([], 0),
    (np.zeros(7, bool),),
    (None, [1], ..., None),
    np.int8(3),
    (),
    ...,
]


@pytest.mark.parametrize("key", MIXED, ids=repr)
def test_what_is_mixed_is_numpys(key):
    np.testing.assert_array_equal(taken(key), ARRAY[key])


@pytest.mark.parametrize(
    ("key", "most"),
    [
        (([0, 60], slice(None), [1]), 2 * 50),
        ((..., 2), 100 * 50),
        (np.arange(100) == 3, 50 * 4),
        ((slice(None), np.arange(50) % 49 == 0), 100 * 2 * 4),
        (([], slice(None)), 0),
    ],
    ids=repr,
)
def test_no_more_is_read_than_was_asked_for(key, most):
    blocks = Blocks(np.zeros((100, 50, 4)))
    indexed(key, blocks.array.shape, blocks)
    assert blocks.count <= most


def test_positions_that_lie_together_are_read_at_once():
    tall = np.arange(1000)
    calls = []
    indexed([1, 2, 4, 900, 901], tall.shape, lambda wanted: calls.append(wanted[0]) or tall[as_slice(wanted[0])])
    assert calls == [range(1, 5), range(900, 902)]


@pytest.mark.parametrize(
    "key", [7, -8, [0, 7], (0, 0, 0, 0), (..., ...), "weight", 1.5, [1.5], np.zeros(6, bool), (0, [5])], ids=repr
)
def test_what_numpy_refuses_is_refused(key):
    with pytest.raises(IndexError):
        _ = ARRAY[key]
    with pytest.raises(IndexError):
        taken(key)
