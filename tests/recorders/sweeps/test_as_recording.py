"""A sweep as a recording: what draws and tells recordings draws and tells sweeps."""

import os
import shutil
import signal
import tempfile
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Text

from dyn.dynamics.errors import RecordingError
from dyn.dynamics.geometry.measures import dimensionality
from dyn.recorders.sweeps.as_recording import recording_of, room_for, write_recording
from dyn.recorders.sweeps.axes import Axis
from dyn.recorders.sweeps.paper import plan_sweep
from dyn.recorders.sweeps.plan import make_plan
from dyn.recorders.sweeps.run import run_sweep
from dyn.recorders.sweeps.sweep import Sweep
from dyn.viz.kinds import default_kind, kinds_of, plot


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sweep.h5"


@pytest.mark.parametrize("axes", [["density=0.1,0.9", "importance_extra=0.5,1,2"], ["importance_extra=0.5,1,2"]])
def test_the_instances_are_in_the_order_of_an_ensemble(axes, path):
    plan = plan_sweep("phase-2x1", axes, ["density=0.3"] if len(axes) == 1 else [], repeat=2)
    run_sweep(plan, path, workers=1)
    with Sweep(path) as sweep, recording_of(path) as recording:
        W = recording.parameters["W"][-1]
        np.testing.assert_array_equal(W.reshape(sweep["W"].shape), sweep["W"])
        np.testing.assert_array_equal(recording.probes["expected_loss_of_instance"][-1], sweep["expected_loss"].ravel())
        # Features are kept in single precision.
        np.testing.assert_allclose(recording.features["W"]["dimensionality"][-1], dimensionality(W), rtol=1e-6)
        assert recording.path.name == "sweep.h5"
        assert recording.config["experiment"]["importance_extra"] == [0.5, 1.0, 2.0]


def test_axes_may_come_in_the_other_order(tiny, path):
    plan = make_plan(tiny, [Axis("importance_extra", (1.0, 2.0)), Axis("density", (0.5, 0.2, 0.1))])
    run_sweep(plan, path, workers=1)
    with Sweep(path) as sweep, recording_of(path) as recording:
        W = recording.parameters["W"][-1].reshape(3, 2, 1, 2, 4)
        np.testing.assert_array_equal(W.swapaxes(0, 1), sweep["W"])


def test_trajectories_become_rows(tiny, path):
    plan = make_plan(tiny.with_settings(every=5), [Axis("density", (0.5, 0.2))], repeat=3, recorded=True)
    run_sweep(plan, path, workers=1)
    with Sweep(path) as sweep, recording_of(path) as recording:
        assert recording.step[:].tolist() == [0, 5, 10, 12]
        np.testing.assert_array_equal(recording.parameters["W"][2], sweep["W"][:, :, 2].reshape(6, 2, 4))
        assert recording.scalars["expected_loss"][3] == pytest.approx(sweep["expected_loss"][..., 3].mean())


def test_a_phase_diagram_is_drawn_as_one(path):
    run_sweep(plan_sweep("phase-2x1", ["density=0.1,0.9", "importance_extra=0.5,1,2"], repeat=2), path, workers=1)
    with recording_of(path) as recording:
        assert default_kind(recording).name == "phase"


def test_models_of_other_settings_are_no_equal_runs(tiny, path):
    plan = make_plan(tiny.with_settings(every=5), [Axis("lr", (0.1, 0.2))], repeat=5, recorded=True)
    run_sweep(plan, path, workers=1)
    with Sweep(path) as sweep, recording_of(path) as recording:
        np.testing.assert_array_equal(recording.parameters["W"][2], sweep["W"][:, :, 2].reshape(10, 2, 4))
        assert recording.config["sweep"]["axes"] == {"lr": [0.1, 0.2]}
        kinds = kinds_of(recording)
        assert "levels" in kinds
        assert "ensemble" not in kinds
        assert default_kind(recording).name == "ensemble-dynamics"


def test_models_of_different_ranks_have_their_own_dimensionality(tiny, path):
    axes = [Axis("lr", (0.1, 0.2)), Axis("n_hidden", (2, 3))]
    run_sweep(make_plan(tiny.with_settings(every=5), axes, repeat=2, recorded=True), path, workers=1)
    with Sweep(path) as sweep, recording_of(path) as recording:
        small = sweep["W"][:, 0]
        # What pads the small ones is NaN in the sweep.
        assert np.isnan(small[..., 2:, :]).all()
        D = recording.features["W"]["dimensionality"][:].swapaxes(0, 1).reshape(2, 2, 2, 4, 4)
    # Features are kept in single precision.
    np.testing.assert_allclose(D[:, 0], dimensionality(small[..., :2, :]), rtol=1e-5)
    assert np.isfinite(D).all()


def test_models_with_fewer_features_than_others_have_not_failed(tiny, path):
    plan = make_plan(tiny.with_settings(every=1), [Axis("n_features", (3, 4))], repeat=2, recorded=True)
    run_sweep(plan, path, workers=1)
    with recording_of(path) as recording:
        figure = plot(recording, "ensemble-dynamics")
        assert any(text.get_text().endswith("2 models at each point") for text in figure.findobj(Text))
    plt.close(figure)


