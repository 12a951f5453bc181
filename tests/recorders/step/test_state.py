"""The quick way through the usual step: it is taken there and nowhere else, and gives the rows that Python gives."""

import gc
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import dyn
from dyn.recorders.step.row import RowFiller

pytestmark = pytest.mark.usefixtures("way")

STEPS = 6
CHANGED = 3


class Training:
    """A small training that keeps what its rows should hold, and counts those that Python filled."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, model: nn.Module, **options: object):
        self.model, self.path = model, path
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.25)
        self.truth: list[dict[str, np.ndarray]] = []
        self.in_python = 0
        fill = RowFiller._fill

        def counted(filler: RowFiller, step: int, seconds: float) -> None:
            self.in_python += 1
            fill(filler, step, seconds)

        monkeypatch.setattr(RowFiller, "_fill", counted)
        self.recorder = dyn.attach(model, self.optimizer, path, **options)

    def run(self, change: Callable[["Training"], object], value: object = 0.5) -> list[int]:
        """Take steps, with a change before one of them; return those whose row Python filled."""
        filled = []
        for k in range(STEPS):
            if k == CHANGED:
                change(self)
            for p in self.model.parameters():
                p.grad = torch.ones_like(p)
            self.recorder.log(loss=value)
            self.truth.append({name: p.detach().numpy(force=True) for name, p in self.model.named_parameters()})
            self.truth[-1] = {name: np.array(values) for name, values in self.truth[-1].items()}
            before = self.in_python
            self.optimizer.step()
            filled += [k] * (self.in_python - before)
        self.recorder.close()
        return filled

    def check(self) -> None:
        """Compare the recording with what the steps saw, byte for byte."""
        with dyn.open(self.path) as recording:
            assert (recording.status, recording.step[:].tolist()) == ("complete", list(range(STEPS + 1)))
            for name, parameter in recording.parameters.items():
                truth = np.stack([row[name].astype(parameter.dtype) for row in self.truth])
                np.testing.assert_array_equal(parameter[:-1], truth)
            assert recording.scalars["loss"][:-1].tolist() == [0.5] * STEPS


@pytest.fixture
def make(path, monkeypatch) -> Callable[..., Training]:
    def made(model: nn.Module | None = None, **options: object) -> Training:
        torch.manual_seed(0)
        return Training(path, monkeypatch, nn.Linear(3, 2) if model is None else model, **options)

    return made


def steps_in_python(way: str, *those: int) -> list[int]:
    """The rows that Python fills: the first always, because it has to learn the learning rate."""
    return [0, *those] if way == "in C" else list(range(STEPS))


@pytest.mark.parametrize(
    "model",
    [
        nn.Linear(3, 2),
        nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1)),
        nn.Linear(3, 2, dtype=torch.float64),
        nn.Linear(3, 2, dtype=torch.float16),
        nn.Linear(1, 1),
    ],
    ids=["layer", "nested", "float64", "float16", "numbers"],
)
def test_steps_that_are_like_those_before_them_take_it(make, way, model):
    training = make(model)
    assert training.run(lambda _: None) == steps_in_python(way)
    training.check()


def replaced(training: Training) -> None:
    training.model.weight.data = torch.full((2, 3), 7.0)


def strided(training: Training) -> None:
    training.model.weight.data = torch.arange(6.0).reshape(3, 2).T


def negated(training: Training) -> None:
    # As memory has it, these are the negatives.
    training.model.bias.data = torch._neg_view(torch.ones(2))


def assigned(training: Training) -> None:
    training.model.load_state_dict({"weight": torch.zeros(2, 3), "bias": torch.ones(2)}, assign=True)
    training.optimizer.param_groups[0]["params"] = [*training.model.parameters()]


def of_another_dtype(training: Training) -> None:
    training.model.double()


def of_another_rate(training: Training) -> None:
    training.optimizer.param_groups[0]["lr"] = 0.125


@pytest.mark.parametrize("change", [replaced, strided, negated, assigned, of_another_dtype, of_another_rate])
def test_what_changes_is_never_recorded_stale(make, way, change):
    training = make()
    filled = training.run(change)
    # Python learns of the change, or takes every step from there on.
    assert way == "in Python" or {0, CHANGED} <= set(filled) <= {0, *range(CHANGED, STEPS)}
    training.check()


def test_another_shape_ends_the_recording(make):
    training = make()

    def reshaped(_: Training) -> None:
        training.model.weight.data = torch.zeros(3, 2)

    with pytest.warns(RuntimeWarning, match="ended after 3 rows"):
        training.run(reshaped)


def conjugate() -> Tensor:
    return torch.tensor([1 - 0.5j, 1 - 0.5j]).conj()


@pytest.mark.parametrize(
    "value",
    [
        torch.tensor(0.5),
        torch.tensor([[0.5]], dtype=torch.float64, requires_grad=True),
        torch.tensor(0.5, dtype=torch.bfloat16),
        nn.Parameter(torch.tensor(0.5)),
        np.float32(0.5),
        np.float64(0.5),
        torch.tensor([1.0, 0.5])[1],
        conjugate().imag[0],
        conjugate().imag[1],
    ],
    ids=lambda value: f"{type(value).__name__} {value.dtype}",
)
def test_a_loss_of_any_kind_is_its_value(make, way, value):
    training = make()
    assert training.run(lambda _: None, value) == steps_in_python(way)
    training.check()


def test_the_value_is_that_of_the_moment_at_which_it_is_logged(make, path):
    training, loss = make(), torch.tensor(1.0)
    training.recorder.log(loss=loss)
    loss.fill_(2)
    training.optimizer.step()
    training.recorder.close()
    with dyn.open(path) as recording:
        assert recording.scalars["loss"][0] == 1


def test_a_step_that_raises_leaves_no_row(make, path):
    training = make()

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    training.recorder.log(loss=1.0)
    training.optimizer.step()
    training.recorder.log(loss=2.0)
    with pytest.raises(ZeroDivisionError):
        training.optimizer.register_step_pre_hook(fail)
        training.optimizer.step()
    training.optimizer._optimizer_step_pre_hooks.popitem()
    training.optimizer.step()
    training.recorder.close()
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.scalars["loss"], [1, 2, np.nan])


def test_it_holds_on_to_nothing(make):
    training = make()
    loss, rate = torch.tensor(0.5), training.optimizer.param_groups[0]["lr"]

    def counts() -> list[int]:
        objects = [loss, rate, *training.model.parameters(), training.recorder._phase, training.recorder._blank[0]]
        return [sys.getrefcount(each) for each in objects]

    seen = []
    for _ in range(2):
        for _ in range(100):
            training.recorder.log(loss=loss)
            training.optimizer.step()
        seen.append(counts())
    assert seen[0] == seen[1]
    training.recorder.close()
    recorder = weakref.ref(training.recorder)
    del training.recorder
    gc.collect()
    assert recorder() is None


PROGRAM = """
import sys
if sys.argv[2] == "without":
    sys.modules["dyn.recorders.step._hotpath"] = None
import dyn, torch, dyn.recorders.step.state
torch.manual_seed(0)
model = torch.nn.Linear(3, 2)
optimizer = torch.optim.Adam(model.parameters())
with dyn.attach(model, optimizer, sys.argv[1]) as recorder:
    for _ in range(20):
        optimizer.zero_grad()
        loss = model(torch.rand(8, 3)).square().mean()
        loss.backward()
        recorder.log(loss=loss)
        optimizer.step()
print(dyn.recorders.step.state.HotPath.__name__)
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["in C"], indirect=True)
def test_without_the_extension_the_rows_are_the_same(tmp_path):
    recordings = []
    for way in ("with", "without"):
        command = [sys.executable, "-c", PROGRAM, str(tmp_path / f"{way}.h5"), way]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
        recordings.append(dyn.open(tmp_path / f"{way}.h5"))
    assert done.stdout.strip() == "PythonHotPath"
    first, second = recordings
    for kind, name in (("parameters", "weight"), ("parameters", "bias"), ("scalars", "loss"), ("scalars", "lr")):
        np.testing.assert_array_equal(getattr(first, kind)[name], getattr(second, kind)[name])
