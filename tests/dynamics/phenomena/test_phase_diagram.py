"""The phase of an extra feature: planted models, and the theory's phases."""

import numpy as np
import pytest

from dyn.dynamics.errors import SettingError
from dyn.dynamics.phenomena.phase_diagram import PHASES, phase_table, theoretical_phase

# W of two features in one dimension, the second one extra.
IGNORED, DEDICATED, ANTIPODAL = [[1.0, 0.0]], [[0.0, 1.0]], [[1.0, -1.0]]


@pytest.mark.parametrize(("W", "phase"), [(IGNORED, "ignored"), (DEDICATED, "dedicated"), (ANTIPODAL, "superposition")])
def test_a_planted_phase_is_named(W, phase):
    table = phase_table(np.array([W, W, W]), np.array([1.0, 2.0, 3.0]))
    assert PHASES[table.phase] == phase


def test_the_worst_model_is_left_out_and_the_others_are_averaged():
    W = np.array([ANTIPODAL, DEDICATED, IGNORED, [[0.5, 2.0]]])
    table = phase_table(W, np.array([1.0, 2.0, 9.0, 3.0]))
    # |W_2| = 1, 1, 2; (Ŵ_2 · W_1)² = 1, 0, 1/4.
    assert table.norm == pytest.approx(4 / 3)
    assert table.superposition == pytest.approx(1.25 / 3)
    assert table.loss == pytest.approx(2)


def test_points_of_a_grid_are_independent():
    W = np.array([[[ANTIPODAL] * 2, [IGNORED] * 2, [DEDICATED] * 2]])
    table = phase_table(W, np.zeros((1, 3, 2)))
    assert table.norm.shape == (1, 3)
    np.testing.assert_array_equal(table.phase, [[2, 0, 1]])


def test_three_features():
    # In a pair with another, and alone while the other two are a pair.
    pair, alone = [[1, 0, 0], [0, 1, -1]], [[1, -1, 0], [0, 0, 1]]
    table = phase_table(np.array([[pair] * 2, [alone] * 2], float), np.zeros((2, 2)))
    assert [PHASES[k] for k in table.phase] == ["superposition", "dedicated"]


@pytest.mark.parametrize(("W", "loss"), [((4, 1, 2), (3,)), ((1, 1, 2), (1,)), ((1, 2), ()), ((4, 1, 2), (4, 1))])
def test_shapes_that_do_not_belong_together_are_refused(W, loss):
    with pytest.raises(ValueError, match="models, m, n"):
        phase_table(np.ones(W), np.ones(loss))


@pytest.mark.parametrize(
    ("sizes", "p", "r", "phase"),
    [
        # Dense: the more important one has the dimension. Sparse: both share it.
        ((2, 1), 1.0, 0.5, "ignored"),
        ((2, 1), 1.0, 2.0, "dedicated"),
        ((2, 1), 0.1, 0.5, "superposition"),
        ((2, 1), 0.1, 2.0, "superposition"),
        # Of three, the two that matter less share one.
        ((3, 2), 1.0, 0.5, "ignored"),
        ((3, 2), 1.0, 2.0, "dedicated"),
        ((3, 2), 0.1, 0.5, "superposition"),
        ((3, 2), 0.1, 2.0, "dedicated"),
    ],
)
def test_the_phases_of_the_paper(sizes, p, r, phase):
    assert PHASES[theoretical_phase(*sizes, p, r)] == phase


def test_the_boundary_of_two_features():
    # p* = 4r/(2 + 5r), 1/4 at r = 0.1818…
    r = 2 / 11
    np.testing.assert_array_equal(theoretical_phase(2, 1, [0.24, 0.26], r), [2, 0])


def test_other_sizes_have_no_theory():
    with pytest.raises(SettingError):
        theoretical_phase(5, 2, 0.1, 1.0)


def test_a_model_without_a_loss_is_the_worst_and_a_point_without_models_is_unknown():
    W = np.ones((2, 3, 1, 2))
    W[1] = np.nan
    loss = np.array([[1.0, np.nan, 2.0], [np.nan] * 3])
    table = phase_table(W, loss)
    np.testing.assert_array_equal(table.norm, [1.0, np.nan])
    np.testing.assert_array_equal(table.loss, [1.5, np.nan])
