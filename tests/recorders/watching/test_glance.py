"""A look at a recording: what it finds, and how little it reads."""

import math

import h5py
import numpy as np
import pytest

import dyn
from dyn.recorders.file.hdf5 import FORMAT, FORMAT_VERSION
from dyn.recorders.reading.series import Series
from dyn.recorders.watching.glance import LevelChange, look
from dyn.recorders.watching.screen import draw


@pytest.fixture
def write(path):
    """Write a recording of given columns, and return it opened."""
    opened = []

    def write(
        rows: int, *, status: str = "complete", features=None, parameters=None, step=None, time=None, **scalars
    ) -> dyn.Recording:
        path.unlink(missing_ok=True)
        with h5py.File(path, "w", libver=("v110", "v110")) as file:
            file.attrs.update(format=FORMAT, format_version=FORMAT_VERSION, status=status)
            file.attrs.update(created="2026-01-01T00:00:00+00:00", software="test", config="{}")
            file["committed"] = np.array([rows])
            file["step"] = np.arange(rows) if step is None else step
            file["time"] = np.arange(rows) / 100 if time is None else time
            for name in ("parameters", "features", "probes", "scalars"):
                file.create_group(name)
            for name, values in scalars.items():
                file[f"scalars/{name}"] = np.broadcast_to(values, rows).astype(float)
            for name, values in (parameters or {}).items():
                file[f"parameters/{name}"] = values
            for name, values in (features or {}).items():
                file[f"features/{name}/dimensionality"] = np.asarray(values, np.float32)
        opened.append(dyn.open(path))
        return opened[-1]

    yield write
    for recording in opened:
        recording.close()


def moving(rows: int, *changes: tuple[int, int, float], n: int = 3) -> np.ndarray:
    """The dimensionality of *n* features that are 0 until (row, feature, D) says otherwise."""
    D = np.zeros((rows, n))
    for row, feature, value in changes:
        D[row:, feature] = value
    return D


def test_what_is_seen(write):
    recording = write(500, loss=np.arange(500), lr=0.003, features={"W": moving(500, (200, 1, 0.5), (300, 2, 0.75))})
    glance = look(recording)
    assert (glance.path, glance.status, glance.rows) == (str(recording.path), "complete", 500)
    assert glance.bytes == recording.path.stat().st_size
    assert (glance.step, glance.seconds) == (499, 4.99)
    assert glance.rate == pytest.approx(100)
    assert glance.scalars == {"loss": 499, "lr": 0.003}
    assert glance.loss is not None
    assert glance.loss.values.tolist() == list(range(500))
    W = glance.features["W"]
    assert W.counts == {"3/4": 1, "1/2": 1, "0 (not represented)": 1}
    assert W.changes == [LevelChange(200, (1,), "0", "1/2"), LevelChange(300, (2,), "0", "3/4")]


def test_a_recording_without_rows_losses_or_features(write):
    empty = look(write(0, loss=1.0))
    assert (empty.rows, empty.step, empty.rate, empty.scalars, empty.features) == (0, None, None, {}, {})
    single = look(write(1))
    assert (single.step, single.rate, single.loss, single.scalars) == (0, None, None, {})
    unknown = look(write(3, loss=[math.nan, math.inf, -math.inf], features={"W": np.full((3, 2), math.nan)}))
    assert unknown.scalars == {"loss": -math.inf}
    assert unknown.diverged_at == 1
    assert unknown.features["W"].counts == {"not a number": 2}


def test_levels_that_are_only_passed_are_no_change(write):
    D = moving(100, (30, 0, 0.375), (33, 0, 0.5), (36, 0, 0.75), (60, 1, 0.5), (69, 1, 0.45))
    assert look(write(100, features={"W": D})).features["W"].changes == [LevelChange(36, (0,), "0", "3/4")]


def test_a_return_to_the_same_level_is_no_change(write):
    D = moving(100, (30, 0, 0.3), (50, 0, 0.0))
    assert look(write(100, features={"W": D})).features["W"].changes == []


def test_a_feature_that_comes_to_rest_for_the_first_time(write):
    D = np.full((100, 1), 0.9)
    D[40:] = 0.5
    assert look(write(100, features={"W": D})).features["W"].changes == [LevelChange(40, (0,), None, "1/2")]


def test_the_latest_changes_are_shown(write):
    D = moving(200, *((20 * k, k, 0.5) for k in range(1, 9)), n=9)
    changes = look(write(200, features={"W": D})).features["W"].changes
    assert [(change.step, change.feature) for change in changes] == [(20 * k, (k,)) for k in (5, 6, 7, 8)]


def test_the_members_of_an_ensemble_are_counted_together(write):
    D = np.zeros((50, 2, 3))
    D[20:, 1, 2] = 1
    W = look(write(50, features={"W": D})).features["W"]
    assert (W.shape, W.counts) == ((2, 3), {"1 (dedicated)": 1, "0 (not represented)": 5})
    assert W.changes == [LevelChange(20, (1, 2), "0", "1")]


