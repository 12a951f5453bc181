"""Where a training diverged: the first step with a number that is not finite, whatever else is NaN for good reasons."""

import math
from collections.abc import Callable

import h5py
import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.recorders.reading.divergence import ends_diverged, last_logged
from dyn.recorders.reading.series import Series
from dyn.recorders.rewriting.compact import compact


@pytest.fixture
def record(path) -> Callable[..., dyn.Recording]:
    """Record a layer whose weights and losses are what is given, a row each; None logs no loss."""
    opened = []

    def make(losses, weights=None, *, size: int = 3, every=1, features="auto", close: bool = True) -> dyn.Recording:
        model = nn.Linear(size, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        recorder = dyn.attach(model, optimizer, path, every=every, features=features, overwrite=True)
        for k, loss in enumerate(losses):
            with torch.no_grad():
                model.weight[1, 2] = 1.0 if weights is None else weights[k]
            if loss is not None:
                recorder.log(loss=loss)
            optimizer.step()
        opened.append(recorder)
        if close:
            recorder.close()
        opened.append(dyn.open(path))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("losses", "weights", "step"),
    [
        ([3.0, 2.0, 1.0], None, None),
        # A number that was never logged, or now and then, is none that diverged.
        ([None] * 5, None, None),
        ([3.0, None, 2.0, None, None], None, None),
        ([None, None, 2.0], None, None),
        ([3.0, INF, 1.0], None, 1),
        ([3.0, -INF], None, 1),
        ([3.0, 2.0, NAN], None, 2),
        ([NAN, NAN], None, 0),
        # A loss of NaN is one, though it was followed by a finite one.
        ([3.0, NAN, 2.0], None, 1),
        ([None, 3.0, None, NAN, None], None, 3),
        ([3.0, 2.0, 1.0, 1.0], [1, 1, NAN, NAN], 2),
        ([3.0, 2.0, 1.0, 1.0], [1, INF, 1, 1], 1),
        ([None] * 4, [1, 1, -INF, 1], 2),
        ([3.0, INF, NAN], [1, 1, NAN], 1),
        # A loss that was logged up to then, and not where the parameters came to be NaN.
        ([3.0, 2.0, None, None], [1, 1, 1, NAN], 2),
        ([3.0, None, None, None], [1, 1, 1, NAN], 3),
        ([3.0, None, INF], None, 2),
        ([3.0, 2.0, INF], [1, NAN, NAN], 1),
        # Too large for the norm in single precision squared, and yet finite.
        ([3.0, 2.0], [3e38, 3e38], None),
    ],
)
@pytest.mark.parametrize("features", ["auto", None])
def test_the_first_number_that_is_not_finite(record, losses, weights, step, features):
    assert record(losses, weights, features=features).diverged_at == step


def test_the_final_row_counts_with_its_parameters(regression, path):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(3, recorder)
        # A step that leaves no number of the parameters finite, after which none follows.
        regression.optimizer.param_groups[0]["lr"] = INF
        regression.train(1, recorder)
    with dyn.open(path) as recording:
        assert np.isfinite(recording.scalars["loss"][:4]).all()
        assert recording.diverged_at == 4


def test_steps_are_told_not_rows(record):
    assert record([1.0] * 7 + [NAN] * 5, every=3).diverged_at == 9


def test_a_live_recording_is_looked_at_as_it_grows(regression, path, monkeypatch):
    slices, read = Series.__getitem__, []

    def counted(self, key):
        values = slices(self, key)
        if "weight" in repr(self):
            read.append(len(np.atleast_2d(values)))
        return values

    with dyn.attach(regression.model, regression.optimizer, path) as recorder, dyn.open(path) as recording:
        regression.train(2000, recorder)
        assert recording.refresh().diverged_at is None
        monkeypatch.setattr(Series, "__getitem__", counted)
        regression.train(20, recorder)
        assert recording.refresh().diverged_at is None
        assert sum(read) < 1200
        recorder.log(loss=INF)
        regression.optimizer.step()
        assert recording.refresh().diverged_at == 2020
        regression.train(3, recorder)
        assert recording.refresh().diverged_at == 2020


