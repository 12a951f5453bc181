"""Trainings of two processes: who records what, and that their recordings are the training's parameters."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import SettingError
from dyn.dynamics.geometry.measures import dimensionality
from dyn.recorders.reading.recording import snapshot_of
from dyn.recorders.rewriting.merge import merge
from dyn.recorders.step.recorder import SilentRecorder

PROGRAM = Path(__file__).with_name("two_ranks.py")
STEPS, KILLED_AT = 5, 3
NAMES = ["0.weight", "0.bias", "2.weight", "2.bias"]


def start_rank(rank: int, folder: Path) -> subprocess.Popen[bytes]:
    # gloo asks for an address of the machine's name unless it is told what to use, and not every machine has one.
    loopback = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
    environment = {**os.environ, **loopback, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error::RuntimeWarning", str(PROGRAM), str(rank), str(folder)]
    with (folder / f"stderr.{rank}").open("w") as stderr:
        return subprocess.Popen(command, env=environment, stderr=stderr)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left that went through every training of the program; the second was killed in the last."""
    folder = tmp_path_factory.mktemp("ranks")
    ranks = [start_rank(rank, folder) for rank in (0, 1)]
    try:
        ends = [rank.wait(timeout=300) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()
    # The first ends with torch's error that nobody answers it.
    said = [(folder / f"stderr.{rank}").read_text() for rank in (0, 1)]
    assert (ends, "gloo" in said[0]) == ([1, -9], True), said
    return folder


@pytest.fixture(scope="module")
def load(folder: Path) -> Callable[[str], dict[str, np.ndarray]]:
    return lambda name: dict(np.load(folder / f"{name}.npz"))


def shards_of(folder: Path, name: str) -> list[Path]:
    return [folder / f"{name}.rank{rank}.h5" for rank in (0, 1)]


@pytest.mark.slow
def test_the_first_rank_of_data_parallel_records_and_the_other_does_not(folder, load):
    assert [(folder / f"ddp.{rank}").read_text() for rank in (0, 1)] == ["Recorder ddp.h5", "SilentRecorder ddp.h5"]
    trained_at_once = load("ddp")
    with dyn.open(folder / "ddp.h5") as recording:
        assert recording.status == "complete"
        assert list(recording.parameters) == NAMES
        assert recording.features["0.weight"]["norm"].shape == (STEPS + 1, 3)
        for name, series in recording.parameters.items():
            # Gradients are summed in another order, and Adam divides by their size.
            np.testing.assert_allclose(series, trained_at_once[name], rtol=1e-4, atol=1e-5)


def test_the_silent_recorder_has_whatever_the_other_has(path):
    public = {name for name in dir(dyn.Recorder) if not name.startswith("_")} | {"__exit__", "__repr__"}
    # What it sets itself, and what nobody asks of one that records nothing.
    assert public - {"path", "bytes_per_row", "chosen", "leave_to_parent"} <= vars(SilentRecorder).keys()
    recorder = SilentRecorder(path)
    with recorder as entered:
        entered.log(loss=1.0)
        entered.step(loss=1.0)
        entered.derive(lambda _: {})
    recorder.close()
    assert (entered, recorder.path, recorder.bytes_per_row, recorder.waited) == (recorder, path, 0, 0)
    assert not recorder.chosen
    assert not path.exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fsdp", "mixed"])
def test_each_rank_records_its_shards_and_where_they_belong(folder, load, name):
    for rank, path in enumerate(shards_of(folder, name)):
        gathered = load(f"{name}.{rank}")
        with dyn.open(path) as recording:
            root = snapshot_of(recording).node("/").attrs
            assert (root["rank"], root["world_size"]) == (rank, 2)
            assert list(recording.parameters) == NAMES
            assert recording.config == {"run": name}
            assert not recording.features
            np.testing.assert_array_equal(recording.scalars["loss"][:-1], gathered["losses"])
            for parameter, series in recording.parameters.items():
                whole = gathered[parameter]
                assert series.attrs["global_shape"] == json.dumps(whole.shape[1:])
                assert (series.attrs["placements"], series.attrs["mesh"]) == ("Shard(dim=0)", "dim0=2")
                start = json.loads(series.attrs["offset"])[0]
                # torch gives the first ranks the larger shards, and of one row the second rank has none.
                rows = {5: (3, 2), 1: (1, 0)}[whole.shape[1]]
                assert (start, series.shape[1]) == (rows[0] * rank, rows[rank])
                np.testing.assert_array_equal(series, whole[:, start : start + series.shape[1]])
                assert series.dtype == np.float32


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fsdp", "mixed", "both_ways"])
def test_the_merged_shards_are_the_gathered_parameters_bit_for_bit(folder, load, tmp_path, name):
    gathered = load(f"{name}.0")
    with dyn.open(merge(shards_of(folder, name), tmp_path / "run.h5")) as recording:
        assert (recording.status, recording.config) == ("complete", {"run": name})
        np.testing.assert_array_equal(recording.step, range(STEPS + 1))
        assert list(recording.parameters) == NAMES
        for parameter in NAMES:
            np.testing.assert_array_equal(recording.parameters[parameter], gathered[parameter])
        assert sorted(recording.features) == ["0.weight", "2.weight"]
        for parameter, features in recording.features.items():
            np.testing.assert_allclose(features["dimensionality"], dimensionality(gathered[parameter]), rtol=1e-6)
        losses = np.stack([load(f"{name}.{rank}")["losses"] for rank in (0, 1)], axis=1)
        np.testing.assert_array_equal(recording.scalars["loss"][:-1], losses.mean(axis=1))
        np.testing.assert_array_equal(recording.probes["loss_of_rank"][:-1], losses)
        np.testing.assert_array_equal(recording.scalars["lr"], [0.1] * (STEPS + 1))


@pytest.mark.slow
def test_recording_shards_changes_nothing_of_the_training(load):
    recorded, unrecorded = load("fsdp.0"), load("plain.0")
    for name, values in unrecorded.items():
        np.testing.assert_array_equal(recorded[name], values)


@pytest.mark.slow
def test_a_rank_that_records_alone_waits_for_nobody(folder):
    with dyn.open(folder / "alone.rank0.h5") as recording:
        assert (recording.status, len(recording)) == ("complete", 3)
        # The weight that is computed from them would need the other rank.
        assert {"0.parametrizations.weight.original0", "0.parametrizations.weight.original1"} <= set(
            recording.parameters
        )
        assert "0.weight" not in recording.parameters
    assert not (folder / "alone.rank1.h5").exists()


@pytest.mark.slow
def test_a_rank_that_was_killed_leaves_its_rows(folder, load, tmp_path):
    first, second = shards_of(folder, "killed")
    with dyn.open(first) as recording:
        # Closing added its final state.
        assert (recording.status, recording.step[:].tolist()) == ("aborted", [*range(KILLED_AT + 1)])
    with dyn.open(second) as recording:
        assert (recording.status, recording.step[:].tolist()) == ("aborted", [*range(KILLED_AT)])
    with pytest.warns(UserWarning, match="left out: 1 of rank 0"):
        merged = merge([first, second], tmp_path / "run.h5")
    gathered = load("killed.0")
    with dyn.open(merged) as recording:
        assert (recording.status, len(recording)) == ("aborted", KILLED_AT)
        for parameter in NAMES:
            np.testing.assert_array_equal(recording.parameters[parameter], gathered[parameter])


@pytest.mark.slow
def test_what_has_no_shards_to_record_is_refused(folder):
    for rank in (0, 1):
        probe, gathered = (folder / f"refused.{rank}").read_text().splitlines()
        assert "probe 'w' returned a DTensor" in probe
        assert "model.reshard()" in gathered
        assert not (folder / f"refused.rank{rank}.h5").exists()


def test_flat_parameters_are_refused(path):
    class FullyShardedDataParallel(nn.Linear):
        """As torch calls its first kind."""

    model = nn.Sequential(FullyShardedDataParallel(2, 2))
    with pytest.raises(SettingError, match="fully_shard"):
        dyn.attach(model, torch.optim.SGD(model.parameters()), path)
    assert not path.exists()
