"""What the recordings of several ranks make together; written by hand here, see test_distributed.py for real ones."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import dyn
from dyn.dynamics.errors import OutputExistsError, RecordingError, SettingError
from dyn.dynamics.geometry.measures import measure
from dyn.recorders.file.creation import create_file
from dyn.recorders.file.store import Store
from dyn.recorders.reading.recording import snapshot_of
from dyn.recorders.reading.series import Series
from dyn.recorders.rewriting.merge import merge
from dyn.recorders.ring.channels import Block, Channel

ROWS = 7
W = np.random.default_rng(0).normal(size=(ROWS, 4, 6)).astype(np.float32)


def shard(name: str, whole: np.ndarray, region: Sequence[slice], **attributes: str) -> tuple[Channel, np.ndarray]:
    """Return the channel of a part of (T, *shape), and its rows."""
    values = whole[(slice(None), *region)]
    place = {"global_shape": json.dumps(whole.shape[1:]), "offset": json.dumps([part.start for part in region])}
    axes = tuple(f"{name}.axis{k}" for k in range(whole.ndim - 1))
    shape = values.shape[1:]
    return Channel("parameters", name, shape, values.dtype, values.dtype, axes, None, {**place, **attributes}), values


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes the recording of one rank."""

    def write(
        rank: int,
        parts: Sequence[tuple[Channel, np.ndarray]],
        *,
        of: int = 2,
        steps: Sequence[int] = range(ROWS),
        status: str = "complete",
        created: str = "2026-01-01T00:00:00+00:00",
        **scalars: Sequence[float],
    ) -> Path:
        path = tmp_path / f"run.rank{rank}.h5"
        attributes = {"rank": rank, "world_size": of, "created": created}
        create_file(path, [c for c, _ in parts], scalars, config='{"a": 1}', token="", attributes=attributes)
        store, kept = Store(path), list(steps)
        columns = {name: np.asarray(values, dtype=float)[kept] for name, values in scalars.items()}
        arrays = {channel.path: values[kept] for channel, values in parts}
        store.append(Block(np.array(kept), np.array(kept) / 10, columns, arrays))
        store.close(status, final_row=1)
        return path

    return write


def rows_of(rank: int, **attributes: str) -> list[tuple[Channel, np.ndarray]]:
    return [shard("W", W, [slice(2 * rank, 2 * rank + 2), slice(0, 6)], **attributes)]


@pytest.fixture
def both(record: Callable[..., Path]) -> list[Path]:
    return [record(rank, rows_of(rank, features="columns"), loss=np.arange(ROWS) + rank) for rank in (0, 1)]


def test_shards_become_the_matrix_with_its_features(both, path):
    assert merge(both[::-1], path) == path
    with dyn.open(path) as recording:
        assert (recording.status, recording.config, len(recording)) == ("complete", {"a": 1}, ROWS)
        assert recording.created == "2026-01-01T00:00:00+00:00"
        np.testing.assert_array_equal(recording.parameters["W"], W)
        expected = measure(W)
        for quantity, values in recording.features["W"].items():
            np.testing.assert_allclose(values, getattr(expected, quantity), rtol=1e-6)
        assert recording.parameters["W"].attrs == {"features": "columns"}
        np.testing.assert_array_equal(recording.time, np.arange(ROWS) / 10)
        root: Any = snapshot_of(recording).node("/")
        assert json.loads(root.attrs["merged_from"]) == ["run.rank0.h5", "run.rank1.h5"]
    with h5py.File(path) as file:
        assert file["parameters/W"].dims[1][0].name == "/W.axis0"


def test_the_loss_is_the_mean_over_the_ranks_and_the_rest_is_of_the_first(record, path):
    first = record(0, rows_of(0), loss=np.arange(ROWS), lr=[0.1] * ROWS)
    second = record(1, rows_of(1), loss=[*range(2, ROWS + 1), np.nan], lr=[0.2] * ROWS, late=[5.0] * ROWS)
    merge([first, second], path)
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.scalars["loss"], [1, 2, 3, 4, 5, 6, np.nan])
        np.testing.assert_array_equal(recording.probes["loss_of_rank"][1], [1, 3])
        np.testing.assert_array_equal(recording.scalars["lr"], [0.1] * ROWS)
        np.testing.assert_array_equal(recording.scalars["late"], [5] * ROWS)


def test_a_rank_that_logs_no_loss_does_not_take_that_of_the_others(record, path):
    first = record(0, rows_of(0), loss=np.arange(ROWS))
    second = record(1, rows_of(1), loss=[np.nan] * ROWS)
    merge([first, second], path)
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.scalars["loss"], range(ROWS))
        assert "loss_of_rank" not in recording.probes


@pytest.mark.parametrize("span_bytes", [1, 3 * W[0].nbytes, 2**25])
def test_scattered_rows_are_read_together_within_bounds(record, path, monkeypatch, span_bytes):
    read: list[int] = []
    look = Series.__getitem__

    def noted(self: Series, key: Any) -> np.ndarray:
        values = look(self, key)
        if self.shape[1:] == (2, 6):
            read.append(len(values))
        return values

    monkeypatch.setattr("dyn.recorders.rewriting.shards._SPAN_BYTES", span_bytes)
    first, second = record(0, rows_of(0), steps=[0, 2, 4, 6]), record(1, rows_of(1))
    monkeypatch.setattr(Series, "__getitem__", noted)
    with pytest.warns(UserWarning, match="left out: 3 of rank 1"):
        merge([first, second], path)
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.parameters["W"], W[::2])
    # Rank 0's four rows lie together, those of rank 1 have one between each two; a shard is half of a row of W.
    assert read == {1: [1] * 8, 3 * W[0].nbytes: [4, 5, 1], 2**25: [4, 7]}[span_bytes]


