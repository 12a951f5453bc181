"""Rows on their way from the ring to the file: which of them get there, and what the user derives from them."""

from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest

import dyn
from dyn.dynamics.errors import SettingError
from dyn.recorders.file.creation import create_file
from dyn.recorders.file.store import Store
from dyn.recorders.reading.recording import snapshot_of
from dyn.recorders.ring.layout import RowLayout
from dyn.recorders.ring.paths import ring_path
from dyn.recorders.ring.ring import Ring, State
from dyn.recorders.writing.drain import Drain, finish

CAPACITY = 8


class EveryThird:
    """Keeps the rows of each third step, and decides when the next one has come; it counts the rows that it saw."""

    def __init__(self):
        self.seen = 0
        self.waiting = 0

    def split(self, steps, losses, *, final=False):
        new = steps[self.waiting :]
        np.testing.assert_array_equal(new, range(self.seen, self.seen + len(new)))
        np.testing.assert_array_equal(losses, steps)
        self.seen += len(new)
        decided = len(steps) if final else max(0, len(steps) - 1)
        self.waiting = len(steps) - decided
        return np.flatnonzero(steps[:decided] % 3 == 0), decided


@pytest.fixture
def ring(path):
    """A ring of eight rows, whose recording has step, time and the loss."""
    create_file(path, [], ["loss"], config="{}", token="abc")
    ring = Ring.create(ring_path(path), RowLayout("abc", 8, ()), CAPACITY, ("loss",))
    ring.publish()
    yield ring
    ring.release()


def fill(ring: Ring, start: int, stop: int) -> None:
    for row in range(start, stop):
        slot = ring.rows[row % CAPACITY]
        slot["step"], slot["time"], slot["scalars"], slot["mark"] = row, row / 8, row, row + 1


def steps_in(path: Path) -> list[int]:
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["scalars/loss"], file["step"])
        np.testing.assert_array_equal(file["time"], file["step"][:] / 8)
        return file["step"][: file["committed"][0]].tolist()


def test_rows_go_around_the_end_of_the_ring(ring, path):
    drain = Drain(ring, Store(path))
    for start, stop in ((0, 5), (5, 13), (13, 14), (14, 14)):
        fill(ring, start, stop)
        drain.take(stop)
        assert ring.tail == stop
    # The writer may be told of fewer rows than it took.
    drain.take(3)
    ring.state = State.COMPLETE
    finish(drain)
    assert steps_in(path) == list(range(14))


@pytest.mark.parametrize(
    ("state", "status"), [(State.COMPLETE, "complete"), (State.ABORTED, "aborted"), (State.RECORDING, "aborted")]
)
def test_the_end_says_how_the_training_ended(ring, path, state, status):
    drain = Drain(ring, Store(path))
    fill(ring, 0, 3)
    ring.announce_final(2)
    ring.note(waited=1.5, skipped=4)
    ring.state = state
    finish(drain)
    assert steps_in(path) == [0, 1, 2]
    with h5py.File(path) as file:
        assert file.attrs["status"] == status
        assert [file.attrs[name] for name in ("final_row", "waited", "skipped_rows")] == [1, 1.5, 4]


def test_a_filter_decides_which_rows_are_kept(ring, path, monkeypatch):
    offered = []
    split = EveryThird.split
    monkeypatch.setattr(EveryThird, "split", lambda *args, **kw: (offered.append(1), split(*args, **kw))[1])
    drain = Drain(ring, Store(path), EveryThird())
    for start, stop, tail in ((0, 1, 0), (1, 5, 4), (5, 12, 11)):
        fill(ring, start, stop)
        drain.take(stop)
        assert ring.tail == tail
    # Without further rows nothing is decided that was not.
    drain.take(12)
    assert len(offered) == 3
    finish(drain)
    assert ring.tail == 12
    assert steps_in(path) == [0, 3, 6, 9]


def test_a_filter_that_is_interrupted_sees_each_row_once(ring, path, around_each_call):
    drain, left = Drain(ring, Store(path), EveryThird()), 0
    functions = [(Store, "append"), (Store, "_commit"), (EveryThird, "split"), (Ring, "_set_word"), (Drain, "_append")]

    def interrupt() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt

    for stop in (3, 7, 12, 20):
        fill(ring, ring.complete, stop)
        # Each try gets further than the one before, until one is not interrupted.
        for tries in range(100):
            left = tries
            with suppress(KeyboardInterrupt), around_each_call(interrupt, functions):
                drain.take(stop)
            if left >= 0:
                break
        assert 5 < tries < 99
    finish(drain)
    assert steps_in(path) == [0, 3, 6, 9, 12, 15, 18]


