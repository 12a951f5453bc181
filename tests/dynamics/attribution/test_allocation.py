"""Sharing out a change of the loss: closed forms, symmetries, and what must get nothing."""

import json

import numpy as np
import pytest

from dyn.dynamics.attribution import Allocation, allocate

RNG = np.random.default_rng(0)


def quadratic(A, c):
    """The loss (θ - c)ᵀA(θ - c)/2 of one vector θ, and its gradient."""
    return (
        lambda theta: 0.5 * np.einsum("pi,ij,pj->p", theta - c, A, theta - c),
        lambda at: {"theta": (at["theta"] - c) @ A},
    )


def quartic(at):
    """The gradient of Σ (WᵀW - 1)², a loss that is no quadratic along a line, and of Σ b⁴."""
    W, b = at["W"], at["b"]
    error = W.swapaxes(1, 2) @ W - np.eye(W.shape[-1])
    return {"W": 4 * W @ error, "b": 4 * b**3}


def quartic_loss(W, b):
    return ((W.T @ W - np.eye(W.shape[-1])) ** 2).sum() + (b**4).sum()


@pytest.fixture
def walk():
    return {"W": RNG.normal(size=(20, 3, 5)).cumsum(0) / 5, "b": RNG.normal(size=(20, 5)).cumsum(0) / 5}


def test_a_straight_line_over_a_quadratic_has_the_closed_form():
    # ∫ A_i(θ - c) dθ_i along a line is Δθ_i times the mean of the gradients at both ends.
    A, c = np.array([[2.0, 0.7], [0.7, 1.0]]), np.array([0.3, -0.2])
    _, gradient = quadratic(A, c)
    start, end = np.array([1.0, 2.0]), np.array([-0.5, 0.25])
    share = (end - start) * (A @ ((start + end) / 2 - c))
    found = allocate({"theta": np.stack([start, end])}, gradient)
    np.testing.assert_allclose(found.shares["theta"], share, rtol=1e-12)


def test_shares_sum_to_the_change_within_the_stated_error(walk):
    change = quartic_loss(walk["W"][-1], walk["b"][-1]) - quartic_loss(walk["W"][0], walk["b"][0])
    found = allocate(walk, quartic, tolerance=1e-4)
    assert abs(found.total - change) <= found.error <= 1e-4 * max(map(abs, found.by_parameter.values())) * 2
    assert sum(found.by_parameter.values()) == pytest.approx(found.total, rel=1e-12)
    assert sum(found.by_feature.values()) == pytest.approx(found.by_parameter["W"], rel=1e-12)


def test_a_smaller_tolerance_gives_a_smaller_error(walk):
    coarse, fine = (allocate(walk, quartic, tolerance=tolerance) for tolerance in (1e-1, 1e-6))
    exact = allocate(walk, quartic, tolerance=1e-8)
    for found in (coarse, fine):
        assert all(abs(found.by_feature[k] - exact.by_feature[k]) <= found.error for k in range(5))
    assert fine.error < 1e-3 * coarse.error


def test_what_did_not_move_has_exactly_nothing(walk):
    walk["W"][:, :, 2] = walk["W"][0, :, 2]
    walk["b"][:] = walk["b"][0]
    found = allocate(walk, quartic)
    assert found.by_feature[2] == 0
    assert found.by_parameter["b"] == 0
    assert found.by_feature[1] != 0


def test_permuting_features_permutes_shares(walk):
    order = np.array([3, 0, 4, 1, 2])
    plain = allocate(walk, quartic).by_feature
    permuted = allocate({"W": walk["W"][:, :, order], "b": walk["b"][:, order]}, quartic).by_feature
    np.testing.assert_allclose(list(permuted.values()), [plain[k] for k in order], rtol=1e-9)


def test_a_path_there_and_back_brings_nothing(walk):
    there_and_back = {name: np.concatenate([rows, rows[-2::-1]]) for name, rows in walk.items()}
    found = allocate(there_and_back, quartic)
    assert max(map(abs, found.by_feature.values())) < 1e-9


