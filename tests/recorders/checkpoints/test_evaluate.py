"""Questions asked afterwards: the same answers as asking each row's model, however they are asked; a file unharmed."""

import copy
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

import dyn
from dyn.dynamics.errors import OutputExistsError, RecordingError, SettingError
from dyn.recorders.checkpoints import asking, states

X = torch.randn(32, 6, generator=torch.Generator().manual_seed(1))
Y = X[:, :3].argmax(1)


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def convolutions() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 6)), nn.Conv1d(1, 4, 3), nn.ReLU(), nn.BatchNorm1d(4), nn.Flatten(), nn.Linear(16, 3)
    )


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = weight_norm(nn.LSTM(3, 5, batch_first=True), "weight_hh_l0")
        self.out = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.lstm(x.unflatten(1, (2, 3)))[0][:, -1])


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(6, 6)
        self.outer = nn.Linear(6, 6, bias=False)
        self.outer.weight = self.inner.weight
        self.bfloat16()

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(self.inner(x.bfloat16()).relu())


class Ensemble(nn.Module):
    def __init__(self):
        super().__init__()
        self.W = nn.Parameter(torch.randn(4, 6, 3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bi,kij->kbj", x, self.W)


def recorded(model: nn.Module, path: Path, steps: int = 30) -> dyn.Recording:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    with dyn.attach(model, optimizer, path, writer="inline") as recorder:
        for _ in range(steps):
            optimizer.zero_grad()
            loss = model(X).float().square().mean() + model(X).float().sin().mean()
            loss.backward()
            recorder.log(loss=loss.detach())
            optimizer.step()
    return dyn.open(path)


def by_rows(recording: dyn.Recording, model: nn.Module, function: Callable[[Any], Any]) -> np.ndarray:
    """Ask the model of each row, loaded."""
    answers = []
    for step in recording.step[:]:
        recording.load_into(model, int(step))
        with torch.no_grad():
            answers.append(np.asarray(torch.as_tensor(function(model)).detach().float()))
    return np.stack(answers)


def accuracy(model: nn.Module) -> Tensor:
    return (model(X).argmax(1) == Y).float().mean()


def logits(model: nn.Module) -> Tensor:
    return model(X[:4])


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return network()


@pytest.fixture
def recording(model: nn.Module, tmp_path: Path):
    with recorded(model, tmp_path / "run.h5") as found:
        model.eval()
        yield found


@pytest.mark.parametrize("kind", [network, convolutions, Recurrent, Tied, Ensemble])
def test_answers_are_those_of_each_rows_model(kind, tmp_path):
    torch.manual_seed(0)
    model = kind()
    with recorded(model, tmp_path / "run.h5") as recording:
        model.eval()
        # torch cannot ask many LSTMs at once.
        told = pytest.warns(UserWarning, match="lstm") if kind is Recurrent else nullcontext()
        with told:
            found = dyn.evaluate(recording, model, {"logits": logits})["logits"]
        expected = by_rows(recording, model, logits)
    # bfloat16 has 8 bits, of which sums in another order may differ in a few.
    tolerance = 5e-2 if kind is Tied else 1e-5
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())
    assert np.ptp(found, axis=0).max() > 0.1


def test_numbers_are_float64_one_for_each_row(recording, model):
    found = dyn.evaluate(recording, model, {"accuracy": accuracy})["accuracy"]
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, by_rows(recording, model, accuracy), atol=1 / 32)


def test_many_are_asked_at_once(recording, model):
    calls = []

    def counted(asked: nn.Module) -> Tensor:
        calls.append(1)
        return logits(asked)

    dyn.evaluate(recording, model, {"logits": counted})
    assert len(calls) < len(recording)


def decided(model: nn.Module) -> Tensor:
    total = model(X).sum()
    return total if total > 0 else -total


def with_number(model: nn.Module) -> float:
    return accuracy(model).item()


def through_numpy(model: nn.Module) -> np.ndarray:
    return model(X[:2]).numpy()


@pytest.mark.parametrize("function", [decided, with_number, through_numpy])
def test_what_cannot_be_asked_at_once_is_asked_one_by_one_and_told(function, recording, model):
    with pytest.warns(UserWarning, match="f was asked of one state after another"):
        found = dyn.evaluate(recording, model, {"f": function})["f"]
    np.testing.assert_array_equal(found.astype(np.float32), by_rows(recording, model, function))


