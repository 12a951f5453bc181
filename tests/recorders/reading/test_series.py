"""Series: slices as NumPy's, arithmetic as NumPy's, wherever the rows are."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices

import dyn
from dyn.dynamics.errors import RecordingError
from dyn.recorders.reading.recording import snapshot_of
from dyn.recorders.reading.series import Series, patiently

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


# How many of the eleven rows are in the file, by the size of the ring; the others are still in it.
RINGS = {"file": 1, "both": 4, "ring": 100}


@pytest.fixture(scope="module", params=RINGS)
def held(request, make_regression, tmp_path_factory) -> Iterator[tuple[dyn.Recording, list[np.ndarray]]]:
    """A recording of eleven rows, in the file, in the ring, or in both, and the weights that it should have."""
    path = tmp_path_factory.mktemp("held") / "run.h5"
    run, weights = make_regression(), []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_RING_ROWS", "_LEAST_ROWS"):
            patch.setattr(f"dyn.recorders.writing.start.{name}", RINGS[request.param])
        recorder = dyn.attach(run.model, run.optimizer, path, writer="inline")
    for _ in range(10):
        weights.append(run.state()[0])
        run.step(recorder)
    weights.append(run.state()[0])
    if request.param == "file":
        recorder.close()
    else:
        run.step(recorder)
    with dyn.open(path) as recording:
        assert snapshot_of(recording).filed == {"file": 11, "both": 8, "ring": 0}[request.param]
        yield recording, weights
    recorder.close()


@pytest.fixture(scope="module")
def weight(held) -> Series:
    return held[0].parameters["weight"]


@pytest.fixture(scope="module")
def array(held) -> np.ndarray:
    return np.stack(held[1])


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_a_slice_is_what_numpy_would_give(weight, array, key):
    found = weight[key]
    assert np.shape(found) == array[key].shape
    np.testing.assert_array_equal(found, array[key])


@settings(max_examples=100)
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
@settings(max_examples=20)
def test_two_series_together(held, start, stop):
    loss, step = held[0].scalars["loss"], held[0].step
    np.testing.assert_array_equal((loss * step)[start:stop], loss[start:stop] * step[start:stop])


def test_a_group_is_a_mapping(held):
    parameters = held[0].parameters
    assert (set(parameters), len(parameters), "weight" in parameters) == ({"weight", "bias"}, 2, True)
    assert "weight (11, 4, 3)" in repr(parameters)
    with pytest.raises(KeyError, match="did you mean weight"):
        parameters["wieght"]


@pytest.mark.parametrize("rows", [slice(None), slice(6, 9), slice(None, None, -3), 7, 8, -1], ids=str)
@pytest.mark.usefixtures("small_ring")
def test_what_one_of_file_and_ring_lacks_is_absent_there(regression, path, rows):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        recorder.derive(lambda p: {"total": p["bias"].sum(1), "doubled": 2 * p["bias"]})
        for k in range(11):
            regression.step(recorder, **({"early": k} if k < 8 else {"late": k}))
        with dyn.open(path) as recording:
            assert snapshot_of(recording).filed == 8
            bias = recording.parameters["bias"][:]
            early, late = np.arange(11.0), np.arange(11.0)
            early[8:] = late[:8] = np.nan
            in_file = np.where(np.arange(11) < 8, 1, np.nan).astype(np.float32)
            expected = {"early": early, "late": late, "total": in_file * bias.sum(1)}
            for name, values in expected.items():
                series = recording.scalars[name]
                assert (series.shape, series.ndim) == ((11,), 1)
                np.testing.assert_array_equal(series[rows], values[rows])
            doubled = recording.probes["doubled"]
            assert (doubled.shape, doubled.dtype) == ((11, 4), np.float32)
            np.testing.assert_array_equal(doubled[rows, 1:], (2 * in_file[:, None] * bias)[rows, 1:])
            assert recording.scalars["late"].attrs == {}


def test_whole_numbers_that_are_absent_are_zero(regression, path):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        recorder.derive(lambda p: {"signs": np.sign(p["bias"]).astype(np.int32)})
        regression.train(2, recorder)
        with dyn.open(path) as recording:
            assert recording.probes["signs"].dtype == np.int32
            np.testing.assert_array_equal(recording.probes["signs"], np.zeros((2, 4)))


def test_an_array_that_is_nowhere_is_damage():
    absent = {"node": lambda _: None, "tail": lambda _: None}
    source = SimpleNamespace(path=Path("run.h5"), filed=3, **absent, turn=nullcontext, reopen=lambda: False)
    with pytest.raises(RecordingError, match=r"run.h5 is damaged: it has no array step"):
        Series(source, "step", 3).shape  # noqa: B018
    with pytest.raises(RecordingError, match="damaged"):
        Series(source, "step", 3)[:]


class Changing:
    """A source whose file is right once it was opened anew so often; or one that does not change."""

    def __init__(self, wrong: int, *, changes: bool = True):
        self.wrong = wrong
        self.changes = changes
        self.opened = 0

    def look(self) -> str:
        if self.opened < self.wrong:
            raise KeyError("addr overflow")
        return "found"

    def turn(self):
        return nullcontext()

    def reopen(self) -> bool:
        self.opened += 1
        return self.changes


def test_what_a_change_of_the_file_hides_is_looked_for_in_the_file_opened_anew():
    source = Changing(3)
    assert patiently(source, source.look) == "found"
    assert source.opened == 3
    with pytest.raises(KeyError):
        patiently(Changing(100), Changing(100).look)


def test_what_cannot_have_changed_is_looked_for_once():
    source = Changing(1, changes=False)
    with pytest.raises(KeyError):
        patiently(source, source.look)
    with pytest.raises(ZeroDivisionError):
        patiently(source, lambda: 1 / 0)
    assert source.opened == 1
