"""Filling rows: which numbers get into which row, and that a row counts when all of it is there."""

import numpy as np
import pytest
import torch
from torch import nn

from dyn.dynamics.errors import SettingError
from dyn.recorders.model.sources import Sources
from dyn.recorders.ring.layout import RowLayout
from dyn.recorders.ring.ring import Ring
from dyn.recorders.step.row import RowFiller

pytestmark = pytest.mark.usefixtures("way")

CAPACITY, ROOM = 3, 6


class Rows:
    """A filler, and what it has put into its ring."""

    def __init__(self, path, *optimizers: torch.optim.Optimizer):
        self.model = nn.Linear(2, 1)
        sources = Sources(self.model, None, None, {"twice": lambda model: 2 * model.bias})
        self.ring = Ring.create(path, RowLayout("token", ROOM, tuple(sources.channels)), CAPACITY, ("loss", "lr"))
        self.filler = RowFiller(self.ring, *sources.taps(self.ring), optimizers)

    def take(self, **scalars: float) -> dict[str, float]:
        """Take a row with these numbers; return those that it has."""
        for name, value in scalars.items():
            self.filler.log(**{name: value})
        self.filler._fill(10 * self.filler._row, 0.5)
        self.filler._commit()
        return self[-1]

    def __getitem__(self, back: int) -> dict[str, float]:
        """The numbers of the row so many before the next one; NaN is none."""
        slot = (self.filler._row + back) % CAPACITY
        block = self.ring.block(self.ring.rows[slot : slot + 1])
        return {name: float(column[0]) for name, column in block.scalars.items() if not np.isnan(column[0])}


@pytest.fixture
def start(tmp_path):
    made = []

    def make(*optimizers: torch.optim.Optimizer) -> Rows:
        made.append(Rows(tmp_path / f"{len(made)}.ring", *optimizers))
        return made[-1]

    yield make
    for rows in made:
        rows.ring.release()


@pytest.fixture
def rows(start) -> Rows:
    return start()


def sgd(*rates: object) -> torch.optim.Optimizer:
    groups = [{"params": [nn.Parameter(torch.ones(1))], "lr": rate} for rate in rates]
    return torch.optim.SGD(groups, lr=0.0)


def test_a_row_is_complete_once_it_is_committed(rows):
    for k in range(2 * CAPACITY):
        start = max(0, k - CAPACITY + 1)
        rows.filler._fill(7 * k, k / 2)
        assert (rows.filler._row, rows.filler._complete, rows.ring.complete_after(start)) == (k, k, k - start)
        rows.filler._commit()
        assert (rows.filler._row, rows.filler._complete, rows.ring.complete_after(start)) == (
            k + 1,
            k + 1,
            k + 1 - start,
        )
        row = rows.ring.rows[k % CAPACITY]
        assert (row["step"], row["time"]) == (7 * k, k / 2)
        np.testing.assert_array_equal(row["probes/twice"], 2 * row["parameters/bias"])
        rows.model.bias.data += 1


def test_numbers_are_those_of_one_row(rows):
    assert rows.take(loss=1.5, accuracy=2) == {"loss": 1.5, "accuracy": 2}
    assert rows.take(accuracy=torch.tensor(3.0)) == {"accuracy": 3}
    assert rows.take() == {}
    # The slots come round again, and a name that comes up late moves no other.
    assert rows.take(loss=4, late=5.0) == {"loss": 4, "late": 5}
    assert (rows[-3], rows[-2]) == ({"accuracy": 3}, {})
    assert rows.take(accuracy=6, loss=7.0) == {"accuracy": 6, "loss": 7}


def test_what_is_logged_last_counts(rows):
    assert rows.take(loss=1) == {"loss": 1}
    rows.filler.log(loss=1.0)
    assert rows.take(loss=torch.tensor(2)) == {"loss": 2}


def test_what_is_logged_once_stays(rows):
    for name, value in (("loss", 1.0), ("loss", 2.0), ("new", 3), ("new", 4)):
        rows.filler._log_once(name, value)
    assert rows.take() == {"loss": 1, "new": 3}
    rows.filler.log(loss=1.0)
    rows.filler._log_once("loss", 2.0)
    assert rows.take() == {"loss": 1}


def test_forgetting(rows):
    for name in ("loss", "a", "b"):
        rows.filler.log(**{name: 1.0})
    rows.filler._forget(["a", "loss"])
    assert rows.take() == {"b": 1}
    rows.filler.log(a=1.0)
    rows.filler._forget()
    assert rows.take(b=2) == {"b": 2}