def test_randomness_is_drawn_anew_for_each_row(recording, model):
    with pytest.warns(UserWarning, match="random"):
        found = dyn.evaluate(recording, model, {"f": lambda _: torch.rand(())})["f"]
    assert len(set(found)) == len(found)


def test_what_answers_something_else_at_once_is_asked_one_by_one(recording, model):
    def unfaithful(asked: nn.Sequential) -> Tensor:
        at_once = torch._C._functorch.is_batchedtensor(asked[0].weight)
        return asked(X).mean() * (1.01 if at_once else 1.0)

    with pytest.warns(UserWarning, match="something else"):
        found = dyn.evaluate(recording, model, {"f": unfaithful})["f"]
    np.testing.assert_array_equal(found.astype(np.float32), by_rows(recording, model, unfaithful))


def test_gradients_are_had_where_they_are_asked_for(recording, model):
    def by_func(asked: nn.Module) -> Tensor:
        def loss(x: Tensor) -> Tensor:
            return asked(x).square().sum()

        return torch.func.grad(loss)(X[:4])

    def by_autograd(asked: nn.Sequential) -> Tensor:
        with torch.enable_grad():
            loss = asked(X).square().mean()
            return torch.autograd.grad(loss, list(asked.parameters()))[0]

    found = dyn.evaluate(recording, model, {"f": by_func})["f"]
    np.testing.assert_allclose(found, by_rows(recording, model, by_func), rtol=1e-4, atol=1e-4)
    with pytest.warns(UserWarning, match="one state after another"):
        found = dyn.evaluate(recording, model, {"f": by_autograd})["f"]
    np.testing.assert_array_equal(found, by_rows(recording, model, by_autograd))


def test_the_model_and_the_random_generators_are_left_as_they_were(recording, model):
    model.train()
    before, identities = copy.deepcopy(model.state_dict()), [id(p) for p in model.parameters()]
    random = torch.get_rng_state()

    def meddling(asked: nn.Module) -> Tensor:
        answer = asked(X).mean() + torch.rand(())
        asked.eval()
        asked.note = "left behind"
        return answer

    with pytest.warns(UserWarning, match="random"):
        dyn.evaluate(recording, model, {"f": meddling})
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [id(p) for p in model.parameters()] == identities
    assert all(each.training for each in model.modules())
    assert not hasattr(model, "note")
    assert torch.equal(torch.get_rng_state(), random)