def test_a_derivation_that_raises_ends_the_recording_and_keeps_all_rows(regression, path, small_ring):
    calls = iter(range(100))

    def derivation(parameters):
        # Called once to learn what it gives, and then with four rows each time.
        if next(calls) > 1:
            raise ZeroDivisionError("no more")
        return {"total": parameters["bias"].sum(1)}

    recorder = dyn.attach(regression.model, regression.optimizer, path, writer="inline")
    recorder.derive(derivation)
    with pytest.warns(RuntimeWarning, match=r"ended after 8 rows: no more; the training goes on"):
        regression.train(3 * small_ring, recorder)
    recorder.close()
    with dyn.open(path) as recording:
        assert (recording.status, len(recording), snapshot_of(recording).filed) == ("aborted", 8, 4)
        np.testing.assert_array_equal(recording.scalars["loss"], regression.losses[:8])
        np.testing.assert_array_equal(recording.scalars["total"][:4], recording.parameters["bias"][:4].sum(1))


TAKEN = {
    "loss": lambda p: {"loss": p["bias"].sum(1)},
    "logged": lambda p: {"logged": p["bias"].sum(1)},
    "earlier": lambda p: {"new": p["bias"].sum(1), "earlier": p["bias"].sum(1)},
    "sampled": lambda p: {"sampled": p["bias"]},
    "slash": lambda p: {"logged/mean": p["bias"].sum(1)},
    "twice": lambda p: {"a": p["bias"].sum(1), "a/b": p["bias"].sum(1)},
}


@pytest.mark.parametrize("kind", TAKEN)
def test_a_name_that_is_taken_is_refused_and_changes_nothing(regression, path, kind):
    probes = {"sampled": lambda _: np.zeros(2)}
    with dyn.attach(regression.model, regression.optimizer, path, probes=probes) as recorder:
        recorder.derive(lambda p: {"earlier": p["bias"].sum(1)})
        recorder.log(logged=1)
        with pytest.raises(SettingError, match=r"in derive\(\) collides with"):
            recorder.derive(TAKEN[kind])
        regression.train(3, recorder)
    with dyn.open(path) as recording:
        assert (recording.status, len(recording)) == ("complete", 4)
        assert set(recording.scalars) == {"loss", "lr", "earlier", "logged"}
        np.testing.assert_array_equal(recording.scalars["loss"][:-1], regression.losses)
        # What had been logged before is not lost.
        np.testing.assert_array_equal(recording.scalars["logged"], [1, np.nan, np.nan, np.nan])


def test_a_scalar_and_a_probe_may_share_a_name(regression, path):
    probes = {"total": lambda _: np.zeros(2)}
    with dyn.attach(regression.model, regression.optimizer, path, probes=probes) as recorder:
        recorder.derive(lambda p: {"total": p["bias"].sum(1)})
    with dyn.open(path) as recording:
        assert (recording.scalars["total"].shape, recording.probes["total"].shape) == ((1,), (1, 2))


@pytest.mark.parametrize("rows", [3, 4, 5])
def test_a_derivation_that_comes_late_spoils_no_row(regression, path, small_ring, rows):
    assert small_ring == 4
    states = []
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        for k in range(9):
            if k == rows:
                recorder.derive(lambda p: {"total": p["bias"].sum(1)})
            states.append(regression.state()[1])
            regression.step(recorder)
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.parameters["bias"][:-1], states)
        np.testing.assert_array_equal(recording.scalars["total"][rows:], recording.parameters["bias"][rows:].sum(1))


def test_a_derived_quantity_keeps_its_shape_when_the_recording_goes_on(regression, path):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        recorder.derive(lambda p: {"doubled": 2 * p["bias"]})
    with dyn.attach(regression.model, regression.optimizer, path, resume=True) as recorder:
        with pytest.raises(SettingError, match=r"'probes/doubled' in derive.* had another shape"):
            recorder.derive(lambda p: {"doubled": p["weight"]})
        regression.train(2, recorder)
    assert len(dyn.open(path)) == 3
