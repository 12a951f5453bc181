"""Means with controls, split R-hat and virial: known answers."""

import numpy as np
import pytest

from dyn.dynamics.landscape.mixing import controlled_means, split_rhat, virial_of


def test_what_the_controls_explain_is_taken_out():
    rng = np.random.default_rng(0)
    controls = rng.normal(size=(200, 4, 2))
    values = 3 + controls @ [2.0, -1.0]
    np.testing.assert_allclose(controlled_means(values, controls), 3, atol=1e-10)
    # More controls than the draws can tell apart: their sum alone.
    few = rng.normal(size=(20, 4, 9))
    np.testing.assert_allclose(controlled_means(1 + few.sum(-1), few), 1, atol=1e-10)
    np.testing.assert_allclose(controlled_means(values, controls[..., :0]), values.mean(0))


def test_chains_that_agree_have_an_rhat_of_one():
    rng = np.random.default_rng(1)
    mixed = rng.normal(size=(400, 8))
    assert split_rhat(mixed) == pytest.approx(1, abs=0.01)
    assert split_rhat(mixed + 3 * (np.arange(8) == 0)) > 1.2
    assert split_rhat(mixed + np.linspace(0, 3, 400)[:, None]) > 1.2
    assert split_rhat(np.ones((10, 4))) < 1
    assert split_rhat(np.tile(np.arange(4.0), (10, 1))) == np.inf
    assert split_rhat(np.ones((10, 4, 3))).shape == (3,)


def test_the_virial_has_the_error_of_its_chains():
    virials = np.broadcast_to(np.array([0.0, 2.0])[None, :, None], (5, 2, 3))
    assert virial_of(virials) == (1.0, 1.0)
