"""The trainings that benchmarks record: each one a model, its optimizer, and a step's forward and backward pass."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor, nn

from dyn.dynamics.experiments import EXPERIMENTS
from dyn.dynamics.training.loop import Training

# Called in each step, between the backward pass and the optimizer's step.
Keep = Callable[[Tensor], None]


@dataclass
class Workload:
    """A training under way."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Callable[[], Tensor]

    def run(self, keep: Keep, steps: int) -> float:
        """Take *steps* steps as a user's own loop would, and return the seconds."""
        began = perf_counter()
        for _ in range(steps):
            loss = self.loss()
            self.optimizer.zero_grad()
            loss.backward()
            keep(loss.detach())
            self.optimizer.step()
        return perf_counter() - began


def toy() -> Workload:
    """The toy model of superposition: 6 features, 3 dimensions, batch 1024, Adam."""
    training = Training(EXPERIMENTS["geometry"].with_settings(steps=10**9))

    return Workload(training.model, training.optimizer, lambda: training.task.loss(training.model, training.sample()))


def autoencoder() -> Workload:
    """A 5-2-5 autoencoder, batch 32: a step that is hardly more than torch's own overhead."""
    model = nn.Sequential(nn.Linear(5, 2), nn.ReLU(), nn.Linear(2, 5))
    x = torch.rand(32, 5)
    return Workload(model, torch.optim.Adam(model.parameters(), lr=1e-3), lambda: nn.functional.mse_loss(model(x), x))


def mlp() -> Workload:
    """784-1024-1024-10, batch 512: 7.5 MB of parameters."""
    model = nn.Sequential(nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10))
    x, y = torch.rand(512, 784), torch.randint(10, (512,))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    return Workload(model, optimizer, lambda: nn.functional.cross_entropy(model(x), y))


def batchnorm() -> Workload:
    """784-1024-1024-10 with two batch norms, batch 512: six buffers, 16 kB of them, beside 7.5 MB of parameters."""
    first = nn.Linear(784, 1024), nn.BatchNorm1d(1024), nn.ReLU()
    model = nn.Sequential(*first, nn.Linear(1024, 1024), nn.BatchNorm1d(1024), nn.ReLU(), nn.Linear(1024, 10))
    x, y = torch.rand(512, 784), torch.randint(10, (512,))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    return Workload(model, optimizer, lambda: nn.functional.cross_entropy(model(x), y))


def small_batchnorm() -> Workload:
    """5-2-5 with a batch norm, batch 32: three buffers in a step that is hardly more than torch's own overhead."""
    model = nn.Sequential(nn.Linear(5, 2), nn.BatchNorm1d(2, affine=False), nn.Linear(2, 5))
    x = torch.rand(32, 5)
    return Workload(model, torch.optim.Adam(model.parameters(), lr=1e-3), lambda: nn.functional.mse_loss(model(x), x))


def transformer() -> Workload:
    """Four layers of 128 dimensions and 53 parameters, 32 sequences of 64 tokens."""
    layer = nn.TransformerEncoderLayer(128, 4, 512, dropout=0.0, batch_first=True)
    body = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
    model = nn.Sequential(nn.Embedding(256, 128), body, nn.Linear(128, 256))
    x = torch.randint(256, (32, 64))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    return Workload(model, optimizer, lambda: nn.functional.cross_entropy(model(x).flatten(0, 1), x.flatten()))


# For each workload its maker, the steps of a block, the pairs of blocks that a comparison takes, and torch's threads.
WORKLOADS = {
    "toy": (toy, 20, 1000, 1),
    "autoencoder": (autoencoder, 20, 1000, 1),
    "mlp": (mlp, 4, 60, 2),
    "batchnorm": (batchnorm, 4, 60, 2),
    "small_batchnorm": (small_batchnorm, 20, 1000, 1),
    "transformer": (transformer, 4, 60, 2),
}
