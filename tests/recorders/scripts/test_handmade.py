"""Trainings whose parameters nothing of torch's steps."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import dyn
from dyn.recorders.scripts import handmade
from dyn.recorders.scripts.tracking import Tracking


class Watched:
    """Trackings in an empty folder, and what they say."""

    def __init__(self):
        self.said: list[str] = []

    def __call__(self, **options) -> Tracking:
        return Tracking(Path("run.h5"), options, self.said.append)


@pytest.fixture
def watch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Watched()


def by_version(p: Tensor, rate: float) -> None:
    with torch.no_grad():
        p -= rate * p.grad


def by_data(p: Tensor, rate: float) -> None:
    p.data.add_(p.grad, alpha=-rate)


def by_new_data(p: Tensor, rate: float) -> None:
    p.data = p.data - rate * p.grad


def net(n_inputs: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(n_inputs, 2), nn.Linear(2, 1))


def train(model: nn.Module, steps: int = 4, update=by_version, micro_batches: int = 1) -> list[tuple[Tensor, float]]:
    """Descend by hand; return the first weight and the loss of each step, and the final weight."""
    rows = []
    for k in range(steps):
        weight, total = model[0].weight.detach().clone(), 0.0
        for _ in range(micro_batches):
            loss = model(torch.full((2, model[0].in_features), 1.0 + k)).square().mean()
            loss.backward()
            total += loss.item()
        rows.append((weight, total))
        for p in model.parameters():
            update(p, 0.01)
            p.grad = None
    return [*rows, (model[0].weight.detach().clone(), float("nan"))]


def check(path: str, rows: list[tuple[Tensor, float]]) -> None:
    with dyn.open(path) as recording:
        assert recording.step[:].tolist() == list(range(len(rows)))
        weights = torch.from_numpy(recording.parameters["0.weight"][:])
        assert torch.equal(weights, torch.stack([weight for weight, _ in rows]))
        assert recording.scalars["loss"][:] == pytest.approx([loss for _, loss in rows], nan_ok=True)


@pytest.mark.parametrize("update", [by_version, by_data, by_new_data])
@pytest.mark.parametrize("micro_batches", [1, 2])
def test_a_row_for_each_change(watch, update, micro_batches):
    with watch() as tracking:
        rows = train(net(), update=update, micro_batches=micro_batches)
    check("run.h5", rows)
    assert tracking.summary() == ["run.h5: 5 rows, complete"]
    assert "recording Sequential (no optimizer of torch's: a row for each change" in watch.said[0]


def test_the_training_is_the_same_to_the_last_bit_and_no_parameter_another(watch):
    plain = train(net())
    model = net()
    parameters = list(model.parameters())
    with watch():
        recorded = train(model)
    assert [loss for _, loss in recorded[:-1]] == [loss for _, loss in plain[:-1]]
    assert all(torch.equal(one, other) for (one, _), (other, _) in zip(plain, recorded, strict=True))
    assert all(map(lambda p, q: p is q, model.parameters(), parameters))


def test_every_other_row(watch):
    with watch(every=2):
        rows = train(net(), steps=5)
    with dyn.open("run.h5") as recording:
        assert recording.step[:].tolist() == [0, 2, 4, 5]
        assert recording.scalars["loss"][:3] == pytest.approx([rows[k][1] for k in (0, 2, 4)])


def test_a_gan_by_hand_has_a_recording_for_each_of_its_models(watch):
    critic, maker = net(3), net(2)
    head = nn.Linear(1, 3)
    maker.append(head)
    losses: tuple[list[float], list[float]] = [], []
    with watch():
        for _ in range(4):
            for passes, model in enumerate((critic, maker)):
                critic.zero_grad()
                maker.zero_grad()
                fake = maker(torch.ones(4, 2))
                # The maker's gradient passes through the critic, which is not stepped by it.
                loss = critic(fake if model is maker else fake.detach()).square().mean() * (1 - 2 * passes)
                loss.backward()
                losses[passes].append(loss.item())
                for p in model.parameters():
                    by_version(p, 0.05)
    names = sorted(path.name for path in Path().glob("*.h5"))
    assert len(names) == 2
    for name, expected, first in zip(("run.h5", names[0]), losses, (critic, maker), strict=True):
        with dyn.open(name) as recording:
            assert recording.parameters["0.weight"].shape == (5, *first[0].weight.shape)
            assert recording.scalars["loss"][:4] == pytest.approx(expected)
            assert (recording.parameters["0.weight"][-1] == first[0].weight.detach().numpy()).all()


def test_inputs_that_want_a_gradient_are_no_parameters(watch):
    W = torch.ones(3, requires_grad=True)
    with watch():
        for _ in range(3):
            x = torch.rand(3, requires_grad=True)
            (W * x).sum().backward()
            by_version(W, 0.1)
            W.grad = None
    with dyn.open("run.h5") as recording:
        assert [array.shape for array in recording.parameters.values()] == [(4, 3)]


def test_branches_that_a_pass_leaves_out_are_recorded_too(watch):
    model = nn.ModuleList([nn.Linear(2, 1), nn.Linear(2, 1), nn.Linear(2, 1)])
    with watch() as tracking:
        for k in range(6):
            sum(model[j](torch.ones(2)) for j in (0, 1 + k % 2)).square().sum().backward()
            for p in model.parameters():
                if p.grad is not None:
                    by_version(p, 0.1)
                    p.grad = None
    assert tracking.summary() == ["run.h5: 7 rows, complete"]
    with dyn.open("run.h5") as recording:
        assert len(recording.parameters) == 6


def test_a_large_training_is_recorded_from_its_second_step(watch, monkeypatch):
    monkeypatch.setattr(handmade, "_MOST_NUMBERS", 4)
    with watch():
        rows = train(net())
    check("run.h5", rows[1:])


@pytest.mark.parametrize("update", [by_version, by_data])
def test_an_optimizer_goes_on_with_what_was_begun_by_hand(watch, update):
    model = net()
    with watch() as tracking:
        rows = train(model, update=update)[:-1]
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            loss = model(torch.ones(1, 3)).square().mean()
            loss.backward()
            rows.append((model[0].weight.detach().clone(), loss.item()))
            optimizer.step()
        rows.append((model[0].weight.detach().clone(), float("nan")))
    check("run.h5", rows)
    assert tracking.summary() == ["run.h5: 7 rows, complete"]
    with dyn.open("run.h5") as recording:
        assert recording.scalars["lr"][4:].tolist() == [0.1] * 3


class Idle(torch.optim.Optimizer):
    """Steps within the pass, by itself, and has no step() that would."""

    def __init__(self, parameters):
        super().__init__(parameters, {})


@pytest.mark.parametrize("make", [list, Idle])
@pytest.mark.parametrize("update", [by_version, by_data])
def test_steps_within_the_pass_are_recorded_from_the_second_on(watch, make, update):
    model = net()
    rows = []
    with watch() as tracking:
        optimizer = make(model.parameters())

        def hook(p: Tensor) -> None:
            update(p, 0.1)
            p.grad = None

        for p in model.parameters():
            p.register_post_accumulate_grad_hook(hook)
        for _ in range(4):
            weight = model[0].weight.detach().clone()
            loss = model(torch.ones(2, 3)).square().mean()
            loss.backward()
            rows.append((weight, loss.item()))
        rows.append((model[0].weight.detach().clone(), float("nan")))
    assert optimizer
    check("run.h5", rows[1:])
    assert tracking.summary() == ["run.h5: 4 rows, complete"]


@pytest.mark.parametrize("order", [(0, 0, 0), (1, 1, 1), (0, 1, 3, 1, 5)])
def test_an_optimizer_whose_passes_reach_no_witness_has_its_recording_alone(watch, order):
    # More parameters than there are witnesses, of which a pass reaches few.
    branches = nn.ModuleList([nn.Linear(2, 1) for _ in range(20)])
    losses = []
    with watch() as tracking:
        optimizer = torch.optim.SGD(branches.parameters(), lr=0.1)
        for k in order:
            optimizer.zero_grad()
            loss = branches[k](torch.ones(2)).square().sum()
            loss.backward()
            losses.append(loss.item())
            optimizer.step()
    assert tracking.summary() == [f"run.h5: {len(order) + 1} rows, complete"]
    with dyn.open("run.h5") as recording:
        assert recording.scalars["loss"][:-1].tolist() == losses


def test_gradients_that_move_nothing_are_no_training(watch):
    model = net()
    with watch() as tracking:
        for _ in range(3):
            x = torch.rand(1, 3, requires_grad=True)
            model(x).sum().backward()
            model.zero_grad()
    assert (tracking.summary(), watch.said, list(Path().iterdir())) == ([], [], [])
    assert tracking.seen() == (
        "3 calls of backward(); no optimizer of torch's, and no parameter that had changed at the next call"
    )


def test_parameters_that_are_made_anew_cannot_be_followed_and_are_let_go_of(watch):
    with watch() as tracking:
        W = torch.ones(3, requires_grad=True)
        for _ in range(100):
            W.square().sum().backward()
            W = (W - 0.1 * W.grad).detach().requires_grad_()
        assert len(tracking._workshop._trainings) <= 2
    assert tracking.summary() == []
    assert tracking.seen().startswith("100 calls of backward()")


def test_what_cannot_be_recorded_is_said_once_and_trains_on(watch):
    with watch(select=["q"]) as tracking:
        rows = train(net())
    assert len(rows) == 5
    assert len(watch.said) == 1
    assert "without an optimizer of torch's is not recorded: select=['q'] matches no parameter" in watch.said[0]
    assert tracking.has_refused


def test_an_optimizer_of_torchs_that_takes_no_step_is_named(watch):
    model = net()
    with watch() as tracking:
        torch.optim.Adam(model.parameters())
        model(torch.ones(1, 3)).sum().backward()
    assert tracking.seen() == "1 call of backward(); optimizers that took no step: Adam"
