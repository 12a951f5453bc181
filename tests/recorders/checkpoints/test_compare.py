"""Two recordings compared: planted partings are found where they are, equal ones never, and little is read for it."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import RecordingError
from dyn.recorders.checkpoints.pairs import unequal
from dyn.recorders.rewriting.compact import compact

ROWS = 600


class Drift(nn.Module):
    """Parameters that follow from the row alone."""

    def __init__(self, shape: tuple[int, int] = (3, 6)):
        super().__init__()
        self.W = nn.Parameter(torch.zeros(shape))
        self.b = nn.Parameter(torch.zeros(shape[1]))


def record(path: Path, rows: int = ROWS, shape: tuple[int, int] = (3, 6), **options) -> Path:
    """Record parameters that follow from the row alone, with a loss and a metric that is logged now and then."""
    model = Drift(shape)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((rows, *shape), generator=generator)
    with dyn.attach(model, None, path, **options) as recorder, torch.no_grad():
        for k in range(rows):
            model.W.copy_(noise[k])
            model.b.fill_(k)
            recorder.step(loss=1 / (k + 1), **({"accuracy": 1 - 1 / (k + 1)} if k % 50 == 0 else {}))
    return path


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    return record(tmp_path_factory.mktemp("runs") / "a.h5")


@pytest.fixture
def changed(original, tmp_path) -> Callable[..., Path]:
    """Copy the recording, and change the copy: what is given is called with the open file."""

    def make(change: Callable[[h5py.File], object] = lambda _: None, name: str = "b.h5") -> Path:
        path = tmp_path / name
        shutil.copy(original, path)
        with h5py.File(path, "r+") as file:
            change(file)
        return path

    return make


def plant(parameter: str, row: int, how: str) -> Callable[[h5py.File], None]:
    """Return what changes one element from a row on, by the last of its bits or to NaN."""

    def change(file: h5py.File) -> None:
        values = file[f"parameters/{parameter}"][row:]
        at = (slice(None), *(0,) * (values.ndim - 1))
        values[at] = np.nan if how == "nan" else np.nextafter(values[at], np.float32(np.inf))
        file[f"parameters/{parameter}"][row:] = values

    return change


SEEDS = np.random.default_rng(7)
PLANTED = [
    (str(SEEDS.choice(["W", "b"])), int(SEEDS.integers(0, ROWS)), str(SEEDS.choice(["bit", "nan"]))) for _ in range(24)
]


@pytest.mark.parametrize("exhaustive", [False, True])
@pytest.mark.parametrize(("parameter", "row", "how"), [*PLANTED, ("W", 0, "bit"), ("b", ROWS, "nan")])
def test_a_planted_parting_is_found_in_its_row(parameter, row, how, exhaustive, original, changed):
    found = dyn.diff(original, changed(plant(parameter, row, how)), exhaustive=exhaustive)
    assert (found.step, found.parameter, found.is_equal) == (row, parameter, False)
    assert set(found.parameters) == {parameter}
    assert np.isnan(found.largest) if how == "nan" else 0 < found.largest < 1e-3
    assert not found.scalars


@pytest.mark.parametrize(("row", "diverged"), [(100, 400), (399, 400), (3, 590)])
def test_runs_that_both_end_in_nan_part_where_they_did_before(row, diverged, tmp_path, original):
    def both(file: h5py.File) -> None:
        file["parameters/W"][diverged:] = np.nan

    paths = []
    for name, change in (("a.h5", both), ("b.h5", lambda file: (plant("W", row, "bit")(file), both(file)))):
        paths.append(shutil.copy(original, tmp_path / name))
        with h5py.File(paths[-1], "r+") as file:
            change(file)
    assert dyn.diff(*paths).step == dyn.diff(*paths, exhaustive=True).step == row


def test_what_is_alike_again_is_found_by_reading_every_row(original, changed):
    def for_a_while(file: h5py.File) -> None:
        file["parameters/W"][200:300] += 1

    path = changed(for_a_while)
    assert dyn.diff(original, path).is_equal
    assert "what parted is taken to stay so" in str(dyn.diff(original, path))
    assert dyn.diff(original, path, exhaustive=True).step == 200


def test_a_loss_that_differs_shows_where_to_look(original, changed):
    def for_a_while(file: h5py.File) -> None:
        file["parameters/W"][200:300] += 1
        file["scalars/loss"][200:300] += 1

    assert dyn.diff(original, changed(for_a_while)).step == 200


@pytest.mark.parametrize("exhaustive", [False, True])
def test_equal_recordings_are_equal(exhaustive, original, changed, tmp_path):
    def zeros(sign: float) -> Callable[[h5py.File], None]:
        return lambda file: file["parameters/W"].write_direct(
            np.full((3, 6), sign * 0.0, np.float32), dest_sel=np.s_[9]
        )

    compacted = {how: compact(original, tmp_path / f"{how}.h5", compression=how) for how in ("none", "gzip")}
    pairs = [
        (original, original),
        (original, changed(name="copy.h5")),
        (original, compacted["none"]),
        (compacted["none"], compacted["gzip"]),
        (changed(zeros(1), "plus.h5"), changed(zeros(-1), "minus.h5")),
    ]
    for one, other in pairs:
        found = dyn.diff(one, other, exhaustive=exhaustive)
        assert found.is_equal, str(found)
        assert not found.distance.any()
        assert found.growth.rate is None
        assert not {"differ", "part at", "only"} & set(str(found).split())


def test_a_compacted_copy_parts_in_the_same_row(original, changed, tmp_path):
    path = compact(changed(plant("W", 321, "bit")), tmp_path / "compact.h5")
    assert dyn.diff(original, path).step == 321


def test_the_first_step_of_each_scalar_also_where_it_is_seldom_logged(original, changed):
    def change(file: h5py.File) -> None:
        file["scalars/accuracy"][450] += 1
        file["scalars/loss"][77] = np.nan

    found = dyn.diff(original, changed(change))
    assert found.scalars == {"accuracy": 450, "loss": 77}
    assert found.step is None
    assert not found.is_equal


def test_a_scalar_that_was_logged_as_nan_is_not_one_that_was_not_logged(original, changed):
    def change(file: h5py.File) -> None:
        file["scalars/accuracy"][60] = np.nan

    assert dyn.diff(original, changed(change)).scalars == {"accuracy": 60}


def test_the_distance_is_that_of_all_parameters(original, changed):
    def change(file: h5py.File) -> None:
        file["parameters/W"][300:, 0, 0] += 3
        file["parameters/b"][300:, 1] -= 4

    found = dyn.diff(original, changed(change))
    assert (found.step, found.parameter, found.largest) == (300, "b", pytest.approx(4))
    assert found.parameters == {"W": pytest.approx(3, rel=1e-6), "b": pytest.approx(4)}
    assert found.distance == pytest.approx(np.where(found.steps < 300, 0, 5), rel=1e-6)


def test_rows_are_matched_by_their_steps(original, tmp_path):
    other = record(tmp_path / "b.h5", rows=400, every=3)
    found = dyn.diff(original, other)
    # Closing adds a row of the last state to either, which for the shorter run is of another step's parameters.
    with dyn.open(original) as a, dyn.open(other) as b:
        steps = np.intersect1d(a.step[:], b.step[:])
        assert (found.rows, found.rows_a, found.rows_b) == (len(steps), len(a) - len(steps), len(b) - len(steps))
    assert found.steps.tolist() == steps.tolist()
    assert not found.is_equal


def test_runs_without_a_step_in_common_are_said_to_have_none(tmp_path):
    paths = tmp_path / "a.h5", tmp_path / "b.h5"
    for path, first in zip(paths, (0, 100), strict=True):
        with dyn.attach(torch.nn.Linear(2, 2), None, path) as recorder:
            recorder.count_from(first)
            recorder.step(loss=1.0)
    found = dyn.diff(*paths)
    assert (found.rows, found.is_equal) == (0, False)
    assert str(found).splitlines()[0] == f"{paths[0]} and {paths[1]} have no step in common"


def test_what_only_one_has_or_has_otherwise_is_named(original, changed):
    def change(file: h5py.File) -> None:
        file.move("parameters/b", "parameters/bias")
        values = file["parameters/W"][:].astype(np.float64)
        del file["parameters/W"]
        file["parameters/W"] = values
        file.attrs["config"] = json.dumps({"lr": 0.1, "nan": float("nan")})

    found = dyn.diff(original, changed(change))
    assert (found.only_a, found.only_b) == (["parameters/b"], ["parameters/bias"])
    assert found.shapes == {"parameters/W": ("3 × 6 float32", "3 × 6 float64")}
    assert found.settings["lr"] == (None, 0.1)
    assert found.step is None
    assert not found.is_equal
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["is_equal"] is False


def test_a_recording_that_is_still_written_is_compared_as_far_as_it_is(tmp_path):
    model = Drift()
    with dyn.attach(model, None, tmp_path / "live.h5") as recorder:
        for k in range(50):
            recorder.step(loss=k)
        shown = dyn.diff(tmp_path / "live.h5", tmp_path / "live.h5")
        assert shown.is_equal
        assert shown.rows >= 49
        other = record(tmp_path / "b.h5", rows=50)
        assert dyn.diff(tmp_path / "live.h5", other).step == 0


def test_members_of_an_ensemble_are_compared_together(record_tiny_ensemble):
    one, other = record_tiny_ensemble("a.h5"), record_tiny_ensemble("b.h5")
    assert dyn.diff(one, other, exhaustive=True).is_equal
    with h5py.File(other, "r+") as file:
        file["parameters/W"][5:, -1] += 1
    found = dyn.diff(one, other)
    assert (found.step, found.parameter) == (5, "W")
    assert found.distance[-1] == pytest.approx(np.sqrt(file_size(one)), rel=1e-6)


def file_size(path: Path) -> int:
    """Return how many elements one member's matrix has."""
    with dyn.open(path) as recording:
        return int(np.prod(recording.parameters["W"].shape[2:]))