def test_a_long_recording_is_read_in_a_few_places(write, monkeypatch):
    rows = 100_000
    loss = np.geomspace(1, 1e-3, rows)
    recording = write(rows, loss=loss, features={"W": moving(rows, (50_000, 1, 0.5))})
    read = []
    slices = Series.__getitem__

    def counted(self, key):
        values = slices(self, key)
        read.append(np.size(values))
        return values

    monkeypatch.setattr(Series, "__getitem__", counted)
    first = look(recording)
    assert sum(read) < 15_000
    read.clear()
    again = look(recording, first)
    # Only the end of the time and of the scalars.
    assert sum(read) < 8_300
    assert draw(again, width=80) == draw(first, width=80)
    assert first.loss is not None
    assert 1000 <= len(first.loss.values) <= 2000


@pytest.mark.parametrize("rows", [[1, 2, 3, 4000], [1999, 2000, 2001, 2002], [5000, 5001, 9000, 20_000]])
def test_looks_one_after_another_see_what_a_first_look_sees(write, rows):
    glance = None
    for stop in rows:
        with write(stop, loss=np.arange(stop), features={"W": np.zeros((stop, 2))}) as recording:
            glance, fresh = look(recording, glance), look(recording)
            assert glance.loss is not None
            assert fresh.loss is not None
            assert glance.loss.stride == fresh.loss.stride
            assert glance.loss.values.tolist() == fresh.loss.values.tolist()
            assert glance.loss.values.tolist() == list(range(0, stop, glance.loss.stride))
            assert draw(glance, width=50) == draw(fresh, width=50)


def test_another_recording_at_the_path_is_looked_at_afresh(write):
    with write(100, loss=1.0, features={"W": moving(100, n=5)}) as recording:
        earlier = look(recording)
    with write(50, loss=2.0, features={"W": moving(50, n=3)}) as recording:
        assert draw(look(recording, earlier), width=60) == draw(look(recording), width=60)


def test_rows_that_a_trigger_dropped_meanwhile_are_forgotten(write):
    with write(100, loss=np.arange(100)) as recording:
        earlier = look(recording)
    # Rows that were seen in the ring do not all get into the file.
    sparse = np.arange(0, 2000, 10)
    seen = look(write(200, step=sparse, loss=sparse), earlier)
    assert seen.loss is not None
    assert seen.loss.values.tolist() == sparse.tolist()


def test_a_scalar_logged_long_ago_is_still_known(write):
    accuracy = np.full(10_000, math.nan)
    accuracy[3000] = 0.5
    with write(5000, accuracy=accuracy[:5000]) as recording:
        earlier = look(recording)
        assert earlier.scalars["accuracy"] == 0.5
    assert look(write(10_000, accuracy=accuracy), earlier).scalars["accuracy"] == 0.5


def test_the_speed_is_that_of_the_last_seconds(write):
    time = np.concatenate([np.linspace(0, 1, 1001), 1 + np.arange(1, 101)])
    assert look(write(1101, time=time)).rate == 1


def test_of_many_scalars_and_parameters_a_few_are_read(write):
    glance = look(
        write(3, loss=1.0, **{f"a_{k:02}": k for k in range(40)}, features={f"{k}": moving(3) for k in range(9)})
    )
    assert len(glance.scalars) + glance.other_scalars == 41
    assert len(glance.features) + glance.other_features == 9
    assert "loss" in glance.scalars
    assert glance.other_scalars > 10
    assert glance.other_features > 3


def test_a_feature_between_neighbouring_levels_changes_once(write):
    """3/8 and 2/5 are within reach of each other; a feature that noise carries to and fro is at rest at one of them."""
    rng = np.random.default_rng(0)
    swing = np.where(np.arange(390) // 30 % 2, 0.006, -0.006)
    D = np.full((390, 1), 0.3875) + swing[:, None] + 0.001 * rng.standard_normal((390, 1))
    for rows in range(100, 390, 29):
        W = look(write(rows, features={"W": D[:rows]})).features["W"]
        assert W.changes == []
        assert W.counts == {"3/8": 1}
    D[300:] = 0.4
    W = look(write(390, features={"W": D})).features["W"]
    assert [(each.before, each.after) for each in W.changes] == [("3/8", "2/5")]
    assert W.counts == {"2/5": 1}


def test_where_it_diverged_is_told_from_its_end(write):
    W = np.ones((50, 2, 3))
    W[30:] = np.nan
    recording = write(50, loss=np.r_[np.ones(30), np.full(20, np.nan)], parameters={"W": W})
    assert look(recording).diverged_at == 29 + 1
    assert look(write(30, loss=1.0, parameters={"W": W[:30]})).diverged_at is None
