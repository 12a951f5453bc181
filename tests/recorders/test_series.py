"""Series: slices as NumPy's, arithmetic as NumPy's."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices

import dyn

SHAPE = (11, 4, 3)
KEYS = [
    0,
    -1,
    np.int64(3),
    slice(None),
    slice(2, 7),
    slice(-3, None),
    slice(None, None, 3),
    slice(None, None, -1),
    slice(8, 2, -2),
    slice(7, 2),
    slice(5, 1000),
    ...,
    None,
    (),
    (2, 1),
    (-1, -1, -1),
    (slice(None), 0),
    (slice(None), -1, slice(None, None, -1)),
    (slice(1, 3), ..., 0),
    (..., 1),
    (slice(None), None, 0),
    (0, slice(3, 1)),
    [0, 2, 5],
    [5, 2, 2, -1],
    np.array([1, -1]),
    np.arange(11) % 2 == 0,
    (slice(None), [2, 0]),
    (slice(None), [2, 2, 0]),
    (slice(2, 4), np.array([True, False, True, False])),
    (slice(None), [0, 1], [1, 0]),
    ([1, 2], [0, 1]),
    (np.array([[0, 1], [2, 3]]), 0),
    (0, [1, 0], slice(None)),
]


@pytest.fixture
def weight(recorded):
    with dyn.open(recorded) as recording:
        yield recording.parameters["weight"]


@pytest.fixture
def array(weight):
    return weight[:]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_a_slice_is_what_numpy_would_give(weight, array, key):
    found = weight[key]
    assert np.shape(found) == array[key].shape
    np.testing.assert_array_equal(found, array[key])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(basic_indices(SHAPE, allow_newaxis=True, allow_ellipsis=True))
def test_any_basic_index_is_what_numpy_would_give(weight, array, key):
    found = weight[key]
    assert np.shape(found) == array[key].shape
    np.testing.assert_array_equal(found, array[key])


@pytest.mark.parametrize("key", [11, -12, (0, 4), (0, 0, -4), [0, 11], (0, 0, 0, 0), "weight", 1.5], ids=str)
def test_what_numpy_refuses_is_refused(weight, array, key):
    with pytest.raises(IndexError):
        array[key]
    with pytest.raises(IndexError):
        weight[key]


def test_its_description(weight, array):
    assert (weight.shape, weight.ndim, weight.dtype, len(weight)) == (SHAPE, 3, np.float32, 11)
    assert weight.shape == array.shape
    assert "parameters/weight" in repr(weight)


OPERATIONS = [
    lambda s: s + 1,
    lambda s: 2 * s - s,
    lambda s: -s,
    lambda s: s > 0,
    lambda s: s == s,
    lambda s: np.square(s),
    lambda s: np.mean(s, axis=0),
    lambda s: np.maximum(s, np.zeros(3)),
    lambda s: np.add.reduce(s, axis=1),
    lambda s: np.stack([s, s]),
    lambda s: np.asarray(s, dtype=np.float64),
    lambda s: np.array(list(s)),
    lambda s: np.abs(s[2:]).max(),
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_arithmetic_is_numpys(weight, array, operation):
    found = operation(weight)
    assert not isinstance(found, type(weight))
    np.testing.assert_array_equal(found, operation(array))
    assert found.dtype == operation(array).dtype


@given(st.integers(0, 20), st.integers(0, 20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_two_series_together(recorded, start, stop):
    with dyn.open(recorded) as recording:
        loss, step = recording.scalars["loss"], recording.step
        np.testing.assert_array_equal((loss * step)[start:stop], loss[start:stop] * step[start:stop])


def test_a_group_is_a_mapping(recorded):
    with dyn.open(recorded) as recording:
        parameters = recording.parameters
        assert (set(parameters), len(parameters), "weight" in parameters) == ({"weight", "bias"}, 2, True)
        assert "weight (11, 4, 3)" in repr(parameters)
        with pytest.raises(KeyError, match="did you mean weight"):
            parameters["wieght"]