def test_a_function_that_changes_the_weights_changes_no_other_answer(recording, model):
    def pruned(asked: nn.Sequential) -> Tensor:
        asked[0].weight.mul_(asked[0].weight.abs() > 0.3)
        return asked(X[:4])

    found = dyn.evaluate(recording, model, {"pruned": pruned, "whole": logits, "again": pruned})
    np.testing.assert_allclose(found["pruned"], by_rows(recording, model, pruned), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found["whole"], by_rows(recording, model, logits), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(found["again"], found["pruned"])


def test_in_training_mode_each_row_has_statistics_of_its_own(recording, model):
    model.train()
    found = dyn.evaluate(recording, model, {"f": logits})["f"]
    np.testing.assert_allclose(found, by_rows(recording, model, logits), rtol=1e-4, atol=1e-4)


def test_no_more_is_read_or_asked_at_once_than_there_is_room_for(recording, model, monkeypatch):
    whole = dyn.evaluate(recording, model, {"logits": logits})["logits"]
    reader = states.StateReader(recording, model, range(len(recording)))
    monkeypatch.setattr(states, "_BLOCK_BYTES", 7 * reader.row_bytes)
    assert [len(next(iter(each.changing.values()))) for each in reader.blocks()] == [7, 7, 7, 7, 3]
    monkeypatch.setattr(asking, "_ROOM_BYTES", 10_000)
    sizes = []

    def measured(asked: nn.Module) -> Tensor:
        sizes.append(1)
        return logits(asked)

    np.testing.assert_allclose(dyn.evaluate(recording, model, {"f": measured})["f"], whole, rtol=1e-4, atol=1e-5)
    assert len(sizes) > 5


def test_steps_are_answered_in_the_order_in_which_they_are_asked(recording, model):
    every = dyn.evaluate(recording, model, {"f": logits})["f"]
    some = dyn.evaluate(recording, model, {"f": logits}, steps=[20, 3, 20, 7])["f"]
    np.testing.assert_allclose(some, every[[20, 3, 20, 7]], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("functions", "options", "message"),
    [
        ({}, {}, "no dict of functions"),
        (accuracy, {}, "no dict of functions"),
        ({"f": 3}, {}, "no name with a function"),
        ({"a//b": accuracy}, {}, "single slashes"),
        ({"f": accuracy}, {"steps": [77]}, "nearest with one: 30"),
        ({"f": accuracy}, {"steps": []}, "steps is empty"),
        ({"f": accuracy}, {"steps": "all"}, "no list of steps"),
        ({"f": accuracy}, {"save": "yes"}, "save='yes'"),
        ({"f": lambda _: "good"}, {}, "f failed at step 0: TypeError: it returned str"),
        ({"f": lambda m: m.missing}, {}, "f failed at step 0: AttributeError"),
    ],
)
def test_mistakes_are_told(functions, options, message, recording, model):
    with pytest.raises(SettingError, match=message):
        dyn.evaluate(recording, model, functions, **options)


def test_another_model_is_refused(recording):
    with pytest.raises(SettingError, match="give the model it is of"):
        dyn.evaluate(recording, nn.Sequential(nn.Linear(6, 9), nn.BatchNorm1d(9)), {"f": accuracy})


def test_saved_answers_are_scalars_and_probes(recording, model):
    found = dyn.evaluate(recording, model, {"accuracy": accuracy, "logits": logits}, steps=[2, 9], save=True)
    for reader in (recording, dyn.open(recording.path)):
        np.testing.assert_array_equal(reader.scalars["accuracy"][[2, 9]], found["accuracy"])
        np.testing.assert_array_equal(reader.probes["logits"][[2, 9]], found["logits"])
        assert np.isnan(np.delete(reader.scalars["accuracy"][:], [2, 9])).all()
        assert np.isnan(np.delete(reader.probes["logits"][:], [2, 9], axis=0)).all()
        assert reader.status == "complete"


def test_saving_replaces_only_what_was_evaluated_and_only_when_asked(recording, model):
    with pytest.raises(OutputExistsError, match="which its training recorded"):
        dyn.evaluate(recording, model, {"loss": accuracy}, save="replace")
    dyn.evaluate(recording, model, {"f": accuracy}, save=True)
    with pytest.raises(OutputExistsError, match="already"):
        dyn.evaluate(recording, model, {"f": accuracy}, save=True)
    dyn.evaluate(recording, model, {"f": lambda m: accuracy(m) + 1}, save="replace")
    assert (recording.scalars["f"][:] >= 1).all()


def test_a_live_file_can_be_asked_and_not_saved_into(model, tmp_path):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with dyn.attach(model, optimizer, tmp_path / "live.h5", writer="inline"):
        for _ in range(3):
            optimizer.zero_grad()
            model(X).square().mean().backward()
            optimizer.step()
        with dyn.open(tmp_path / "live.h5") as live:
            assert len(dyn.evaluate(live, model, {"f": accuracy})["f"]) >= 3
            with pytest.raises(RecordingError, match="still being written"):
                dyn.evaluate(live, model, {"f": accuracy}, save=True)


def test_what_is_interrupted_leaves_the_file_as_it_was(recording, model, monkeypatch):
    before = recording.path.read_bytes()

    def interrupted(_: nn.Module) -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dyn.evaluate(recording, model, {"f": interrupted}, save=True)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dyn.recorders.file.journal._place", full)
    with pytest.raises(RecordingError, match="cannot be saved into: No space left"):
        dyn.evaluate(recording, model, {"f": accuracy}, save=True)
    assert recording.path.read_bytes() == before
    assert len(recording.scalars["loss"][:]) == len(recording)


def test_a_training_goes_on_after_answers_were_saved(recording, model):
    dyn.evaluate(recording, model, {"f": accuracy, "g": logits}, save=True)
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with dyn.attach(model, optimizer, recording.path, resume=True):
        model(X).square().mean().backward()
        optimizer.step()
    with dyn.open(recording.path) as longer:
        assert len(longer) > 31
        assert np.isnan(longer.scalars["f"][-1])
        assert np.isfinite(longer.probes["g"][:31]).all()
