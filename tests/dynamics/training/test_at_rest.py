"""Where models come to rest: known minima and saddles, from starts a little off."""

import numpy as np
import pytest

from dyn.dynamics.errors import SettingError
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.dynamics.polytopes.shapes import vertices
from dyn.dynamics.theory import expected_loss
from dyn.dynamics.training.at_rest import NOWHERE, at_rest, check_rest


def census(n: int, m: int, **settings):
    return EXPERIMENTS["census"].with_settings(n_features=n, n_hidden=m, **settings)


def beside(name: str, length: float, bias: float, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return models (1, m, n) and (1, n) a little off a polytope."""
    rng = np.random.default_rng(seed)
    W = length * vertices(name)
    W = W + 0.01 * rng.normal(size=W.shape)
    return W[None], np.full((1, W.shape[1]), bias)


def test_a_pentagon_comes_to_rest_at_the_minimum():
    found = at_rest(census(5, 2), *beside("pentagon", 1.13, -0.25))
    W, b = found["critical_W"], found["critical_b"]
    G = W[0].T @ W[0]
    # All lengths are the same, and so are all biases, as exactly as the search goes.
    np.testing.assert_allclose(G.diagonal(), G[0, 0], rtol=1e-6)
    np.testing.assert_allclose(b, b[0, 0], rtol=1e-6)
    assert found["saddle_index"] == 0
    assert found["critical_loss"][0] == pytest.approx(0.008904, abs=1e-6)
    assert found["critical_loss"][0] == pytest.approx(expected_loss(W, b, 0.05, 1.0)[0], rel=1e-7)


def test_the_loss_is_without_the_blur_also_where_outputs_are_just_off():
    square = np.kron(np.eye(2), [1.0, -1.0])
    found = at_rest(census(4, 2), square[None], np.full((1, 4), -0.01))
    exact = expected_loss(found["critical_W"], found["critical_b"], 0.05, 1.0)
    # With the blur it would be 3 parts in a thousand more.
    np.testing.assert_allclose(found["critical_loss"], exact, rtol=1e-4)
    assert found["critical_loss"][0] == pytest.approx(0.001670, abs=1e-6)


@pytest.mark.slow
def test_two_pentagons_are_a_saddle_and_the_petersen_code_is_a_minimum():
    pair = np.kron(np.eye(2), 1.13 * vertices("pentagon"))
    saddle = at_rest(census(10, 4), pair[None], np.full((1, 10), -0.25))
    assert saddle["saddle_index"] == 8
    assert saddle["critical_loss"][0] == pytest.approx(0.0178, abs=1e-4)
    minimum = at_rest(census(10, 4), *beside("rectified 5-cell", 1.05, -0.15))
    assert minimum["saddle_index"] == 0
    assert minimum["critical_loss"][0] == pytest.approx(0.01448, abs=1e-5)


def test_each_model_of_an_ensemble_has_a_density_of_its_own():
    W, b = beside("pentagon", 1.13, -0.25)
    both = at_rest(census(5, 2, density=(0.05, 0.02)), W.repeat(2, axis=0), b.repeat(2, axis=0))
    exact = expected_loss(both["critical_W"], both["critical_b"], np.array([0.05, 0.02]), 1.0)
    np.testing.assert_allclose(both["critical_loss"], exact, rtol=1e-7)
    assert not np.isclose(both["critical_loss"][0], both["critical_loss"][1])


def test_what_diverged_stays_where_it_is():
    W, b = beside("pentagon", 1.13, -0.25)
    W, b = W.repeat(2, axis=0), b.repeat(2, axis=0)
    W[0, 0, 0] = np.nan
    found = at_rest(census(5, 2, repeat=2), W, b)
    assert found["saddle_index"].tolist() == [NOWHERE, 0]
    assert np.isnan(found["critical_loss"][0])
    np.testing.assert_array_equal(found["critical_W"][0], W[0])


@pytest.mark.parametrize("settings", [{"n_features": 300, "n_hidden": 2}, {"model": "absolute-value"}])
def test_other_models_are_refused(settings):
    with pytest.raises(SettingError, match="--rest"):
        check_rest(EXPERIMENTS["census"].with_settings(**settings))
