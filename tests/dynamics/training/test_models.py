"""The toy models: how they start and what they compute."""

import numpy as np
import pytest
import torch

from dyn.dynamics.training.models import AbsoluteValueModel, ToyModel, instance_seed


def by_hand(model: ToyModel, x: torch.Tensor, member: int, *, linear: bool) -> np.ndarray:
    """f(W^T W x + b) of one member, sample by sample in double precision."""
    W, b = (p.detach()[member].double().numpy() for p in (model.W, model.b))
    y = np.stack([W.T @ (W @ sample) + b for sample in x[member].double().numpy()])
    return y if linear else np.maximum(y, 0)


def test_the_first_state_is_set_by_std_and_zero_bias():
    model = ToyModel(400, 100, init_std=0.3)
    assert not model.b.any()
    # 40 000 draws: the standard error of a standard deviation is σ / √(2N), here 0.001, and that of the mean 0.0015.
    assert float(model.W.detach().std()) == pytest.approx(0.3, abs=0.005)
    assert float(model.W.detach().mean()) == pytest.approx(0, abs=0.0075)


def test_the_default_std_is_xaviers_of_a_single_model():
    std = float(ToyModel(300, 100, n_instances=4).W.detach().std())
    # 120 000 draws: the standard error is 0.2 % of σ.
    assert std == pytest.approx(np.sqrt(2 / 400), rel=0.01)


def test_a_member_starts_as_the_single_model_whatever_the_size_of_the_ensemble():
    single, pair, many = (ToyModel(5, 2, n_instances=k, seed=3).W.detach() for k in (None, 2, 9))
    assert torch.equal(pair[0], single)
    assert torch.equal(many[:2], pair)
    assert not torch.equal(many[0], many[1])


def test_the_seed_decides():
    assert torch.equal(ToyModel(5, 2, seed=1).W, ToyModel(5, 2, seed=1).W)
    assert not torch.equal(ToyModel(5, 2, seed=1).W, ToyModel(5, 2, seed=2).W)


def test_making_a_model_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    ToyModel(5, 2)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("n_instances", "lead"), [(None, ()), (1, (1,)), (3, (3,))])
def test_shapes(n_instances, lead):
    model = ToyModel(5, 2, n_instances=n_instances)
    assert (model.W.shape, model.b.shape) == ((*lead, 2, 5), (*lead, 5))
    assert model(torch.ones(*lead, 7, 5)).shape == (*lead, 7, 5)


@pytest.mark.parametrize("nonlinearity", ["relu", "linear", ("linear", "relu", "linear"), ("relu", "relu", "relu")])
def test_the_output_is_the_formula(nonlinearity):
    model = ToyModel(5, 2, n_instances=3, nonlinearity=nonlinearity)
    generator = torch.Generator().manual_seed(0)
    torch.nn.init.normal_(model.b, generator=generator)
    x = torch.rand(3, 8, 5, generator=generator)
    y = model(x).detach().numpy()
    each = (nonlinearity,) * 3 if isinstance(nonlinearity, str) else nonlinearity
    for member, name in enumerate(each):
        # Single precision on numbers of order one.
        np.testing.assert_allclose(y[member], by_hand(model, x, member, linear=name == "linear"), atol=1e-5)
    # A sample of the formula's two branches, so that the comparison above has tested both.
    assert (y[[name == "linear" for name in each]] < 0).any() == ("linear" in each)
    assert not (y[[name == "relu" for name in each]] < 0).any()


def test_output_is_forward_at_other_parameters():
    model = ToyModel(5, 2)
    W, b, x = torch.ones(2, 5), -torch.ones(5), torch.full((1, 5), 0.2)
    # W^T W x = 2 Σ x = 2 for each feature.
    torch.testing.assert_close(model.output(x, W, b), torch.ones(1, 5))


@pytest.mark.parametrize("n_instances", [None, 3])
def test_the_absolute_value_model_is_the_formula(n_instances):
    model = AbsoluteValueModel(4, 6, n_instances=n_instances)
    generator = torch.Generator().manual_seed(0)
    torch.nn.init.normal_(model.b, generator=generator)
    lead = (n_instances,) if n_instances else ()
    assert (model.W1.shape, model.W2.shape, model.b.shape) == ((*lead, 6, 4), (*lead, 4, 6), (*lead, 4))
    x = 2 * torch.rand(*lead, 8, 4, generator=generator) - 1
    y = model(x).detach().numpy().reshape(-1, 8, 4)
    arrays = [p.detach().double().numpy() for p in (model.W1, model.W2, model.b)]
    W1, W2, b = (array.reshape(-1, *array.shape[len(lead) :]) for array in arrays)
    for member, samples in enumerate(x.double().numpy().reshape(-1, 8, 4)):
        h = np.maximum(samples @ W1[member].T, 0)
        # Single precision on numbers of order one.
        np.testing.assert_allclose(y[member], np.maximum(h @ W2[member].T + b[member], 0), atol=1e-5)


def test_one_neuron_for_each_sign_computes_absolute_values():
    model = AbsoluteValueModel(3, 6)
    W1 = torch.cat([torch.eye(3), -torch.eye(3)])
    x = torch.tensor([[0.5, -0.25, 0.0], [-1.0, 1.0, -0.125]])
    torch.testing.assert_close(model.output(x, W1, abs(W1).mT, torch.zeros(3)), x.abs())
    torch.testing.assert_close(model.target(x), x.abs())


def test_the_weights_of_the_absolute_value_model_are_not_tied():
    model = AbsoluteValueModel(4, 6)
    assert not torch.equal(model.W1.mT, model.W2)
    single, pair = AbsoluteValueModel(5, 2, seed=3), AbsoluteValueModel(5, 2, n_instances=2, seed=3)
    assert torch.equal(pair.W1[0], single.W1)
    assert torch.equal(pair.W2[0], single.W2)


def test_different_keys_name_different_streams():
    keys = [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2**31), (0, 2**31 + 1), (2**32 - 1, 0)]
    seeds = {instance_seed(*key) for key in keys}
    assert len(seeds) == len(keys)
    assert all(0 <= seed < 2**63 for seed in seeds)