@pytest.mark.parametrize("batch_rows", [1, 2, 100])
def test_the_rows_are_the_steps_that_every_rank_has(record, path, monkeypatch, batch_rows):
    monkeypatch.setattr("dyn.recorders.rewriting.merge._BATCH_BYTES", batch_rows * (32 + W[0].nbytes))
    first = record(0, rows_of(0), steps=[0, 1, 2, 3, 5, 6])
    second = record(1, rows_of(1), steps=[0, 2, 3, 4, 5], status="repaired")
    with pytest.warns(UserWarning, match="left out: 2 of rank 0, 1 of rank 1"):
        merge([first, second], path)
    with dyn.open(path) as recording:
        assert recording.status == "aborted"
        np.testing.assert_array_equal(recording.step, [0, 2, 3, 5])
        np.testing.assert_array_equal(recording.parameters["W"], W[[0, 2, 3, 5]])
        root: Any = snapshot_of(recording).node("/")
        assert json.loads(root.attrs["rows_left_out"]) == [2, 1]


def test_shards_of_any_shape_are_put_where_they_belong(record, path):
    corners = [[slice(0, 3), slice(0, 2)], [slice(0, 3), slice(2, 6)], [slice(3, 4), slice(0, 2)]]
    corners += [[slice(3, 4), slice(2, 6)], [slice(4, 4), slice(0, 6)], corners[0]]
    b = np.arange(ROWS * 3.0).reshape(ROWS, 3)
    everywhere = (Channel("parameters", "b", (3,), b.dtype, b.dtype, ("b.axis0",)), b)
    # The last one is a replica of the first, which is not looked at.
    values = [W, W, W, W, W, W + 1]
    ranks = [record(k, [shard("W", values[k], corner), everywhere], of=6) for k, corner in enumerate(corners)]
    merge(ranks, path)
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.parameters["W"], W)
        np.testing.assert_array_equal(recording.parameters["b"], b)
        assert not recording.features


def test_a_parameter_may_be_on_some_ranks_only(record, path):
    first = [*rows_of(0), shard("a", W, [slice(0, 4), slice(0, 6)])]
    second = [*rows_of(1), shard("b", W, [slice(0, 4), slice(0, 6)])]
    merge([record(0, first), record(1, second)], path)
    assert list(dyn.open(path).parameters) == ["W", "a", "b"]


def test_a_missing_rank_is_named(record, path):
    paths = [record(rank, rows_of(rank), of=4) for rank in (0, 1)]
    with pytest.raises(RecordingError, match=r"of 4 ranks, ranks 2, 3 are missing"):
        merge(paths, path)
    with pytest.raises(RecordingError, match=r"of 4 ranks, ranks 0, 2, 3 are missing"):
        merge(paths[1:], path)
    assert not path.exists()


def test_without_recordings_there_is_nothing_to_merge(path):
    with pytest.raises(SettingError, match="got none"):
        merge([], path)


def test_a_recording_of_no_rank_is_refused(recorded, tmp_path):
    with pytest.raises(RecordingError, match=r"run\.h5 is not the recording of one rank's shards"):
        merge([recorded], tmp_path / "whole.h5")


def test_a_rank_given_twice_is_refused(both, path):
    with pytest.raises(RecordingError, match=r"both of rank 0"):
        merge([*both, both[0]], path)


@pytest.mark.parametrize(
    ("message", "whole", "rows", "options"),
    [
        ("of 2 ranks and .*rank1.h5 of 3", W, slice(2, 4), {"of": 3}),
        ("no step in common", W, slice(2, 4), {"steps": [5, 6]}),
        ("a part of parameter 'W' is recorded twice", W, slice(1, 4), {}),
        ("a part of parameter 'W' is missing", W, slice(3, 4), {}),
        ("parameter 'W' has the shapes", W[:, :3], slice(2, 3), {}),
    ],
    ids=["worlds", "steps", "twice", "missing", "shapes"],
)
def test_recordings_that_make_no_whole_are_refused(record, path, message, whole, rows, options):
    first = record(0, rows_of(0), steps=[0, 1])
    second = record(1, [shard("W", whole, [rows, slice(0, 6)])], **options)
    with pytest.raises(RecordingError, match=message):
        merge([first, second], path)
    assert not path.exists()


def test_recordings_that_began_far_apart_are_wondered_at(record, path):
    paths = [record(0, rows_of(0)), record(1, rows_of(1), created="2026-01-03T00:00:00+00:00")]
    with pytest.warns(UserWarning, match="began far apart"):
        merge(paths, path)


def test_an_existing_output_is_kept_unless_it_may_be_replaced(both, path):
    path.write_text("precious")
    with pytest.raises(OutputExistsError, match="overwrite=True"):
        merge(both, path)
    assert path.read_text() == "precious"
    merge(both, path, overwrite=True)
    assert len(dyn.open(path)) == ROWS


def test_a_recording_is_not_merged_into_itself(both):
    with pytest.raises(SettingError, match="one of the recordings to merge"):
        merge(both, both[0], overwrite=True)
    assert len(dyn.open(both[0])) == ROWS


def test_a_merge_that_fails_leaves_what_was_there(both, path, monkeypatch):
    path.write_text("precious")

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Store, "append", fail)
    with pytest.raises(RecordingError, match="cannot be made: No space left"):
        merge(both, path, overwrite=True)
    assert path.read_text() == "precious"
    assert sorted(each.name for each in path.parent.iterdir()) == ["run.h5", "run.rank0.h5", "run.rank1.h5"]
