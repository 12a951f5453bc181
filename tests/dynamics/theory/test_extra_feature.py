"""The theoretical phase diagrams: losses that the candidates attain, and boundaries where the losses cross."""

import numpy as np
import pytest
from scipy.optimize import brentq, root

from dyn.dynamics.errors import SettingError
from dyn.dynamics.theory.extra_feature import (
    TRIPLE_POINT,
    best_candidate,
    candidate_losses,
    candidate_parameters,
    phase_boundary,
)
from dyn.dynamics.theory.population import expected_gradient, expected_loss

SIZES = [(2, 1), (3, 2)]
# Rounding of losses below ten.
EXACT = 1e-14
# Where the extra feature is ignored, where another is, and where none is.
PAIRS = {"extra in an antipodal pair", "others in an antipodal pair"}


@pytest.mark.parametrize("size", SIZES)
def test_the_losses_are_attained_by_the_candidates(size):
    rng = np.random.default_rng(0)
    p, r = rng.random(50), 10 ** rng.uniform(-1, 1, 50)
    importance = np.stack([*[np.ones(50)] * (size[0] - 1), r], axis=-1)
    losses, parameters = candidate_losses(*size, p, r), candidate_parameters(*size, p)
    assert losses.keys() == parameters.keys()
    for name, (W, b) in parameters.items():
        assert (W.shape, b.shape) == ((size[1], size[0]), (50, size[0]))
        np.testing.assert_allclose(losses[name], expected_loss(W, b, p, importance), atol=10 * EXACT)


@pytest.mark.parametrize("size", SIZES)
def test_an_ignored_feature_has_its_best_bias(size):
    p, importance = 0.3, np.array([*[1.0] * (size[0] - 1), 2.0])
    for name in ("ignore extra", "ignore another"):
        W, b = candidate_parameters(*size, p)[name]
        ignored = np.flatnonzero(~W.any(0))
        assert expected_gradient(W, b, p, importance).b[ignored] == pytest.approx(0, abs=EXACT)


def test_candidates_are_the_papers():
    assert list(candidate_losses(2, 1, 0.5, 1)) == ["ignore extra", "ignore another", "extra in an antipodal pair"]
    losses = candidate_losses(3, 2, 0.5, 3)
    # By hand at p = 1/2, r = 3: p/3 - p²/4 = 5/48; the pair of 1 and 3 loses 4/24, that of 1 and 1 loses 2/24.
    expected = {
        "ignore extra": 15 / 48,
        "ignore another": 5 / 48,
        "extra in an antipodal pair": 4 / 24,
        "others in an antipodal pair": 2 / 24,
    }
    assert losses == pytest.approx(expected, abs=EXACT)


def test_density_and_importance_broadcast():
    losses = candidate_losses(3, 2, np.linspace(0, 1, 5)[:, None], np.logspace(-1, 1, 7))
    assert {loss.shape for loss in losses.values()} == {(5, 7)}
    assert best_candidate(3, 2, np.linspace(0.1, 1, 5)[:, None], np.logspace(-1, 1, 7)).shape == (5, 7)


def crossing(size: tuple[int, int], r: float) -> float:
    """The density at which superposition and the best that is none lose the same, found from the losses."""

    def difference(p):
        losses = candidate_losses(*size, p, r)
        best = [min(loss for name, loss in losses.items() if (name in PAIRS) == pair) for pair in (True, False)]
        # Both losses vanish at p = 0; only the sparser factor p is common to them.
        return (best[0] - best[1]) / p

    return brentq(difference, 1e-9, 1, xtol=1e-14)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("r", [0.1, 0.5, 0.999, 1.0, 1.001, 2.0, 10.0])
def test_boundaries_are_where_the_losses_cross(size, r):
    assert phase_boundary(*size, r) == pytest.approx(crossing(size, r), abs=1e-9)


@pytest.mark.parametrize("r", [0.1, 1.0, 4.0])
def test_boundaries_are_the_known_ones(r):
    two = 4 * r / (2 + 5 * r) if r <= 1 else 4 / (5 + 2 * r)
    three = 4 * r / (2 + 5 * r) if r <= 1 else 4 / 7
    assert phase_boundary(2, 1, r) == pytest.approx(two, abs=EXACT)
    assert phase_boundary(3, 2, r) == pytest.approx(three, abs=EXACT)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("start", [(0.3, 0.9), (3.0, 0.3)])
def test_three_phases_meet_in_the_triple_point(size, start):
    def differences(point):
        r, p = point
        losses = candidate_losses(*size, p, r)
        pair = losses["extra in an antipodal pair"]
        return [losses["ignore extra"] - losses["ignore another"], pair - losses["ignore another"]]

    found = root(differences, start, tol=1e-13).x
    np.testing.assert_allclose(found, TRIPLE_POINT, atol=1e-9)
    np.testing.assert_allclose(TRIPLE_POINT, (1, 4 / 7), atol=0)
    values = list(candidate_losses(*size, TRIPLE_POINT[1], TRIPLE_POINT[0]).values())
    np.testing.assert_allclose(values, values[0], atol=EXACT)


@pytest.mark.parametrize("size", SIZES)
def test_each_phase_lies_where_the_boundaries_say(size):
    r = np.array([0.2, 0.8, 1.5, 8.0])
    boundary = phase_boundary(*size, r)
    above, below = (best_candidate(*size, boundary * factor, r) for factor in (1.01, 0.99))
    assert list(above) == ["ignore extra"] * 2 + ["ignore another"] * 2
    beyond = "extra in an antipodal pair" if size == (2, 1) else "others in an antipodal pair"
    assert list(below) == ["extra in an antipodal pair"] * 2 + [beyond] * 2


@pytest.mark.parametrize("function", [candidate_losses, best_candidate])
def test_other_sizes_have_no_closed_form(function):
    with pytest.raises(SettingError, match="n_features=4 with n_hidden=2 has no closed form; choose 2 with 1"):
        function(4, 2, 0.5, 1)
    with pytest.raises(SettingError, match="n_features=2 with n_hidden=2"):
        phase_boundary(2, 2, 1)


def test_a_density_that_is_no_probability_is_named():
    with pytest.raises(ValueError, match=r"density=1\.2 is not in \[0, 1\]"):
        candidate_losses(2, 1, [0.5, 1.2], 1)