@pytest.fixture
def record_tiny_ensemble(tmp_path, tiny):
    def make(name: str) -> Path:
        return dyn.recorders.experiment.record_experiment(tiny.with_settings(n_instances=3), tmp_path / name)

    return make


def test_buffers_and_constants_are_compared_too(tmp_path):
    paths = [tmp_path / "a.h5", tmp_path / "b.h5", tmp_path / "c.h5"]
    for path, scale in zip(paths, (1.0, 1.0, 2.0), strict=True):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 2).requires_grad_(requires_grad=False))
        model[2].weight.data *= scale
        with dyn.attach(model, torch.optim.SGD(model.parameters(), lr=0.0), path) as recorder:
            for k in range(20):
                model(torch.ones(4, 3) * (1 + scale * (k >= 9) + torch.arange(4.0)[:, None]))
                recorder.step(loss=1.0)
    assert dyn.diff(*paths[:2], exhaustive=True).is_equal
    found = dyn.diff(paths[0], paths[2])
    assert found.step is None
    assert found.arrays["constants/2.weight"] == 0
    assert found.arrays["buffers/1.running_mean"] == 9


def test_jumps_that_one_has_and_the_other_not(tmp_path):
    """Two feature columns jump from 0 to the lengths of a pair; the second run lacks the later jump."""
    paths = []
    for name, late in (("a.h5", True), ("b.h5", False)):
        model = Drift((8, 16))
        paths.append(tmp_path / name)
        with dyn.attach(model, None, paths[-1], features={"W": "columns"}) as recorder, torch.no_grad():
            for k in range(900):
                lengths = torch.full((8,), 1e-3)
                lengths[0] = 1.0 if k >= 300 else 1e-3
                lengths[1] = 1.0 if late and k >= 600 else 1e-3
                model.W.copy_(torch.cat([torch.eye(8), -lengths * torch.eye(8)], dim=1))
                recorder.step(loss=1.0)
    found = dyn.diff(*paths).jumps
    assert [(a.features, b.features) for a, b in found.both] == [((0, 8), (0, 8))]
    assert [jump.features for jump in found.only_a] == [(1, 9)]
    assert found.only_b == []
    other_way = dyn.diff(*reversed(paths)).jumps
    assert [jump.features for jump in other_way.only_b] == [(1, 9)]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.complex64, np.int64, np.bool_])
