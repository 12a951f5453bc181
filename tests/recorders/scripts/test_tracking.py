"""Recordings of optimizers that nobody handed over."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

import dyn
from dyn.recorders.scripts.tracking import Tracking


class Twin(nn.Linear):
    """A layer by another name."""


class Watched:
    """A tracking in an empty folder, and what it says."""

    def __init__(self):
        self.said: list[str] = []

    def __call__(self, path: str = "run.h5", **options) -> Tracking:
        return Tracking(Path(path), options, self.said.append)


@pytest.fixture
def watch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Watched()


def train(steps: int = 3, model: nn.Module | None = None, **options) -> tuple[nn.Module, list[float]]:
    """Train a model on ones, with an optimizer that only this function knows."""
    torch.manual_seed(0)
    model = model or nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, **options)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(torch.ones(4, 3)).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model, losses


def array(model: nn.Module, name: str) -> np.ndarray:
    return model.get_parameter(name).detach().numpy()


def test_row_zero_is_the_initial_state_and_each_row_has_its_loss(watch):
    torch.manual_seed(0)
    initial = array(nn.Linear(3, 2), "weight")
    with watch() as tracking:
        model, losses = train()
    with dyn.open("run.h5") as recording:
        assert recording.status == "complete"
        assert recording.step[:].tolist() == [0, 1, 2, 3]
        assert (recording.parameters["weight"][0] == initial).all()
        assert (recording.parameters["weight"][-1] == array(model, "weight")).all()
        assert recording.scalars["loss"][:3].tolist() == losses
        assert recording.config == {"optimizer": "Adam", "trains": "Linear"}
    assert tracking.summary() == ["run.h5: 4 rows, complete"]
    assert "run.h5: recording Linear (Adam)" in watch.said[0]
    assert "bytes a row" in watch.said[0]


def test_the_training_is_bit_for_bit_the_same_and_keeps_no_trace(watch):
    plain, losses = train()
    before = vars(Optimizer).copy(), torch.autograd.backward
    hooks = dict(_global_optimizer_pre_hooks), dict(_global_optimizer_post_hooks)
    with watch():
        recorded, recorded_losses = train()
    assert recorded_losses == losses
    assert all(map(torch.equal, plain.parameters(), recorded.parameters()))
    assert (vars(Optimizer), torch.autograd.backward) == before
    assert (dict(_global_optimizer_pre_hooks), dict(_global_optimizer_post_hooks)) == hooks


def test_each_optimizer_has_a_recording_named_after_what_it_trains(watch):
    Path("run.Twin-2.h5").touch()
    with watch() as tracking:
        models = [train(k, model=Twin(3, 2))[0] for k in (1, 2, 3)]
    assert tracking.summary() == [
        "run.h5: 2 rows, complete",
        "run.Twin.h5: 3 rows, complete",
        "run.Twin-3.h5: 4 rows, complete",
    ]
    with dyn.open("run.Twin-3.h5") as recording:
        assert (recording.parameters["bias"][-1] == array(models[2], "bias")).all()


def test_options_are_passed_on(watch):
    Path("run.h5").touch()
    with watch(every=2, select=["b*"], overwrite=True, config={"script": "x.py"}):
        train()
    with dyn.open("run.h5") as recording:
        assert recording.step[:].tolist() == [0, 2, 3]
        assert list(recording.parameters) == ["bias"]
        assert recording.config["script"] == "x.py"


def test_an_error_of_the_training_aborts_the_recording(watch):
    tracking = watch()
    with pytest.raises(ZeroDivisionError), tracking:
        train()
        _ = 1 / 0
    assert tracking.summary() == ["run.h5: 4 rows, aborted"]


def test_what_cannot_be_recorded_is_said_once_and_trains_on(watch):
    with watch(select=["q"]) as tracking:
        _, losses = train()
    assert len(losses) == 3
    assert len(watch.said) == 1
    assert "Adam optimizer is not recorded: select=['q'] matches no parameter; there are weight, bias" in watch.said[0]
    assert tracking.summary() == []


@pytest.mark.usefixtures("watch")
def test_a_failing_report_does_not_reach_the_training():
    def fail(message: str) -> None:
        raise OSError(message)

    with Tracking(Path("run.h5"), {}, fail) as tracking:
        _, losses = train()
    assert len(losses) == 3
    assert tracking.summary() == ["run.h5: 4 rows, complete"]


def test_a_script_may_change_its_folder(watch, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    with watch() as tracking:
        os.chdir("elsewhere")
        train()
    assert tracking.summary() == ["run.h5: 4 rows, complete"]
    assert (tmp_path / "run.h5").exists()


class Wrapping(torch.optim.Optimizer):
    """An optimizer that lets another one do the work, as SAM does."""

    def __init__(self, parameters):
        super().__init__(parameters, {})
        self.inner = torch.optim.SGD(self.param_groups, lr=0.1)

    def step(self, closure=None) -> Any:
        return self.inner.step(closure)


def test_an_optimizer_within_another_is_not_recorded_beside_it(watch):
    model = nn.Linear(2, 1)
    with watch() as tracking:
        optimizer = Wrapping(model.parameters())
        model(torch.ones(2)).backward()
        optimizer.step()
    assert tracking.summary() == ["run.h5: 2 rows, complete"]
    assert "(Wrapping)" in watch.said[0]


def test_copied_optimizers_are_recorded(watch):
    import copy

    model = nn.Linear(2, 1)
    original = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch() as tracking:
        model, optimizer = copy.deepcopy((model, original))
        loss = model(torch.ones(2)).sum()
        loss.backward()
        optimizer.step()
    assert tracking.summary() == ["run.h5: 2 rows, complete"]
    with dyn.open("run.h5") as recording:
        assert recording.scalars["loss"][0] == loss.item()


@pytest.mark.slow
# What torch warns of while it compiles is its own affair.
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_step_runs_the_hooks_outside(watch):
    from torch._dynamo.utils import counters

    counters.clear()
    model = nn.Linear(3, 2)
    with watch() as tracking:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        @torch.compile(backend="eager")
        def step():
            optimizer.zero_grad()
            loss = model(torch.ones(4, 3)).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        losses = [step().item() for _ in range(3)]
    with dyn.open("run.h5") as recording:
        assert recording.scalars["loss"][:3].tolist() == losses
    assert tracking.summary() == ["run.h5: 4 rows, complete"]
    # Of what the compiler stumbled over, nothing is ours.
    assert [reason for reason in counters["graph_break"] if "get_objects" in reason or "item()" in reason] == []


def test_what_another_rank_records_is_no_failure(watch, monkeypatch):
    monkeypatch.setattr("dyn.recorders.scripts.ownership.is_recorded_elsewhere", lambda _: True)
    with watch() as tracking:
        _, losses = train()
    assert (len(losses), watch.said) == (3, [])
    assert tracking.summary() == ["recorded by another rank"]
    assert list(Path().iterdir()) == []


def test_there_is_an_end_to_the_models_kept_in_memory(watch, monkeypatch):
    monkeypatch.setattr("dyn.recorders.scripts.tracking._MOST", 2)
    with watch() as tracking:
        for _ in range(4):
            train(1)
    assert len(tracking.summary()) == 2
    assert [line for line in watch.said if "2 recordings already" in line] == watch.said[2:]
    assert len(watch.said) == 4
