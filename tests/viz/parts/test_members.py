"""Which models stand side by side, and what is said where a recording lacks their matrices."""

import numpy as np
import pytest

from dyn.dynamics.errors import RecordingError
from dyn.recorders.reading.selection import select
from dyn.viz.kinds import plot
from dyn.viz.parts.members import final_matrices, members

ROWS, INSTANCES = 3, 4


@pytest.fixture
def write(written):
    """Write the features of two matrices, of which one was recorded itself, of two densities with two models each."""
    return lambda *failed: written(*arrays_of(failed))


@pytest.fixture
def recording(write):
    return write()


def arrays_of(failed: tuple[int, ...]):
    """Return the arrays of a recording and its config; of the models that *failed* nothing is finite."""
    losses, W = np.array([0.2, 0.1, np.nan, 0.3]), np.eye(2) * np.arange(1.0, 5)[:, None, None]
    losses[list(failed)], W[list(failed)] = np.nan, np.nan
    D = np.ones((ROWS, INSTANCES, 2), np.float32)
    arrays = {
        "step": np.arange(ROWS),
        "features/W/dimensionality": D,
        "features/X/dimensionality": D,
        "parameters/W": np.broadcast_to(W, (ROWS, *W.shape)),
        # A model that diverged has no loss, and is not the best.
        "probes/loss_of_instance": np.tile(losses, (ROWS, 1)),
    }
    entry = {"name": "intro", "n_features": 2, "n_hidden": 2, "sets": 1, "model": "toy", "correlation": "independent"}
    grid = {"density": [0.5, 0.1], "repeat": 2, "n_instances": INSTANCES}
    return arrays, {"experiment": entry | grid}


def test_of_repeats_the_one_with_the_least_loss_is_shown(recording):
    shown = members(recording, "W")
    assert [(each.instance, each.density) for each in shown] == [(1, 0.5), (3, 0.1)]
    np.testing.assert_array_equal(shown[0].W, 2 * np.eye(2))


def test_a_point_that_failed_is_left_out(write):
    recording = write(2, 3)
    assert [(each.instance, each.density) for each in members(recording, "W")] == [(1, 0.5)]
    # Of the other point both repeats.
    np.testing.assert_array_equal(final_matrices(select(recording, "W")), [np.eye(2), 2 * np.eye(2)])
    assert plot(recording, "demonstration", parameter="W").axes


def test_a_recording_of_nothing_finite_says_so(write):
    with pytest.raises(RecordingError, match="has no W that is finite in the last row; plot its levels"):
        members(write(0, 1, 2, 3), "W")


@pytest.mark.parametrize("kind", ["demonstration", "intro"])
def test_a_matrix_that_was_not_recorded_is_named_with_those_that_were(recording, kind):
    with pytest.raises(RecordingError, match=r"the features of X, but not X itself; its matrices are W$"):
        plot(recording, kind, parameter="X")


def test_the_ends_of_models_are_asked_of_their_matrices(recording):
    with pytest.raises(RecordingError, match="the features of X, but not X; record it too"):
        plot(recording, "ensemble-dynamics", parameter="X")
