"""Ctrl-C at any moment: no row is lost, none is misplaced, and closing works."""

import itertools
import sys
from collections.abc import Callable
from struct import Struct

import numpy as np
import pytest

import dyn
from dyn.recorders.file.store import Store
from dyn.recorders.ring.ring import Ring
from dyn.recorders.step.recorder import Recorder
from dyn.recorders.step.row import RowFiller
from dyn.recorders.writing.drain import Drain
from dyn.recorders.writing.writer import InlineWriter

pytestmark = pytest.mark.usefixtures("way")


class WatchedStruct(Struct):
    """Packs a row in a function that can be watched, also by whoever bound pack_into() before."""

    def pack_into(self, *arguments) -> None:
        self.pack_row(*arguments)

    def pack_row(self, *arguments) -> None:
        super().pack_into(*arguments)


FUNCTIONS = {
    "row": [
        *((RowFiller, name) for name in ("log", "_fill", "_commit", "_add_place", "_settle")),
        (WatchedStruct, "pack_row"),
    ],
    "drain": [(InlineWriter, "make_room"), (InlineWriter, "close"), (Drain, "take"), (Drain, "_append")],
    "store": [
        (Store, name) for name in ("append", "_append", "_commit", "_change", "_close_live", "_go_live", "close")
    ],
    "ring": [(Ring, "_set_word"), (Ring, "remove"), (Recorder, "_finish"), (Recorder, "_detach")],
}
# With a ring of two rows, three times written.
STEPS = 4


class Interrupter:
    """Raises KeyboardInterrupt at the call of that number, counted from one."""

    def __init__(self, at: int):
        self.left = at

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


class Run:
    """A training with a scalar that comes up late, which goes on after an interruption or does not."""

    def __init__(self, make_regression: Callable, path, **options):
        self.path = path
        self.regression = make_regression()
        self.recorder = dyn.attach(self.regression.model, self.regression.optimizer, path, overwrite=True, **options)
        self.returned: list[np.ndarray] = []

    def train(self, *, goes_on: bool) -> None:
        with self.recorder:
            for k in range(STEPS):
                try:
                    self.step(k)
                except KeyboardInterrupt:
                    if not goes_on:
                        raise

    def step(self, k: int) -> None:
        state = self.state()
        self.regression.step(self.recorder, **({"late": k} if k > 1 else {}))
        self.returned.append(np.array([self.regression.losses[-1], *state]))

    def state(self) -> np.ndarray:
        return np.concatenate([values.ravel() for values in self.regression.state()])


def assert_every_row_stands(run: Run, rows: np.ndarray, recording: dyn.Recording) -> None:
    np.testing.assert_array_equal(rows[:, 0], range(len(rows)))
    found = {row[1:].tobytes() for row in rows}
    assert [state.tobytes() in found for state in run.returned] == [True] * len(run.returned)
    assert len(run.returned) < len(rows) <= STEPS + 1
    for row in range(len(rows) - 1):
        assert recording.scalars["loss"][row] == pytest.approx(run.regression.loss_of_row(recording, row), rel=1e-6)
    np.testing.assert_array_equal(rows[-1, 2:], run.state())


def interrupt_everywhere(make_run, around_each_call, as_truth, functions, *, goes_on) -> int:
    """Interrupt at each call in turn until there is none left; return how many there were."""
    for at in itertools.count(1):
        run, interrupter = make_run(), Interrupter(at)
        try:
            with around_each_call(interrupter, functions):
                run.train(goes_on=goes_on)
        except KeyboardInterrupt:
            # What the end of the process does, when the interruption came while the recording was closed.
            run.recorder.close()
        with dyn.open(run.path) as recording:
            assert recording.status in ("complete", "aborted")
            assert_every_row_stands(run, as_truth(recording), recording)
        assert not run.path.with_name("run.h5.ring").exists()
        if interrupter.left > 0:
            return at - 1
    raise AssertionError


@pytest.mark.slow
@pytest.mark.parametrize("goes_on", [False, True], ids=["ends", "goes on"])
@pytest.mark.parametrize("functions", FUNCTIONS.values(), ids=list(FUNCTIONS))
def test_no_row_is_lost_or_misplaced(
    make_regression, path, monkeypatch, around_each_call, as_truth, functions, goes_on
):
    monkeypatch.setattr("dyn.recorders.ring.order.Struct", WatchedStruct)
    for name in ("_RING_ROWS", "_LEAST_ROWS"):
        monkeypatch.setattr(f"dyn.recorders.writing.start.{name}", 2)

    def make_run() -> Run:
        return Run(make_regression, path, writer="inline")

    assert interrupt_everywhere(make_run, around_each_call, as_truth, functions, goes_on=goes_on) >= 8


@pytest.mark.parametrize(
    ("exception", "prompt", "status"),
    [(None, None, "complete"), (ValueError(), None, "aborted"), (ValueError(), ">>> ", "complete")],
    ids=["in order", "by an exception", "at the prompt"],
)
def test_the_end_of_the_interpreter_closes_with_its_status(regression, path, monkeypatch, exception, prompt, status):
    """An interactive interpreter remembers each exception that it showed, which did not end it."""
    for name, value in (("last_value", exception), ("ps1", prompt)):
        monkeypatch.delattr(sys, name, raising=False)
        if value is not None:
            monkeypatch.setattr(sys, name, value, raising=False)
    recorder = dyn.attach(regression.model, regression.optimizer, path)
    regression.train(3, recorder)
    recorder._at_exit()
    with dyn.open(path) as recording:
        assert (recording.status, len(recording)) == (status, 4)
    assert not regression.optimizer._optimizer_step_pre_hooks
