"""Training on the population loss itself: no samples, no noise but what is put in, all models of an ensemble at once.

Where few features make the population loss E[L](W, b) exact, nothing has to be drawn: a step costs a model a few
microseconds, and a few hundred steps do what takes thousands on minibatches. Three things make up for what the noise of
minibatches does:

- Adam's rate falls linearly to zero from one that is large enough to step over shallow minima.
- Biases move at a twentieth of the rate of the weights. Faster ones overshoot: an output whose bias is so negative that
  it is off on every input has no gradient and never comes back. In sparse data, 3 features in 2 dimensions, 89 % of the
  models find the best solution this way, 41 % where biases move as fast as weights.
- Noise in proportion to the rate is added to the parameters, and vanishes before the end: without it 78 % do.

Source: Toy Models of Superposition, "Superposition as a Phase Change", whose loss is the integral over all inputs.
"""

from typing import NamedTuple

import numpy as np

from ..errors import SettingError
from ..experiments.experiment import Experiment
from ..theory.population import expected_gradient, expected_loss

# Each further feature triples the cost of a step and asks for more steps; beyond, minibatches are as fast.
MOST_FEATURES = 3
# Settings of the training on minibatches, which mean nothing here.
UNUSED = ("optimizer", "lr", "schedule", "weight_decay", "batch_size", "steps", "evaluation_size", "every", "device")

_STEPS_PER_FEATURE = 300
_RATE, _BIAS_SHARE = 0.2, 0.05
_NOISE, _QUIET_FROM = 0.3, 0.75
_MEAN_DECAY, _SQUARE_DECAY = 0.9, 0.99
# Far below any gradient that matters: losses go down to a squared density times an importance.
_LEAST = 1e-12
# The second half of the noise's key, beside those of the data and of the evaluation.
_NOISE_STREAM = 2**31 + 2


class Ensemble(NamedTuple):
    """The models of an ensemble after their training: W (instances, m, n), b (instances, n) and their exact loss."""

    W: np.ndarray
    b: np.ndarray
    loss: np.ndarray


def is_exact(experiment: Experiment) -> bool:
    """Return whether an experiment can be trained on its population loss: independent features, MOST_FEATURES at most.

    And the model is the ReLU-output toy model.
    """
    plain = experiment.model == "toy" and experiment.nonlinearity == "relu" and experiment.correlation == "independent"
    return plain and experiment.n_features <= MOST_FEATURES


def steps_of(experiment: Experiment) -> int:
    """Return how many steps the training takes: 300 for each feature beyond the first."""
    return _STEPS_PER_FEATURE * max(1, experiment.n_features - 1)


def train_on_population(experiment: Experiment, *, steps: int | None = None) -> Ensemble:
    """Train every instance of an experiment on E_x[Σ_i I_i (x_i - ReLU(W^T W x + b)_i)²], from the usual first weights.

    steps: how many, by default steps_of(experiment); the rate falls to zero within them, however few.
    Raises SettingError where is_exact() is false.
    Source: Toy Models of Superposition, "Superposition as a Phase Change".
    """
    # Whoever plans a sweep asks what can be trained here, and shall not wait for torch.
    from .models import instance_seed

    if not is_exact(experiment):
        raise SettingError(
            f"{experiment.name!r} with n_features={experiment.n_features}, correlation={experiment.correlation}, "
            f"model={experiment.model} has no exact population loss to train on: it takes a ReLU toy model of up to "
            f"{MOST_FEATURES} independent features; train on samples"
        )
    members = (experiment.n_instances or 1,)
    density = np.broadcast_to(experiment.per_instance("density"), members)
    importance = np.broadcast_to(experiment.loss_weights(), (*members, experiment.n_features))
    W, b = (_Annealed(first, share) for first, share in zip(_first(experiment), (1.0, _BIAS_SHARE), strict=True))
    rng = np.random.default_rng(instance_seed(experiment.seed, _NOISE_STREAM))
    steps = steps_of(experiment) if steps is None else steps
    for k in range(steps):
        rate, noise = _RATE * (1 - k / steps), _NOISE * max(0.0, 1 - k / steps / _QUIET_FROM)
        gradient = expected_gradient(W.value, b.value, density, importance)
        W.step(gradient.W, rate, noise * rng.standard_normal(W.value.shape))
        b.step(gradient.b, rate, noise * rng.standard_normal(b.value.shape))
    return Ensemble(W.value, b.value, expected_loss(W.value, b.value, density, importance))


def _first(experiment: Experiment) -> tuple[np.ndarray, np.ndarray]:
    """Return the first weights and biases, with an axis of instances also where there is one model."""
    from .loop import build_model

    # On the CPU, whatever device the training on minibatches would use.
    model = build_model(experiment.with_settings(device="cpu"))
    W, b = (model.get_parameter(name).detach().double().numpy() for name in ("W", "b"))
    return W.reshape(-1, *W.shape[-2:]), b.reshape(-1, b.shape[-1])


class _Annealed:
    """Parameters that Adam moves, at a *share* of the rate, with noise on the way."""

    def __init__(self, value: np.ndarray, share: float):
        self.value = value
        self._share = share
        self._mean, self._square = np.zeros_like(value), np.zeros_like(value)
        self._steps = 0

    def step(self, gradient: np.ndarray, rate: float, noise: np.ndarray) -> None:
        """Move by the rate, and by the noise in units of the rate."""
        self._steps += 1
        self._mean += (1 - _MEAN_DECAY) * (gradient - self._mean)
        self._square += (1 - _SQUARE_DECAY) * (gradient**2 - self._square)
        mean = self._mean / (1 - _MEAN_DECAY**self._steps)
        size = np.sqrt(self._square / (1 - _SQUARE_DECAY**self._steps))
        self.value = self.value + self._share * rate * (noise - mean / (size + _LEAST))