def test_numbers_can_be_added_to_the_row_before(rows):
    for k in range(2 * CAPACITY):
        rows.take(loss=k, a=k)
        rows.filler.log(a=10.0 + k)
        rows.filler.log(b=20.0 + k)
        rows.filler._amend()
        assert rows[-1] == {"loss": k, "a": 10 + k, "b": 20 + k}
        assert rows.ring.rows["step"][k % CAPACITY] == 10 * k
        assert rows.ring.complete_after(max(0, k - 2)) == min(k + 1, 3)
    assert rows.take() == {}


def test_a_ring_holds_so_many_scalars_and_says_the_way_out(rows):
    numbers = {f"x{k}": float(k) for k in range(ROOM - 2)}
    with pytest.raises(SettingError, match=r"log\(one more=…\) is one scalar too many: .*holds 6; .*probes={name"):
        rows.take(**numbers, **{"one more": 1.0})
    assert rows.take() == numbers


@pytest.mark.parametrize("name", ["", "a/..", "a\0b", "\udc80", "loss/0"])
def test_a_name_that_cannot_be_used_is_refused_at_once(rows, name):
    with pytest.raises(SettingError, match=r"in log\(\)"):
        rows.filler.log(**{name: 1.0})
    assert rows.take(loss=1) == {"loss": 1}


def test_learning_rates_of_several_groups_and_optimizers(start):
    first, second = sgd(0.1, 1), sgd(torch.tensor(0.25))
    rows = start(first, second)
    assert rows.take() == {"lr": 0.1, "lr_1": 1, "lr_2": 0.25}
    first.param_groups[0]["lr"], first.param_groups[1]["lr"] = np.float32(0.5), 2.0
    second.param_groups[0]["lr"].fill_(4)
    assert rows.take() == {"lr": 0.5, "lr_1": 2, "lr_2": 4}
    second.add_param_group({"params": [nn.Parameter(torch.ones(1))], "lr": 8.0})
    del first.param_groups[1]["lr"]
    assert rows.take() == {"lr": 0.5, "lr_2": 4, "lr_3": 8}


def test_a_learning_rate_that_the_user_logs_stays(start):
    rows = start(sgd(0.1, 0.2))
    assert rows.take(lr=7, lr_1=torch.tensor(8.0)) == {"lr": 7, "lr_1": 8}
    rows.filler._fill(0, 0.0)
    # Within the step, from a closure.
    rows.filler._log_once("lr", 9)
    rows.filler._log_once("lr", 10)
    rows.filler._commit()
    assert rows[-1] == pytest.approx({"lr": 9, "lr_1": 0.2})
    assert rows.take() == {"lr": 0.1, "lr_1": 0.2}


def test_the_next_try_of_a_step_has_its_own_learning_rate(start):
    optimizer = sgd(0.1, 0.2)
    rows = start(optimizer)
    rows.filler.log(loss=1.0)
    rows.filler._fill(0, 0.0)
    # The step raises; its number stays, since it was logged before it.
    optimizer.param_groups[0]["lr"] = 0.5
    rows.filler.log(lr_1=7.0)
    assert not rows.filler._recover_row(0)
    assert rows.take() == {"loss": 1, "lr": 0.5, "lr_1": 7}


def test_a_step_that_was_interrupted_before_its_row_was_complete(rows):
    assert not rows.filler._recover_row(0)
    rows.take(loss=1)
    rows.filler._fill(10, 0.0)
    assert not rows.filler._recover_row(10)
    assert rows.take(loss=2) == {"loss": 2}
    assert (rows.filler._row, rows.ring.complete_after(0)) == (2, 2)


@pytest.mark.parametrize("within", [True, False], ids=["within commit()", "after it"])
def test_a_step_that_was_interrupted_when_its_row_was_complete(rows, monkeypatch, within):
    def interrupted(*arguments):
        pack(*arguments)
        raise KeyboardInterrupt

    rows.take(loss=1)
    rows.filler.log(loss=2.0)
    rows.filler._fill(10, 0.0)
    with monkeypatch.context() as patch:
        if within:
            pack = rows.filler._pack
            patch.setattr(rows.filler, "_pack", interrupted)
            with pytest.raises(KeyboardInterrupt):
                rows.filler._commit()
        else:
            rows.filler._commit()
    assert rows.filler._recover_row(10)
    assert (rows.filler._row, rows[-1]) == (2, {"loss": 2})
    assert rows.take(loss=3) == {"loss": 3}
    assert rows.ring.complete_after(0) == 3


def test_the_present_parameters_are_no_row(rows):
    rows.take(loss=1)
    rows.filler.log(loss=2.0)
    present = rows.filler._present_parameters()
    assert {name: value.shape for name, value in present.items()} == {"weight": (1, 1, 2), "bias": (1, 1)}
    np.testing.assert_array_equal(present["weight"][0], rows.model.weight.detach())
    assert (rows.filler._row, rows.ring.complete_after(0)) == (1, 1)
    assert rows.take() == {"loss": 2}
