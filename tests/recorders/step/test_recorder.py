"""What a row means, whatever the training does."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import SettingError

OPTIMIZERS = [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop, torch.optim.LBFGS]

pytestmark = pytest.mark.usefixtures("way")


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_row_is_the_state_at_which_its_loss_was_computed(make_regression, path, optimizer, every):
    run = make_regression(optimizer)
    states = []
    with dyn.attach(run.model, run.optimizer, path, every=every) as recorder:
        for _ in range(8):
            states.append(run.state())
            run.step(recorder)
    states.append(run.state())
    with dyn.open(path) as recording:
        steps = [*range(0, 8, every), 8]
        np.testing.assert_array_equal(recording.step, steps)
        for name, expected in zip(("weight", "bias"), zip(*states, strict=True), strict=True):
            np.testing.assert_array_equal(recording.parameters[name], np.stack(expected)[steps])
        np.testing.assert_array_equal(recording.scalars["loss"], [*np.array(run.losses)[steps[:-1]], np.nan])
        for row in range(len(steps) - 1):
            # The same sums over arrays that may be aligned otherwise.
            assert recording.scalars["loss"][row] == pytest.approx(run.loss_of_row(recording, row), rel=1e-6)
        assert (np.diff(recording.time) > 0).all()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_is_the_same_to_the_last_bit(make_regression, path, optimizer):
    alone, watched = make_regression(optimizer).train(20), make_regression(optimizer)
    with dyn.attach(watched.model, watched.optimizer, path, probes={"norm": lambda m: m.weight.norm()}) as recorder:
        watched.train(10, recorder)
    watched.train(10)
    assert watched.losses == alone.losses
    np.testing.assert_equal(watched.state(), alone.state())


def test_detaching_leaves_no_trace(regression, path):
    def marks():
        model, optimizer = regression.model, regression.optimizer
        hooks = [optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks]
        hooks += [model._forward_hooks, model._forward_pre_hooks, model._backward_hooks]
        return [len(each) for each in hooks], set(vars(model)), set(vars(optimizer)), optimizer.state_dict()

    before = marks()
    recorder = dyn.attach(regression.model, regression.optimizer, path)
    assert marks()[0] != before[0]
    recorder.close()
    assert marks() == before


def test_the_final_row_takes_what_was_logged_after_the_last_step(regression, path):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(2, recorder)
        recorder.log(loss=7, accuracy=0.5)
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.scalars["loss"], [*regression.losses, 7])
        np.testing.assert_array_equal(recording.scalars["accuracy"], [np.nan, np.nan, 0.5])


def test_nothing_trained_is_one_row(regression, path):
    dyn.attach(regression.model, regression.optimizer, path).close()
    with dyn.open(path) as recording:
        assert (len(recording), recording.status) == (1, "complete")
        np.testing.assert_array_equal(recording.parameters["weight"][0], regression.state()[0])


@pytest.mark.parametrize("steps", [3, 4, 5, 30])
@pytest.mark.usefixtures("small_ring")
def test_more_rows_than_the_ring_holds(regression, path, steps):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        for k in range(steps):
            regression.step(recorder, **{f"from_{k // 10}": k})
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.step, range(steps + 1))
        np.testing.assert_array_equal(recording.scalars["loss"][:-1], regression.losses)
        for row in range(steps):
            assert recording.scalars["loss"][row] == pytest.approx(regression.loss_of_row(recording, row), rel=1e-6)
        for ten in range((steps - 1) // 10 + 1):
            expected = [k if k // 10 == ten else np.nan for k in range(steps)]
            np.testing.assert_array_equal(recording.scalars[f"from_{ten}"][:-1], expected)


def test_learning_rates_of_every_group_and_of_a_schedule(path):
    model = nn.Linear(2, 2)
    groups = [{"params": [model.weight], "lr": 0.5}, {"params": [model.bias], "lr": torch.tensor(0.25)}]
    optimizer = torch.optim.SGD(groups, foreach=False)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    with dyn.attach(model, optimizer, path):
        for _ in range(3):
            model(torch.ones(1, 2)).sum().backward()
            optimizer.step()
            schedule.step()
    with dyn.open(path) as recording:
        np.testing.assert_allclose(recording.scalars["lr"], [0.5, 0.25, 0.125, 0.0625])
        np.testing.assert_allclose(recording.scalars["lr_1"], [0.25, 0.125, 0.0625, 0.03125])


@pytest.mark.parametrize("defaults", [{}, {"lr": None}], ids=str)
def test_an_optimizer_without_a_learning_rate(path, defaults):
    class Plain(torch.optim.Optimizer):
        def step(self, closure=None):
            pass

    model = nn.Linear(2, 2)
    optimizer = Plain(model.parameters(), defaults)
    with dyn.attach(model, optimizer, path):
        optimizer.step()
    with dyn.open(path) as recording:
        assert (len(recording), recording.status) == (2, "complete")
        assert np.isnan(recording.scalars["lr"]).all()


def test_rows_count_optimizer_steps_under_gradient_accumulation(regression, path):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        for k in range(6):
            regression.loss(regression.model.weight, regression.model.bias).backward()
            recorder.log(micro=k)
            if k % 3 == 2:
                regression.optimizer.step()
                regression.optimizer.zero_grad()
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.step, [0, 1, 2])
        np.testing.assert_array_equal(recording.scalars["micro"], [2, 5, np.nan])


def test_an_exception_in_the_training_keeps_its_rows(regression, path):
    def fail_after_three_steps():
        with dyn.attach(regression.model, regression.optimizer, path) as recorder:
            regression.train(3, recorder)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_three_steps()
    with dyn.open(path) as recording:
        assert (recording.status, len(recording)) == ("aborted", 4)
        np.testing.assert_array_equal(recording.scalars["loss"][:3], regression.losses)
        np.testing.assert_array_equal(recording.parameters["bias"][-1], regression.state()[1])
    assert not regression.optimizer._optimizer_step_pre_hooks


def test_a_step_that_raises_gives_its_row_to_the_next(make_regression, path):
    run = make_regression(torch.optim.LBFGS)

    def failing():
        recorder.log(loss=99, extra=99)
        raise ZeroDivisionError

    with dyn.attach(run.model, run.optimizer, path) as recorder:
        run.step(recorder)
        with pytest.raises(ZeroDivisionError):
            run.optimizer.step(failing)
        recorder.log(between=5)
        run.step(recorder)
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.step, [0, 1, 2])
        np.testing.assert_array_equal(recording.scalars["loss"], [*run.losses, np.nan])
        np.testing.assert_array_equal(recording.scalars["between"], [np.nan, 5, np.nan])
        assert np.isnan(recording.scalars["extra"]).all()


def test_log_after_closing_is_harmless(regression, path):
    recorder = dyn.attach(regression.model, regression.optimizer, path)
    recorder.close()
    recorder.log(loss=1)
    recorder.close()
    regression.train(2, recorder)
    assert len(dyn.open(path)) == 1


@pytest.mark.parametrize(
    "value", [None, "much", [1, 2], 1j, torch.ones(2), torch.ones(0), torch.tensor(1j)], ids=lambda v: repr(v)
)
def test_log_refuses_what_is_no_number(regression, path, value):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        with pytest.raises(SettingError, match="loss"):
            recorder.log(loss=value)
        regression.step(recorder)
    assert dyn.open(path).status == "complete"


@pytest.mark.parametrize(
    "value", [3, 3.0, True + 2, np.float32(3), np.array(3), torch.tensor(3.0), torch.tensor([[3]])], ids=repr
)
def test_log_takes_every_kind_of_number(regression, path, value):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        recorder.log(number=value)
    assert dyn.open(path).scalars["number"][0] == 3


@pytest.mark.usefixtures("small_ring")
@pytest.mark.parametrize("rate", [0.1, torch.tensor(0.1)], ids=["number", "tensor"])
def test_deriving_leaves_the_first_row_its_learning_rate_and_what_was_logged(regression, path, rate):
    regression.optimizer.param_groups[0]["lr"] = rate
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        recorder.log(before=1.0)
        recorder.derive(lambda p: {"total": p["bias"].sum(1)})
        regression.train(2, recorder)
    with dyn.open(path) as recording:
        np.testing.assert_allclose(recording.scalars["lr"], [0.1] * 3, rtol=1e-6)
        np.testing.assert_array_equal(recording.scalars["before"], [1.0, np.nan, np.nan])


def test_a_learning_rate_that_the_user_logs_before_deriving_is_the_rows(regression, path):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        recorder.log(lr=5.0)
        recorder.derive(lambda p: {"total": p["bias"].sum(1)})
        regression.train(2, recorder)
    assert dyn.open(path).scalars["lr"][:].tolist() == [5.0, 0.1, 0.1]


def test_a_quantity_derived_from_the_parameters(regression, path):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(2, recorder)
        recorder.derive(
            lambda p: {"total": p["bias"].sum(1), "doubled": 2 * p["bias"]}, estimate="none", unit="as the bias"
        )
        regression.train(7, recorder)
    with dyn.open(path) as recording:
        assert len(recording) == 10
        bias = recording.parameters["bias"][:]
        for row in range(9):
            assert recording.scalars["loss"][row] == pytest.approx(regression.loss_of_row(recording, row), rel=1e-6)
        np.testing.assert_array_equal(recording.scalars["total"][2:], bias[2:].sum(1))
        np.testing.assert_array_equal(recording.probes["doubled"][2:], 2 * bias[2:])
        assert recording.scalars["total"].attrs == {"estimate": "none", "unit": "as the bias"}


ENDS = """
import os, sys
import dyn, torch
from dyn.recorders.step.row import RowFiller