def test_one_feature_after_another():
    # Each of two features moves alone, so that its share is what the loss does meanwhile.
    ramp, still = np.linspace(0, 1, 30), np.zeros(30)
    first, second = np.concatenate([ramp, still + 1]), np.concatenate([still, ramp])
    W = np.zeros((60, 3, 5))
    W[:, 0, 1], W[:, 0, 4] = first, second
    found = allocate({"W": W, "b": np.zeros((60, 5))}, quartic)
    b = np.zeros(5)
    losses = [quartic_loss(W[k], b) for k in (0, 29, 59)]
    assert found.by_feature[1] == pytest.approx(losses[1] - losses[0], rel=1e-3)
    assert found.by_feature[4] == pytest.approx(losses[2] - losses[1], rel=1e-3)
    assert [found.by_feature[k] for k in (0, 2, 3)] == [0, 0, 0]


def test_halves_of_a_path_add_up(walk):
    whole = allocate(walk, quartic, tolerance=1e-7)
    halves = [
        allocate({name: rows[part] for name, rows in walk.items()}, quartic, tolerance=1e-7)
        for part in (slice(None, 11), slice(10, None))
    ]
    assert sum(half.by_feature[3] for half in halves) == pytest.approx(whole.by_feature[3], rel=1e-5)


def test_a_long_path_is_looked_at_in_parts(walk):
    # More rows than are looked at together: each of the walk's stretches in forty equal steps is the same path.
    at = np.linspace(0, 19, 19 * 40 + 1)
    dense = {
        name: np.stack(
            [
                rows[min(int(k), 18)] * (1 + min(int(k), 18) - k) + rows[min(int(k), 18) + 1] * (k - min(int(k), 18))
                for k in at
            ]
        )
        for name, rows in walk.items()
    }
    found, same = (allocate(path, quartic, tolerance=1e-6).by_feature for path in (walk, dense))
    np.testing.assert_allclose(list(found.values()), list(same.values()), rtol=1e-4, atol=1e-6)


def test_features_are_rows_where_they_are():
    W = RNG.normal(size=(6, 4, 2)).cumsum(0)
    slope = {"E": lambda at: {"E": at["E"] ** 3}}["E"]
    rows = allocate({"E": W}, slope, features={"E": "rows"}).by_feature
    columns = allocate({"E": W.swapaxes(1, 2)}, slope).by_feature
    assert rows == pytest.approx(columns)
    assert len(rows) == 4


def test_what_two_matrices_have_of_a_feature_is_added():
    path = {"A": RNG.normal(size=(6, 2, 3)).cumsum(0), "B": RNG.normal(size=(6, 3, 2)).cumsum(0)}
    both = allocate(path, lambda at: {k: v**3 for k, v in at.items()}, features={"A": "columns", "B": "rows"})
    expected = both.shares["A"].sum(0) + both.shares["B"].sum(1)
    np.testing.assert_allclose(list(both.by_feature.values()), expected)
    assert sum(both.by_feature.values()) == pytest.approx(both.total)


def test_json_has_features_as_keys(walk):
    found = allocate(walk, quartic)
    document = json.loads(json.dumps(found.as_dict()))
    assert list(document["by_feature"]) == ["0", "1", "2", "3", "4"]
    assert set(document) == {"by_feature", "by_parameter", "total", "error"}
    assert isinstance(found, Allocation)


@pytest.mark.parametrize("rows", [0, 1])
def test_one_row_is_no_path(rows):
    with pytest.raises(ValueError, match="T >= 2 rows"):
        allocate({"W": np.zeros((rows, 2, 3))}, lambda at: at)


def test_different_numbers_of_rows_are_refused():
    with pytest.raises(ValueError, match="same T"):
        allocate({"W": np.zeros((3, 2, 3)), "b": np.zeros((4, 3))}, lambda at: at)


@pytest.mark.parametrize(
    ("gradient", "said"),
    [
        (lambda at: {"W": at["W"][:, 0]}, "its parameter has"),
        (lambda at: {"V": at["W"]}, "no such name"),
        (lambda at: {"W": at["W"] * np.nan}, "not finite"),
    ],
)
def test_gradients_that_cannot_be_are_refused(gradient, said):
    with pytest.raises(ValueError, match=said):
        allocate({"W": np.ones((3, 2, 3))}, gradient)


def test_features_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match=r"features=\{'V': 'columns'\}"):
        allocate({"W": np.ones((3, 2, 3))}, lambda at: at, features={"V": "columns"})
    with pytest.raises(ValueError, match="different numbers"):
        allocate(
            {"W": np.ones((3, 2, 3)), "V": np.ones((3, 2, 3))}, lambda at: at, features={"W": "rows", "V": "columns"}
        )


def test_a_tolerance_below_0_is_refused(walk):
    with pytest.raises(ValueError, match="tolerance=0"):
        allocate(walk, quartic, tolerance=0)