def test_a_few_rows_are_read_at_a_time(tiny, path, monkeypatch):
    plan = make_plan(tiny.with_settings(every=1), [Axis("density", (0.5, 0.2))], repeat=2, recorded=True)
    run_sweep(plan, path, workers=1)
    monkeypatch.setattr("dyn.recorders.sweeps.as_recording._BYTES", 1000)
    with Sweep(path) as sweep, recording_of(path) as recording:
        assert len(recording) == 13
        np.testing.assert_array_equal(recording.parameters["W"][:].swapaxes(0, 1).reshape(sweep["W"].shape), sweep["W"])
        np.testing.assert_array_equal(recording.step[:], sweep.step)


def test_a_figure_of_trajectories_is_not_drawn_of_ends(tiny, path):
    run_sweep(make_plan(tiny.with_settings(n_features=120), [Axis("density", (0.5, 0.2))]), path, workers=1)
    with recording_of(path) as recording:
        assert kinds_of(recording) == []
        for name in (None, "levels"):
            with pytest.raises(RecordingError, match=r"sweep.h5 has one row only; .* sweep with --record"):
                plot(recording, name)


def test_a_recording_is_opened_as_it_is(recorded):
    with recording_of(recorded) as recording:
        assert len(recording) == 11


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder for temporary files that nobody else uses."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.skipif(os.name != "posix", reason="elsewhere an open file keeps its name")
def test_the_copy_of_a_sweep_has_no_name_while_it_is_looked_at(tiny, path, folder):
    run_sweep(make_plan(tiny, [Axis("density", (0.5, 0.2))]), path, workers=1)
    with Sweep(path) as sweep, recording_of(path) as recording:
        assert list(folder.iterdir()) == []
        np.testing.assert_array_equal(recording.parameters["W"][-1].reshape(sweep["W"].shape), sweep["W"])
        # What is said of it names the file that was given.
        assert recording.path == path


@pytest.fixture(params=["SIGINT", "SIGTERM", "SIGHUP"])
def number(request):
    """A signal with Python's own answer to it, whatever whoever started this process, or a test before, made of it."""
    number = getattr(signal, request.param)
    usual = signal.default_int_handler if request.param == "SIGINT" else signal.SIG_DFL
    before = signal.signal(number, usual)
    yield number
    assert signal.signal(number, before) is usual


def test_nothing_stays_of_a_copy_that_is_interrupted(number, tiny, path, folder, monkeypatch):
    def interrupted(sweep, file, **options):
        write_recording(sweep, file, **options)
        assert list(folder.rglob("*.h5")) == [file]
        signal.raise_signal(number)

    run_sweep(make_plan(tiny, [Axis("density", (0.5, 0.2))]), path, workers=1)
    monkeypatch.setattr("dyn.recorders.sweeps.as_recording.write_recording", interrupted)
    with pytest.raises((KeyboardInterrupt, SystemExit)) as ended, recording_of(path):
        pytest.fail("it went on")
    assert list(folder.iterdir()) == []
    # As a shell says of a program that a signal ended.
    assert number == signal.SIGINT or ended.value.code == 128 + number


@pytest.mark.parametrize("recorded", [True, False])
def test_what_is_to_move_has_trajectories(recorded, tiny, path):
    run_sweep(make_plan(tiny, [Axis("density", (0.5, 0.2))], recorded=recorded), path, workers=1)
    if recorded:
        with recording_of(path, moving=True) as recording:
            assert len(recording) > 1
        return
    refused = pytest.raises(RecordingError, match=r"nothing moves; dyn plot draws it, and dyn sweep --record keeps")
    with refused, recording_of(path, moving=True):
        pytest.fail("it went on")


def test_a_copy_that_has_no_room_is_not_begun(tiny, path, folder, monkeypatch):
    run_sweep(make_plan(tiny, [Axis("density", (0.5, 0.2))]), path, workers=1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    full = pytest.raises(RecordingError, match=r"sweep.h5 is copied .* takes up to .* 1 kB free; .* TMPDIR")
    with full, recording_of(path):
        pytest.fail("it went on")
    assert list(folder.iterdir()) == []


def test_the_room_for_a_copy_is_what_it_takes(tiny, path, monkeypatch):
    """Of a large sweep the copy takes no more than was asked for, and that is not much more."""
    plan = make_plan(tiny.with_settings(every=1, steps=300), [Axis("density", (0.5, 0.2))], repeat=40, recorded=True)
    run_sweep(plan, path, workers=1)
    taken = []

    def measured(sweep, file, **options):
        write_recording(sweep, file, **options)
        taken.append(file.stat().st_size)

    monkeypatch.setattr("dyn.recorders.sweeps.as_recording.write_recording", measured)
    with recording_of(path):
        pass
    with Sweep(path) as sweep:
        asked = room_for(sweep)
    assert taken[0] <= asked <= 1.5 * taken[0]


def test_what_pads_smaller_models_did_not_diverge(tiny, path):
    settings = tiny.with_settings(every=5, importance=1.0)
    run_sweep(make_plan(settings, [Axis("n_features", (3, 4))], recorded=True), path, workers=1)
    with recording_of(path) as recording:
        assert np.isnan(recording.parameters["b"][-1]).any()
        assert recording.diverged_at is None
