"""Whose loss a step follows, for the ways in which people write their loops."""

import gc
import math
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.utils.checkpoint import checkpoint

from dyn.recorders.scripts.losses import Ledger, leaves


@pytest.fixture
def ledger():
    with Ledger() as ledger:
        yield ledger


class Training:
    """A model with its optimizer and the losses that the ledger says its steps follow."""

    def __init__(self, ledger: Ledger, n_inputs: int = 3, optimizer: Any = torch.optim.SGD):
        self.x = torch.rand(8, n_inputs, generator=torch.Generator().manual_seed(0))
        self.model = nn.Linear(n_inputs, 2)
        self.optimizer = optimizer(self.model.parameters(), lr=0.1)
        self.ledger = ledger
        self.account = ledger.account(self.optimizer)
        self.logged: list[float] = []
        self.account.log = lambda loss: self.logged.append(float(loss))

    def loss(self) -> Tensor:
        return self.model(self.x).square().mean()

    def step(self, closure=None) -> None:
        self.ledger.begin_step(self.optimizer).publish()
        self.optimizer.step(closure)
        self.account.end_step()


@pytest.fixture
def training(ledger):
    return Training(ledger)


@pytest.mark.parametrize("set_to_none", [True, False])
def test_a_plain_loop(training, set_to_none):
    for _ in range(3):
        training.optimizer.zero_grad(set_to_none=set_to_none)
        loss = training.loss()
        loss.backward()
        training.step()
        assert training.logged[-1] == loss.item()


def test_micro_batches_add_up_as_their_gradients_do(training):
    for _ in range(2):
        training.optimizer.zero_grad()
        whole = training.loss().item()
        for _ in range(4):
            (training.loss() / 4).backward()
        training.step()
        assert training.logged[-1] == pytest.approx(whole)


@pytest.mark.parametrize("set_to_none", [True, False])
def test_a_loss_whose_gradient_was_cleared_does_not_count(training, set_to_none):
    training.loss().backward()
    training.optimizer.zero_grad(set_to_none=set_to_none)
    loss = training.loss() * 2
    loss.backward()
    training.step()
    assert training.logged == [loss.item()]


def test_a_gan_has_the_discriminators_losses_and_the_generators(ledger):
    critic, maker = Training(ledger, n_inputs=2), Training(ledger, n_inputs=3)
    expected = [], []
    for _ in range(3):
        critic.model.zero_grad()
        real, fake = critic.loss(), -critic.model(maker.model(maker.x).detach()).mean()
        real.backward()
        fake.backward()
        critic.step()
        maker.model.zero_grad()
        # It reaches the critic too.
        fooled = critic.model(maker.model(maker.x)).mean()
        fooled.backward()
        maker.step()
        expected[0].append(real.item() + fake.item())
        expected[1].append(fooled.item())
    assert (critic.logged, maker.logged) == (pytest.approx(expected[0]), pytest.approx(expected[1]))


@pytest.mark.parametrize("in_one", [False, True])
def test_two_optimizers_side_by_side_have_each_its_own_loss_or_both_the_same(ledger, in_one):
    trainings = [Training(ledger), Training(ledger, n_inputs=5)]
    losses = [training.loss() for training in trainings]
    losses = [losses[0] + losses[1]] if in_one else losses
    for loss in losses:
        loss.backward()
    for training in trainings:
        training.step()
    expected = [[loss.item()] for loss in losses]
    assert [training.logged for training in trainings] == (expected * 2 if in_one else expected)


def test_a_step_without_a_backward_pass_has_no_loss(training):
    training.loss().backward()
    training.step()
    training.step()
    assert len(training.logged) == 1
    assert math.isnan(training.account.loss)


def test_a_closure_logs_from_within_the_step(ledger):
    training = Training(ledger, optimizer=torch.optim.LBFGS)
    for _ in range(2):
        losses = []

        def closure(losses=losses):
            training.optimizer.zero_grad()
            loss = training.loss()
            loss.backward()
            losses.append(loss.item())
            return loss.detach()

        before = len(training.logged)
        training.step(closure)
        assert training.logged[before:] == losses


@pytest.mark.parametrize("set_to_none", [True, False])
def test_a_gradient_scaler_leaves_the_loss_unscaled(training, set_to_none):
    scaler = GradScaler("cpu", init_scale=1024.0)
    losses = []
    for k in range(4):
        training.optimizer.zero_grad(set_to_none=set_to_none)
        # The scaler skips the step of a loss that overflows.
        loss = training.loss() * (math.inf if k == 1 else 1)
        scaler.scale(loss).backward()
        scaler.unscale_(training.optimizer)
        nn.utils.clip_grad_norm_(training.model.parameters(), 1e-3)
        if k != 1:
            training.step()
            losses.append(loss.item())
        scaler.update()
    assert training.logged == losses


def test_a_gradient_scaler_scales_several_losses(training):
    losses = [training.loss(), training.loss() * 2]
    torch.autograd.backward(GradScaler("cpu", init_scale=2.0**20).scale(losses))
    training.step()
    assert training.logged == pytest.approx([3 * losses[0].item()])


def test_a_scaled_loss_that_is_divided_once_more(training):
    scaler = GradScaler("cpu", init_scale=1024.0)
    losses = [training.loss().item()]
    for _ in range(2):
        (scaler.scale(training.loss()) / 2).backward()
    training.step()
    training.optimizer.zero_grad()
    losses.append(training.loss().item())
    training.loss().backward()
    training.step()
    assert training.logged == losses