def test_elements_are_unequal_by_their_bits(dtype):
    x = np.array([0, 1, 1, 0]).astype(dtype)
    y = np.array([0, 1, 0, 1]).astype(dtype)
    assert unequal(x, y).tolist() == [False, False, True, True]
    if np.issubdtype(dtype, np.inexact):
        nan, zero = np.array([np.nan, 0.0], dtype), np.array([np.nan, -0.0], dtype)
        assert not unequal(nan, zero).any()
        assert unequal(nan, np.array([1, 1], dtype)).all()


def test_a_nan_of_other_bits_is_another():
    bits = np.array([0x7FC00000, 0x7FC00001], np.uint32)
    assert unequal(bits[:1].view(np.float32), bits[1:].view(np.float32)).all()


@pytest.mark.skipif(sys.platform != "linux", reason="the system tells what a process read")
def test_a_few_per_cent_of_the_files_are_read(tmp_path):
    rows, at = 20_000, 12_345
    one, other = record(tmp_path / "a.h5", rows=rows, shape=(5, 30)), tmp_path / "b.h5"
    shutil.copy(one, other)
    with h5py.File(other, "r+") as file:
        plant("W", at, "bit")(file)
        file["scalars/loss"][at:] += 1
    dyn.diff(one, one)
    before = bytes_read()
    assert dyn.diff(one, other).step == at
    assert bytes_read() - before < 0.05 * (one.stat().st_size + other.stat().st_size)


def bytes_read() -> int:
    """Return how many bytes this process has read from anything so far, caches of the system included."""
    return int(Path("/proc/self/io").read_text().split()[1])


def test_what_is_no_recording_is_named(original, tmp_path):
    with pytest.raises(RecordingError, match=r"missing.h5 does not exist"):
        dyn.diff(original, tmp_path / "missing.h5")
