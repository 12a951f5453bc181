"""A small training to record, and readers of the outcome."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import dyn


class Regression:
    """A layer that is fit to one fixed batch, so that every loss can be computed again from W and b."""

    def __init__(self, optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.SGD, **options: Any):
        generator = torch.Generator().manual_seed(0)
        self.x = torch.rand(8, 3, generator=generator)
        self.target = torch.rand(8, 4, generator=generator)
        self.model = nn.Linear(3, 4)
        for p in self.model.parameters():
            nn.init.normal_(p, generator=generator)
        self.optimizer = optimizer(self.model.parameters(), **{"lr": 0.1, **options})
        self.losses: list[float] = []

    def loss(self, weight: Tensor, bias: Tensor) -> Tensor:
        return (nn.functional.linear(self.x, weight, bias) - self.target).square().mean()

    def loss_of_row(self, recording: dyn.Recording, row: int) -> float:
        weight, bias = (torch.from_numpy(recording.parameters[name][row]) for name in ("weight", "bias"))
        return float(self.loss(weight, bias))

    def step(self, recorder: dyn.Recorder | None = None, **scalars: Any) -> None:
        """Take one step as LBFGS wants it, which suits every optimizer; every evaluation of the loss is logged."""

        def closure() -> Tensor:
            self.optimizer.zero_grad()
            loss = self.loss(self.model.weight, self.model.bias)
            loss.backward()
            if recorder is not None:
                recorder.log(loss=loss, **scalars)
            # torch warns where a loss with a graph becomes a number.
            return loss.detach()

        if isinstance(self.optimizer, torch.optim.LBFGS):
            self.losses.append(float(self.optimizer.step(closure)))
        else:
            self.losses.append(float(closure()))
            self.optimizer.step()

    def train(self, steps: int, recorder: dyn.Recorder | None = None) -> "Regression":
        for _ in range(steps):
            self.step(recorder)
        return self

    def state(self) -> list[np.ndarray]:
        """Copies of weight and bias."""
        return [p.detach().numpy().copy() for p in self.model.parameters()]


@pytest.fixture
def make_regression() -> type[Regression]:
    return Regression


@pytest.fixture
def regression() -> Regression:
    return Regression()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.h5"


@pytest.fixture
def recorded(path: Path) -> Path:
    """A finished recording of ten steps."""
    regression = Regression()
    with dyn.attach(regression.model, regression.optimizer, path, config={"lr": 0.1}) as recorder:
        regression.train(10, recorder)
    return path


@pytest.fixture
def small_ring(monkeypatch: pytest.MonkeyPatch) -> int:
    """A ring that is full, and so written to the file, after this many rows."""
    monkeypatch.setattr("dyn.recorders.hooks._RING_ROWS", 4)
    return 4


@pytest.fixture
def elsewhere() -> Callable[[str, Path], Any]:
    """A function that computes an expression of the recording *r* at a path, in a process of its own."""

    def evaluate(expression: str, path: Path) -> Any:
        program = f"import dyn, json, sys\nwith dyn.open(sys.argv[1]) as r: print(json.dumps({expression}))"
        command = [sys.executable, "-c", program, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return evaluate