def test_weights_of_the_roots_count(training):
    loss = training.loss()
    loss.backward(torch.tensor(-2.0))
    torch.autograd.backward([training.loss(), training.loss()], [torch.tensor(1.0), torch.tensor(3.0)])
    training.step()
    assert training.logged == pytest.approx([2 * loss.item()])


def test_a_root_of_many_numbers_is_no_loss(training):
    training.model(training.x).backward(torch.ones(8, 2))
    training.step()
    assert training.logged == []


def test_a_backward_pass_within_another_is_none_of_its_own(training):
    x, total = training.x.requires_grad_(), 0.0
    for _ in range(2):
        loss = 2 * checkpoint(lambda x: training.model(x).mean(), x, use_reentrant=True)
        loss.backward()
        total += loss.item()
    training.step()
    assert training.logged == pytest.approx([total])


def test_parameters_that_come_to_life_later_are_found(ledger):
    encoder, head = nn.Linear(3, 3), nn.Linear(3, 1)
    encoder.requires_grad_(False)
    optimizer = torch.optim.SGD([*encoder.parameters(), *head.parameters()], lr=0.1)
    account = ledger.account(optimizer)
    encoder.requires_grad_(True)
    head.requires_grad_(False)
    for _ in range(2):
        optimizer.zero_grad()
        loss = head(encoder(torch.ones(1, 3))).sum()
        loss.backward()
        assert ledger.begin_step(optimizer) is account
        assert account.loss == loss.item()
        optimizer.step()
        account.end_step()


def test_a_pass_from_before_the_optimizer_counts(ledger):
    model, x = nn.Linear(3, 2), torch.ones(4, 3)
    losses = []
    for _ in range(2):
        loss = model(x).square().mean()
        loss.backward()
        losses.append(loss.item())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    assert ledger.begin_step(optimizer).loss == sum(losses)


def test_gradients_that_another_step_has_followed_count_no_more(ledger):
    training = Training(ledger)
    training.loss().backward()
    training.step()
    successor = torch.optim.SGD(training.model.parameters(), lr=0.1)
    assert math.isnan(ledger.begin_step(successor).loss)


@pytest.mark.parametrize("set_to_none", [True, False])
@pytest.mark.parametrize("micro_batches", [1, 3])
def test_optimizers_that_step_within_the_pass(ledger, set_to_none, micro_batches):
    model, x = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1)), torch.ones(4, 3)
    optimizers = {p: torch.optim.SGD([p], lr=0.1) for p in model.parameters()}
    for optimizer in optimizers.values():
        ledger.account(optimizer)
    followed: dict[Tensor, list[float]] = {p: [] for p in optimizers}
    is_last = False

    def hook(p: Tensor) -> None:
        if is_last:
            followed[p].append(float(ledger.begin_step(optimizers[p]).loss))
            optimizers[p].step()
            ledger.account(optimizers[p]).end_step()
            optimizers[p].zero_grad(set_to_none=set_to_none)

    for p in model.parameters():
        p.register_post_accumulate_grad_hook(hook)
    expected = []
    for _ in range(3):
        total = 0.0
        for k in range(micro_batches):
            is_last = k == micro_batches - 1
            loss = model(x).square().mean()
            loss.backward()
            total += loss.item()
        expected.append(total)
    assert list(followed.values()) == [pytest.approx(expected)] * 4


def test_one_optimizer_that_steps_at_each_gradient_of_a_pass(ledger):
    training = Training(ledger)
    losses = []

    def hook(p: Tensor) -> None:
        training.step()
        p.grad = None

    for p in training.model.parameters():
        p.register_post_accumulate_grad_hook(hook)
    for _ in range(2):
        loss = training.loss()
        loss.backward()
        losses += [loss.item()] * 2
    assert training.logged == losses


def test_leaves_are_what_a_pass_gives_gradients():
    model, x = nn.Linear(3, 2), torch.ones(1, 3, requires_grad=True)
    model.bias.requires_grad_(False)
    root = model(x).sum() + model(x).mean()
    assert set(leaves(root)) == {x, model.weight}
    assert leaves(root, inputs=[x]) == [x]
    assert leaves([x, torch.ones(1)]) == [x]


def test_neither_graph_nor_optimizer_is_kept_alive(ledger):
    training = Training(ledger)
    training.account.log = None
    loss = GradScaler("cpu").scale(training.loss())
    loss.backward()
    references = [weakref.ref(loss), weakref.ref(training.optimizer)]
    del loss, training
    gc.collect()
    assert [reference() for reference in references] == [None, None]
    assert (ledger._accounts, ledger._unscaled) == ({}, {})


def test_what_is_replaced_in_torch_is_put_back():
    before = torch.autograd.backward, GradScaler.scale
    with Ledger():
        assert torch.autograd.backward is not before[0]
    assert (torch.autograd.backward, GradScaler.scale) == before


def test_what_somebody_else_has_put_around_it_stays(monkeypatch):
    monkeypatch.setattr(torch.autograd, "backward", torch.autograd.backward)
    with Ledger():
        watching = torch.autograd.backward
        monkeypatch.setattr(torch.autograd, "backward", lambda *args, **options: watching(*args, **options))
        theirs = torch.autograd.backward
    assert torch.autograd.backward is theirs
    p = torch.ones(1, requires_grad=True)
    (2 * p).backward()
    assert p.grad == torch.tensor([2.0])


def test_a_loss_that_cannot_be_read_harms_nothing(training, monkeypatch):
    monkeypatch.setattr(Ledger, "_value", lambda *_: 1 / 0)
    training.loss().backward()
    training.step()
    assert training.logged == []