def record(path):
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    recorder = dyn.attach(model, optimizer, path)
    for _ in range(3):
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()

def main(folder):
    # Each child is a process that comes to the end of its program, and what takes long is imported once.
    for way in ("in C", "in Python"):
        for status in ("complete", "aborted"):
            if not os.fork():
                if way == "in Python":
                    RowFiller._prepare_quick_way = lambda _: None
                record(f"{folder}/{way} {status}.h5")
                return 1 / (status == "complete")
            os.wait()

main(sys.argv[1])
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory) -> Path:
    """What processes left that recorded either way, and ended or failed."""
    folder = tmp_path_factory.mktemp("ended")
    subprocess.run([sys.executable, "-c", ENDS, str(folder)], capture_output=True, timeout=300, check=True)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("status", ["complete", "aborted"])
def test_a_process_that_ends_closes_its_recording(ended, way, status):
    with dyn.open(ended / f"{way} {status}.h5") as recording:
        assert (recording.status, len(recording)) == (status, 4)


@pytest.mark.parametrize("every", [1, 2])
def test_a_row_that_is_begun_is_one_when_it_is_completed(regression, path, every):
    biases = []
    with dyn.attach(regression.model, None, path, every=every) as recorder:
        for k in range(4):
            recorder.begin()
            biases.append(regression.model.bias.detach().numpy().copy())
            with torch.no_grad():
                regression.model.bias += 1
            # What is said of a step that makes no row is not the next one's.
            recorder.complete(**({"loss": k} if k % 2 else {}))
        recorder.begin()
    rows = [*range(0, 4, every), 4]
    with dyn.open(path) as recording:
        assert recording.step[:].tolist() == rows
        np.testing.assert_array_equal(recording.parameters["bias"][:-1], [biases[k] for k in rows[:-1]])
        np.testing.assert_array_equal(recording.scalars["loss"][:], [k if k % 2 else np.nan for k in rows])


def test_the_repr_says_where_and_what_it_costs(regression, path):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(2, recorder)
        assert f"{str(path)!r}, 2 steps, {recorder.bytes_per_row} bytes a row, open" in repr(recorder)
    assert "closed" in repr(recorder)
