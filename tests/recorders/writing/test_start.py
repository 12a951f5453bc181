"""Beginning a recording, and going on with one that was closed or cut off."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import OutputExistsError, RecordingError, SettingError


def files_in(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def record(run, path, steps: int, **options) -> None:
    with dyn.attach(run.model, run.optimizer, path, **options) as recorder:
        run.train(steps, recorder)


def assert_same(path: Path, other: Path, rows: int) -> None:
    """The recordings agree in their first rows, but for the time."""
    with dyn.open(path) as first, dyn.open(other) as second:
        np.testing.assert_array_equal(first.step[:rows], second.step[:rows])
        for group in ("scalars", "parameters", "probes"):
            assert set(getattr(first, group)) == set(getattr(second, group))
            for name, series in getattr(first, group).items():
                np.testing.assert_array_equal(series[:rows], getattr(second, group)[name][:rows])


@pytest.mark.parametrize("writer", ["inline", "process"])
@pytest.mark.usefixtures("small_ring")
def test_a_recording_in_two_parts_is_as_one_in_a_single_part(make_regression, path, tmp_path, writer):
    whole, parts = make_regression(), make_regression()
    record(whole, tmp_path / "whole.h5", 11, writer="inline")
    record(parts, path, 5, writer=writer)
    record(parts, path, 6, writer=writer, resume=True)
    assert_same(path, tmp_path / "whole.h5", 12)
    with dyn.open(path) as recording:
        assert (recording.status, len(recording)) == ("complete", 12)
        np.testing.assert_array_equal(recording.scalars["loss"][:-1], parts.losses)
        assert (np.diff(recording.time) > 0).all()


def test_a_part_that_takes_no_step_changes_no_row(make_regression, path):
    run = make_regression()
    record(run, path, 3)
    with dyn.open(path) as recording:
        before = {name: series[:] for name, series in recording.parameters.items()}, recording.scalars["loss"][:]
    record(run, path, 0, resume=True)
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.step, range(4))
        np.testing.assert_equal(
            ({n: s[:] for n, s in recording.parameters.items()}, recording.scalars["loss"][:]), before
        )
    record(run, path, 2, resume=True)
    np.testing.assert_array_equal(dyn.open(path).step, range(6))


def test_a_part_that_is_killed_before_its_first_step_loses_nothing(make_regression, path, snapshots):
    run = make_regression()
    record(run, path, 3)
    with snapshots(path) as moments:
        recorder = dyn.attach(run.model, run.optimizer, path, resume=True)
    assert len(moments) > 5
    recorder.close()
    for moment in moments:
        with dyn.open(moment) as recording:
            np.testing.assert_array_equal(recording.step, range(4))
        record(run, moment, 1, resume=True)
        with dyn.open(moment) as recording:
            np.testing.assert_array_equal(recording.step, range(5))
            np.testing.assert_array_equal(recording.scalars["loss"][:3], run.losses[:3])
            assert recording.scalars["loss"][3] == run.losses[-1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["inline_late", "both", "orphan", "at_once"])
def test_going_on_after_a_kill(regression, killed, as_truth, name):
    path, truth = killed(name)
    rows = len(dyn.open(path))
    record(regression, path, 4, resume=True)
    with h5py.File(path) as file:
        assert file.attrs["status"] == "complete"
        assert list(path.parent.glob("*.ring")) == []
        found = as_truth(file)
        np.testing.assert_array_equal(found[: len(truth)], truth)
        # The step of the last row had been taken, so that the next one is the first of this part.
        np.testing.assert_array_equal(found[:, 0], range(rows + 5))
        np.testing.assert_array_equal(found[rows:-1, 1], regression.losses)
        assert (np.diff(file["time"]) > 0).all()


def test_going_on_after_an_exception_takes_the_final_row_again(regression, path):
    with pytest.raises(ZeroDivisionError), dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(2, recorder)
        raise ZeroDivisionError
    record(regression, path, 2, resume=True)
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.scalars["loss"], [*regression.losses, np.nan])


def test_going_on_after_a_failure_takes_no_step_twice(regression, path):
    values = iter([0, 0, 0])
    recorder = dyn.attach(regression.model, regression.optimizer, path, probes={"p": lambda _: next(values)})
    with pytest.warns(RuntimeWarning, match="ended after 2 rows"):
        regression.train(3, recorder)
    record(regression, path, 2, probes={"p": lambda _: 1}, resume=True)
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.step, range(5))
        np.testing.assert_array_equal(recording.probes["p"], [0, 0, 1, 1, 1])


@pytest.mark.parametrize("every", [1, 5])
@pytest.mark.parametrize("back_to", [0, 7, 9, 10])
@pytest.mark.usefixtures("small_ring")
def test_going_back_to_a_step_replaces_the_rows_from_there(make_regression, path, back_to, every):
    first, second = make_regression(), make_regression(lr=0.01)
    record(first, path, 10)
    record(second, path, 6, resume=back_to, every=every)
    taken = [step for step in range(back_to, back_to + 6) if step % every == 0]
    with dyn.open(path) as recording:
        # The row of the step itself stays where it is not recorded again.
        kept = range(back_to + (back_to % every != 0))
        np.testing.assert_array_equal(recording.step, [*kept, *taken, back_to + 6])
        known = dict(enumerate(first.losses)) | {step: second.losses[step - back_to] for step in taken}
        np.testing.assert_array_equal(recording.scalars["loss"][:-1], [known.get(s, np.nan) for s in [*kept, *taken]])
        assert (np.diff(recording.time) > 0).all()


def test_a_killed_part_that_went_back_leaves_no_row_of_what_was_taken_back(regression, path, snapshots):
    record(regression, path, 10)
    with snapshots(path) as moments:
        recorder = dyn.attach(regression.model, regression.optimizer, path, resume=7)
    recorder.close()
    assert {tuple(dyn.open(moment).step[:].tolist()) for moment in moments} == {tuple(range(11)), tuple(range(8))}
    record(regression, moments[-1], 2, resume=True)
    np.testing.assert_array_equal(dyn.open(moments[-1]).step, range(10))


@pytest.mark.parametrize("resume", [-1, 11, 10**9, 1.5, "7", None, [3]], ids=repr)
def test_a_step_that_cannot_be_gone_on_from_changes_nothing(regression, recorded, resume):
    before = files_in(recorded.parent)
    with pytest.raises(SettingError, match="resume=") as caught:
        dyn.attach(regression.model, regression.optimizer, recorded, resume=resume)
    assert "\n" not in str(caught.value)
    assert files_in(recorded.parent) == before


OTHERS = {
    "shape": (lambda: nn.Linear(3, 5), {}, "weight"),
    "dtype": (lambda: nn.Linear(3, 4, dtype=torch.float64), {}, "weight"),
    "missing": (lambda: nn.Linear(3, 4, bias=False), {}, "bias"),
    "name": (lambda: nn.Sequential(nn.Linear(3, 4)), {}, "0.weight"),
    "selection": (lambda: nn.Linear(3, 4), {"select": "weight"}, "bias"),
    "features": (lambda: nn.Linear(3, 4), {"features": {"weight": "rows"}}, "features/weight"),
    "probe": (lambda: nn.Linear(3, 4), {"probes": {"p": lambda _: 1}}, "probes/p"),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("left", ["closed", pytest.param("killed", marks=pytest.mark.slow)])
def test_another_model_changes_nothing(request, recorded, kind, left):
    make, options, named = OTHERS[kind]
    path = recorded if left == "closed" else request.getfixturevalue("killed")("both_late")[0]
    before = files_in(path.parent)
    model = make()
    with pytest.raises(SettingError, match=f"cannot be continued.*{named}") as caught:
        dyn.attach(model, torch.optim.SGD(model.parameters()), path, resume=True, **options)
    assert str(path) in str(caught.value)
    assert files_in(path.parent) == before


def test_what_does_not_exist_is_begun(regression, path):
    record(regression, path, 3, resume=True)
    with dyn.open(path) as recording:
        assert (recording.status, recording.step[:].tolist()) == ("complete", [0, 1, 2, 3])


def test_what_is_no_recording_is_refused_and_left_alone(regression, path):
    path.write_text("precious")
    with pytest.raises(RecordingError, match="not an HDF5 file"):
        dyn.attach(regression.model, regression.optimizer, path, resume=True)
    assert files_in(path.parent) == {path.name: b"precious"}


def test_a_recording_under_way_is_not_gone_on_with(regression, path):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        with pytest.raises(OutputExistsError, match="being recorded at this moment"):
            dyn.attach(regression.model, regression.optimizer, path, resume=True)
        regression.train(2, recorder)
    assert len(dyn.open(path)) == 3


@pytest.mark.usefixtures("small_ring")
def test_late_scalars_of_either_part_have_their_rows(regression, path):
    for resume, name in ((False, "first"), (True, "second")):
        with dyn.attach(regression.model, regression.optimizer, path, resume=resume) as recorder:
            for k in range(6):
                regression.step(recorder, both=k, **({name: k} if k > 4 else {}))
    with dyn.open(path) as recording:
        nan = np.nan
        np.testing.assert_array_equal(recording.scalars["first"], [nan] * 5 + [5] + [nan] * 7)
        np.testing.assert_array_equal(recording.scalars["second"], [nan] * 11 + [5, nan])
        np.testing.assert_array_equal(recording.scalars["both"], [*range(6), *range(6), nan])


def test_each_part_tells_of_itself(regression, path):
    record(regression, path, 2, config={"lr": 0.1})
    record(regression, path, 2, config={"lr": 0.2}, resume=True)
    record(regression, path, 1, config={"lr": 0.3}, resume=3)
    with h5py.File(path) as file:
        resumed = json.loads(file.attrs["resumed"])
        assert json.loads(file.attrs["config"]) == {"lr": 0.1}
    assert [(each["step"], each["config"]) for each in resumed] == [(2, {"lr": 0.2}), (3, {"lr": 0.3})]
    assert all("at" in each for each in resumed)


def test_a_derived_quantity_goes_on(regression, path):
    for resume in (False, True):
        with dyn.attach(regression.model, regression.optimizer, path, resume=resume) as recorder:
            recorder.derive(lambda p: {"total": p["bias"].sum(1), "doubled": 2 * p["bias"]})
            regression.train(3, recorder)
    with dyn.open(path) as recording:
        bias = recording.parameters["bias"][:]
        assert len(bias) == 7
        np.testing.assert_array_equal(recording.scalars["total"], bias.sum(1))
        np.testing.assert_array_equal(recording.probes["doubled"], 2 * bias)


def test_an_attempt_that_fails_leaves_nothing_behind(regression, path, monkeypatch):
    monkeypatch.setattr("dyn.recorders.writing.start.new_file", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        dyn.attach(regression.model, regression.optimizer, path)
    assert files_in(path.parent) == {}


@pytest.mark.parametrize("broken", ["start_writer", "row_bytes", "Recorder"])
def test_an_attempt_that_fails_late_locks_nobody_out(regression, path, monkeypatch, broken):
    with monkeypatch.context() as patch:
        patch.setattr(f"dyn.recorders.attaching.{broken}", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            dyn.attach(regression.model, regression.optimizer, path)
    record(regression, path, 2, overwrite=True)
    assert len(dyn.open(path)) == 3
