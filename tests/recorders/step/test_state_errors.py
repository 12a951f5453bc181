"""What goes wrong on the quick way is left to Python, and what interrupts goes on."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import dyn

pytestmark = pytest.mark.usefixtures("way")

STEPS = 4


def train(path, optimizer: torch.optim.Optimizer, model: nn.Module, loss: object = 0.5) -> None:
    with dyn.attach(model, optimizer, path) as recorder:
        for _ in range(STEPS):
            for p in model.parameters():
                p.grad = torch.ones_like(p)
            recorder.log(loss=loss)
            optimizer.step()


def test_an_exchange_table_of_another_kind_is_left_alone(path, monkeypatch):
    monkeypatch.setattr(Tensor, "__dlpack_c_exchange_api__", 123, raising=False)
    model = nn.Linear(3, 2)
    train(path, torch.optim.SGD(model.parameters(), lr=0.25), model)
    with dyn.open(path) as recording:
        assert len(recording) == STEPS + 1


def test_an_interrupt_while_a_learning_rate_is_asked_for_goes_on(path):
    class Interrupted(torch.optim.SGD):
        looks = 0

        @property
        def param_groups(self):
            self.looks += 1
            if self.looks == self.interrupted_at:
                raise KeyboardInterrupt
            return self.groups

        @param_groups.setter
        def param_groups(self, groups):
            self.groups = groups

        interrupted_at = -1

    model = nn.Linear(3, 2)
    optimizer = Interrupted(model.parameters(), lr=0.25)
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    with dyn.attach(model, optimizer, path):
        for _ in range(STEPS):
            optimizer.step()
        # The recorder asks before the optimizer does.
        optimizer.interrupted_at = optimizer.looks + 1
        with pytest.raises(KeyboardInterrupt):
            optimizer.step()
        optimizer.step()
    with dyn.open(path) as recording:
        assert recording.step[:].tolist() == list(range(STEPS + 2))


def test_a_number_behind_the_beginning_of_an_allocation_has_its_sign(path):
    # The imaginary part of a conjugate is memory that holds the negative, at an odd multiple of its size.
    loss = torch.complex(torch.zeros(8), torch.arange(8.0)).conj().imag[3]
    model = nn.Linear(3, 2)
    train(path, torch.optim.SGD(model.parameters(), lr=0.25), model, loss)
    with dyn.open(path) as recording:
        assert recording.scalars["loss"][:-1].tolist() == [-3.0] * STEPS


def test_a_learning_rate_that_changes_in_place_is_seen(path):
    model, rate = nn.Linear(3, 2), np.array(0.5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.25)
    optimizer.param_groups[0]["lr"] = rate
    with dyn.attach(model, optimizer, path):
        for k in range(STEPS):
            rate[...] = 0.5 + k
            optimizer.step()
    with dyn.open(path) as recording:
        assert recording.scalars["lr"][:-1].tolist() == [0.5 + k for k in range(STEPS)]