def test_a_recording_that_is_continued_forgets_what_was_taken_back(regression, path):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(5, recorder)
        recorder.log(loss=NAN)
        regression.optimizer.step()
    with dyn.open(path) as recording:
        assert recording.diverged_at == 5
    with dyn.attach(regression.model, regression.optimizer, path, resume=5) as recorder:
        regression.train(2, recorder)
    with dyn.open(path) as recording:
        assert recording.diverged_at is None


def test_rows_that_are_many_are_read_in_pieces(record, monkeypatch):
    monkeypatch.setattr("dyn.recorders.reading.divergence._MOST_BYTES", 64)
    weights = [1.0] * 50
    assert record([None] * 50, weights).diverged_at is None
    assert record([None] * 50, [*weights[:33], NAN, *weights[34:]]).diverged_at == 33


def test_a_compact_recording_says_the_same(record, path):
    record([3.0, None, 2.0, NAN, None]).close()
    compact(path)
    with dyn.open(path) as recording:
        assert recording.diverged_at == 3


def as_before(path) -> None:
    """Make a recording what it was before absence had a NaN of its own."""
    with h5py.File(path, "r+") as file:
        values = file["scalars/loss"][:]
        del file["scalars/loss"]
        file.create_dataset("scalars/loss", data=np.where(np.isnan(values), np.nan, values), fillvalue=np.nan)


@pytest.mark.parametrize(
    ("losses", "weights", "step"),
    [
        ([3.0, 2.0], None, None),
        ([None] * 4, None, None),
        ([3.0, None, 2.0, None], None, None),
        ([3.0, INF], None, 1),
        # What was logged at every step was logged at this one too.
        ([3.0, 2.0, NAN, NAN], [1, 1, 1, NAN], 2),
        ([3.0, None, NAN, NAN], [1, 1, 1, NAN], 3),
        ([None, None], [1, NAN], 1),
    ],
)
def test_older_recordings_which_do_not_tell_absent_from_nan(record, path, losses, weights, step):
    record(losses, weights).close()
    as_before(path)
    with dyn.open(path) as recording:
        assert recording.diverged_at == step


def test_whole_numbers_and_complex_ones(path):
    model = nn.Module()
    model.z = nn.Parameter(torch.ones(2, dtype=torch.complex64))
    model.n = nn.Parameter(torch.ones(2, dtype=torch.int32), requires_grad=False)
    with dyn.attach(model, None, path, select="*") as recorder:
        recorder.step()
        model.z.data[1] = complex(1, INF)
        recorder.step()
    with dyn.open(path) as recording:
        assert recording.diverged_at == 1


@pytest.mark.parametrize(
    ("losses", "last", "ends"),
    [([3.0, 2.0], 2.0, False), ([3.0, None], 3.0, False), ([None], None, False), ([3.0, INF], INF, True)],
)
def test_how_it_ends(record, losses, last, ends):
    recording = record(losses)
    assert last_logged(recording.scalars["loss"]) == last
    assert ends_diverged(recording, last) is ends


def test_the_last_loss_may_be_nan(record):
    recording = record([3.0, NAN])
    assert math.isnan(last_logged(recording.scalars["loss"]))
    assert ends_diverged(recording, math.nan)
    # One that came back does not end so.
    assert not ends_diverged(record([NAN, 3.0]), 3.0)


def test_parameters_of_the_last_row_tell_it_too(record):
    assert ends_diverged(record([None, None], [1, NAN]), None)
    assert not ends_diverged(record([None, None], [1, NAN]), None, most_bytes=8)


def test_rows_before_a_parameter_was_recorded_say_nothing(tmp_path):
    path, model = tmp_path / "run.h5", nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    model[1].requires_grad_(False)
    for resume in (False, True):
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1)
        with dyn.attach(model, optimizer, path, resume=resume) as recorder:
            for _ in range(3):
                optimizer.zero_grad()
                loss = model(torch.ones(4, 3)).square().mean()
                loss.backward()
                recorder.log(loss=loss)
                optimizer.step()
        model.requires_grad_(True)
    with dyn.open(path) as recording:
        assert np.isnan(recording.parameters["1.weight"][0]).all()
        assert recording.diverged_at is None
