"""A recording whose beginning fails leaves what lay at its path as it was, however late it fails."""

import pytest
import torch

import dyn
from dyn.dynamics.errors import SettingError
from dyn.recorders import attaching
from dyn.recorders.model.sources import Sources
from dyn.recorders.ring.ring import Ring
from dyn.recorders.writing import writer


class FailedError(Exception):
    """What the tests let fail."""


def fail(*_, **__):
    raise FailedError


# From the first thing that is done once all arguments are known to be good, to the very last.
PLACES = {
    "the ring": (Ring, "create"),
    "the copies": (Sources, "taps"),
    "the writer": (attaching, "start_writer"),
    "the store": (writer, "Store"),
    "the recorder": (attaching, "Recorder"),
}
# Those before rows that are taken back are cut off.
EARLY = [place for place in PLACES if place != "the recorder"]


def contents(path):
    return {each.name: each.read_bytes() for each in path.parent.iterdir()}


@pytest.mark.parametrize("place", PLACES)
def test_a_finished_recording_that_would_have_been_replaced(regression, path, monkeypatch, place):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(5, recorder)
    before = contents(path)
    monkeypatch.setattr(*PLACES[place], fail)
    with pytest.raises(FailedError):
        dyn.attach(regression.model, regression.optimizer, path, overwrite=True)
    assert contents(path) == before
    monkeypatch.undo()
    with dyn.attach(regression.model, regression.optimizer, path, overwrite=True):
        regression.train(1)
    assert (len(dyn.open(path)), dyn.open(path).status) == (2, "complete")
    assert contents(path).keys() == before.keys()


@pytest.mark.parametrize(("place", "resume"), [*((place, True) for place in PLACES), *((place, 2) for place in EARLY)])
def test_a_finished_recording_that_would_have_gone_on(regression, path, monkeypatch, place, resume):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(5, recorder)
    with dyn.open(path) as recording:
        rows = recording.parameters["weight"][:]
    monkeypatch.setattr(*PLACES[place], fail)
    with pytest.raises(FailedError):
        dyn.attach(regression.model, regression.optimizer, path, resume=resume)
    with dyn.open(path) as recording:
        assert recording.parameters["weight"][:].tolist() == rows.tolist()
        assert recording.status == "complete"
    assert [*contents(path)] == [path.name]
    monkeypatch.undo()
    with dyn.attach(regression.model, regression.optimizer, path, resume=True):
        regression.train(1)
    assert dyn.open(path).status == "complete"


@pytest.mark.parametrize("place", PLACES)
def test_nothing_stays_where_nothing_was(regression, path, monkeypatch, place):
    monkeypatch.setattr(*PLACES[place], fail)
    with pytest.raises(FailedError):
        dyn.attach(regression.model, regression.optimizer, path)
    assert not contents(path)
    assert not regression.optimizer._optimizer_step_post_hooks


@pytest.mark.parametrize("resume", [False, True])
def test_what_a_crash_left_is_not_lost(regression, killed, monkeypatch, resume):
    left = killed("both_late")[0]
    rows = len(dyn.open(left))
    monkeypatch.setattr(attaching, "start_writer", fail)
    with pytest.raises(FailedError):
        dyn.attach(regression.model, regression.optimizer, left, overwrite=not resume, resume=resume)
    assert len(dyn.open(left)) == rows
    assert dyn.open(left).status in ("aborted", "repaired")


def test_an_optimizer_without_hooks_leaves_the_finished_recording(regression, path):
    class Bare(torch.optim.Optimizer):
        def __init__(self):
            self.param_groups, self.state, self.defaults = [], {}, {}

    with dyn.attach(regression.model, regression.optimizer, path):
        regression.train(2)
    before = contents(path)
    for options in ({"overwrite": True}, {"resume": True}, {}):
        with pytest.raises(SettingError, match="Bare"):
            dyn.attach(regression.model, Bare(), path, **options)
        assert contents(path) == before
