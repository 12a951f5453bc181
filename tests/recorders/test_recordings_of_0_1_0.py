"""Recordings of 0.1.0, a finished one and one whose training was killed, are read, repaired and continued as ever.

The files were written by that version; what it read of them lies beside them.
"""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.recorders.compact import compact
from dyn.recorders.writing.repair import repair

KEPT = Path(__file__).with_name("of_0_1_0")


@pytest.fixture(params=["finished", "killed"])
def old(request, tmp_path) -> tuple[Path, dict[str, np.ndarray]]:
    """A recording of 0.1.0, with its ring where it has one, and what was read of it then."""
    for packed in KEPT.glob(f"{request.param}.h5*.gz"):
        (tmp_path / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    with np.load(KEPT / f"{request.param}.npz") as truth:
        return tmp_path / f"{request.param}.h5", dict(truth)


def assert_same(path: Path, truth: dict[str, np.ndarray], rows: int) -> None:
    with dyn.open(path) as recording:
        found = {
            "step": recording.step[:rows],
            "loss": recording.scalars["loss"][:rows],
            "weight": recording.parameters["0.weight"][:rows],
            "dimensionality": recording.features["0.weight"]["dimensionality"][:rows],
            "probe": recording.probes["sum"][:rows],
        }
    for name, values in found.items():
        np.testing.assert_array_equal(values, truth[name][:rows], err_msg=name)


def test_its_rows_are_read(old):
    path, truth = old
    assert_same(path, truth, len(truth["step"]))
    with dyn.open(path) as recording:
        assert len(recording) == len(truth["step"])
        assert recording.status == {"finished": "complete", "killed": "aborted"}[path.stem]
        assert recording.config == {"name": "made by 0.1.0"}


def test_it_is_repaired(old):
    path, truth = old
    repair(path)
    assert not path.with_name(f"{path.name}.ring").exists()
    assert_same(path, truth, len(truth["step"]))


def test_it_is_compacted(old):
    path, truth = old
    repair(path)
    assert_same(compact(path), truth, len(truth["step"]))


def test_a_training_goes_on_with_it(old):
    path, truth = old
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    probes = {"sum": lambda model: model[0].weight.sum()}
    with dyn.attach(model, optimizer, path, resume=True, probes=probes) as recorder:
        for _ in range(5):
            loss = model(torch.rand(8, 4)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            recorder.log(loss=loss, epoch=9)
            optimizer.step()
    # The last row of a finished one is the state after its last step, which the first row that follows repeats.
    rows = len(truth["step"]) - (path.stem == "finished")
    assert_same(path, truth, rows)
    with dyn.open(path) as recording:
        assert recording.step[:].tolist() == [*range(rows + 6)]
