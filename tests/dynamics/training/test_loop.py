"""The training loop: what it hands out, and that it is the same every time."""

import numpy as np
import pytest
import torch

from dyn.dynamics.errors import SettingError
from dyn.dynamics.training.loop import Training, weighted_loss
from dyn.dynamics.training.models import ToyModel

OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


def run(experiment) -> tuple[np.ndarray, list[torch.Tensor]]:
    """Train; return the losses and the final parameters."""
    training = Training(experiment)
    losses = np.array([loss.numpy().copy() for loss in training])
    return losses, [p.detach().clone() for p in training.model.parameters()]


def test_weighted_loss_is_the_papers():
    x, y = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[0.0, 0.0], [3.0, 2.0]])
    # Samples 1 · 1² and 1 · 3² of the first feature alone, weighted 2.
    assert float(weighted_loss(x, y, torch.tensor([2.0, 5.0]))) == pytest.approx((2 + 18) / 2)
    assert weighted_loss(x.expand(3, 2, 2), y.expand(3, 2, 2), torch.ones(2)).shape == (3,)
    # Each member of an ensemble may have weights of its own.
    several = weighted_loss(x.expand(2, 2, 2), y.expand(2, 2, 2), torch.tensor([[2.0, 5.0], [1.0, 0.0]]))
    assert several.tolist() == pytest.approx([(2 + 18) / 2, (1 + 9) / 2])


@pytest.mark.parametrize("changes", [{}, {"reduction": "mean"}, {"n_instances": 3}, {"density": (1.0, 0.2)}], ids=str)
def test_losses_are_those_of_the_parameters_before_the_step(tiny, changes):
    experiment = tiny.with_settings(**changes)
    training, again = Training(experiment), Training(experiment)
    losses = 0
    for loss in training:
        losses += 1
        x = again.sample()
        y = training.model(x)
        weights = torch.tensor(experiment.importance_vector())
        squares = weights * (x - y) ** 2
        expected = (squares.sum(-1) if experiment.reduction == "sum" else squares.mean(-1)).mean(-1)
        # Two orders of summing a few dozen numbers in single precision.
        torch.testing.assert_close(loss, expected.detach(), rtol=1e-5, atol=0)
        assert loss.shape == ((experiment.n_instances,) if experiment.n_instances else ())
        assert not loss.requires_grad
    assert losses == experiment.steps == len(training)


def test_the_last_step_is_taken(tiny):
    """The state after the loop is that after every update, not the one at the last loss."""
    training = Training(tiny.with_settings(steps=1))
    before = training.model.W.detach().clone()
    list(training)
    assert not torch.equal(training.model.W, before)


def test_members_have_the_gradient_that_they_would_have_alone(tiny):
    ensemble = Training(tiny.with_settings(n_instances=3, steps=1))
    x = Training(ensemble.experiment).sample()
    start = {name: p.detach().clone() for name, p in ensemble.model.named_parameters()}
    next(iter(ensemble))
    for member in range(3):
        alone = ToyModel(4, 2)
        alone.load_state_dict({name: value[member] for name, value in start.items()})
        weighted_loss(x[member], alone(x[member]), torch.tensor(ensemble.experiment.loss_weights())).backward()
        for name, p in alone.named_parameters():
            gradient = ensemble.model.get_parameter(name).grad
            assert gradient is not None
            assert p.grad is not None
            torch.testing.assert_close(gradient[member], p.grad, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["absolute-value", "modular-addition"])
def test_other_models_are_trained_by_the_same_loop(tiny, name):
    losses, _ = run(tiny.with_settings(model=name, n_instances=2, batch_size=8, steps=300, lr=0.02, seed=1))
    assert losses.shape == (300, 2)
    # Eight samples a step are a noisy loss; all of what can be learned is far below nine tenths of the first.
    assert (losses[-50:].mean(0) < 0.9 * losses[:5].mean(0)).all()


def test_an_absolute_value_is_what_the_other_model_is_trained_for(tiny):
    training = Training(tiny.with_settings(model="absolute-value", density=1.0, batch_size=200, steps=1))
    x = training.sample()
    assert (x < 0).any()
    assert torch.equal(training.model.target(x), x.abs())
    nothing = torch.zeros_like(x)
    training.model.W1.data.zero_()
    # y = 0, so the loss is Σ I_i x_i² whatever the signs.
    expected = weighted_loss(x, nothing, torch.tensor(training.experiment.loss_weights()))
    torch.testing.assert_close(training.task.loss(training.model, x).detach(), expected)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_the_named_optimizer(tiny, name):
    experiment = tiny.with_settings(optimizer=name, weight_decay=0.1, lr=0.05)
    _, (W, b) = run(experiment)
    training = Training(experiment)
    model = ToyModel(4, 2)
    optimizer = OPTIMIZERS[name](model.parameters(), lr=0.05, weight_decay=0.1)
    for _ in range(experiment.steps):
        x = training.sample()
        optimizer.zero_grad()
        weighted_loss(x, model(x), torch.tensor(experiment.loss_weights())).backward()
        optimizer.step()
    assert torch.equal(W, model.W)
    assert torch.equal(b, model.b)


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [("constant", [1, 1, 1, 1]), ("linear", [1, 3 / 4, 1 / 2, 1 / 4]), ("cosine", [1, 0.853553, 0.5, 0.146447])],
)
def test_schedules(tiny, schedule, factors):
    training = Training(tiny.with_settings(schedule=schedule, steps=4, lr=0.2))
    rates = [training.optimizer.param_groups[0]["lr"] for _ in training]
    np.testing.assert_allclose(rates, 0.2 * np.array(factors), rtol=1e-5)


def test_the_seed_decides_the_whole_run(tiny):
    losses, parameters = run(tiny)
    again, same = run(tiny)
    np.testing.assert_array_equal(losses, again)
    assert all(map(torch.equal, parameters, same))
    other, _ = run(tiny.with_settings(seed=1))
    assert (losses != other).all()


def test_training_leaves_the_global_generator_alone(tiny):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    run(tiny)
    assert torch.equal(torch.get_rng_state(), before)


def test_training_learns(tiny):
    losses, _ = run(tiny.with_settings(steps=400, lr=0.02, batch_size=256))
    # Noise of a batch of 256 is a few percent; the two most important features alone halve the loss.
    assert losses[-20:].mean() < 0.6 * losses[:5].mean()


def test_a_device_that_does_not_exist_is_a_wrong_setting(tiny):
    with pytest.raises(SettingError, match="device='nonsense'"):
        Training(tiny.with_settings(device="nonsense"))
