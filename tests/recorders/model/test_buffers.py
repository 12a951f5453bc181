"""Buffers: which are recorded with the rows, and that one kept once is never out of date unnoticed."""

import os
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import RecordingError, SettingError
from dyn.recorders.model.buffers import rest_of
from dyn.recorders.step.row import RowFiller

LARGE = 20_000


class Masked(nn.Module):
    def __init__(self, **buffers):
        super().__init__()
        self.line = nn.Linear(3, 2)
        for name, buffer in buffers.items():
            self.register_buffer(name, buffer)

    def forward(self, x):
        return self.line(x)


def train(model, path, steps, change=lambda _step: None, **options):
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1)
    with dyn.attach(model, optimizer, path, **options):
        for step in range(steps):
            model(torch.randn(4, 3)).sum().backward()
            change(step)
            optimizer.step()


def test_what_changes_by_its_look():
    model = nn.Sequential(nn.BatchNorm1d(LARGE, affine=False), nn.BatchNorm1d(2, affine=False))
    model.register_buffer("count", torch.tensor(0))
    model.register_buffer("mask", torch.ones(100, 100).bool())
    model.register_buffer("table", torch.ones(LARGE))
    model.register_buffer("small", torch.ones(100))
    model.register_buffer("empty", torch.ones(0))
    model.register_buffer("none", None)
    model.register_buffer("cache", torch.ones(2), persistent=False)
    rest = rest_of(model, {}, buffers=True)
    assert {name for name in rest.changing if "." not in name} == {"count", "small"}
    assert len(rest.changing) == 8
    assert set(rest.constant) == {"mask", "table", "empty"}
    assert "mask" in rest_of(model, {}, buffers=["ma*"]).changing
    assert not rest_of(model, {}, buffers=False).constant


@pytest.mark.parametrize("buffers", [3, [3], None])
def test_what_is_no_choice_of_buffers(buffers, path):
    with pytest.raises(SettingError, match="is neither True nor False"):
        train(Masked(), path, 1, buffers=buffers)


def test_a_glob_that_matches_no_buffer(path):
    with pytest.raises(SettingError, match=r"buffers='msk' matches no buffer; there are mask"):
        train(Masked(mask=torch.ones(2)), path, 1, buffers="msk")
    assert not path.exists()


def write(model):
    model.table[5] = 9


def replace(model):
    model.table = torch.zeros(LARGE)


def by_data(model):
    model.table.data.mul_(2)


def swap(model):
    model.table.data = torch.zeros(LARGE)


@pytest.mark.parametrize("change", [write, replace, by_data, swap], ids=lambda each: each.__name__)
def test_a_constant_that_changes_is_told_and_not_given_out(change, path):
    model = Masked(table=torch.ones(LARGE))
    with pytest.warns(UserWarning, match="table changed, kept once"):
        train(model, path, 5, lambda step: change(model) if step == 3 else None)
    with dyn.open(path) as recording:
        assert recording["line.weight"].shape == (6, 2, 3)
        assert recording.state_dict(0)["table"].tolist() == [1.0] * LARGE
        with pytest.raises(RecordingError, match="does not have table at step 5"):
            recording.state_dict()
        with pytest.raises(RecordingError, match="does not have table at step 3"):
            recording.load_into(Masked(table=torch.ones(LARGE)), 3)


def test_a_constant_that_is_written_and_stays_is_one(path):
    model = Masked(table=torch.ones(LARGE))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # As DistributedDataParallel does before each forward pass.
        train(model, path, 5, lambda _: model.table.copy_(torch.ones(LARGE)))
    assert "table" in dyn.open(path).state_dict()


def test_a_large_buffer_by_its_name_is_in_the_rows(path):
    model = Masked(table=torch.ones(LARGE))
    train(model, path, 4, lambda step: model.table.fill_(step), buffers="table")
    assert dyn.open(path).buffers["table"][:, 7].tolist() == [0, 1, 2, 3, 3]


def test_a_frozen_parameter_that_changes_is_told(path):
    model = Masked()
    model.teacher = nn.Linear(3, 2).requires_grad_(False)
    with pytest.warns(UserWarning, match=r"teacher\.weight changed, kept once"):
        train(model, path, 4, lambda _: model.teacher.weight.data.mul_(0.9))
    with pytest.raises(RecordingError, match=r"does not have teacher\.weight at step 4"):
        dyn.open(path).state_dict()


def test_a_buffer_that_grows_or_goes_ends_no_recording(path):
    model = Masked(bank=torch.zeros(2), gone=torch.ones(2))

    def change(step):
        model.bank = torch.zeros(2 + step)
        model.gone = None

    with pytest.warns(UserWarning, match=r"bank, gone changed"):
        train(model, path, 5, change)
    with dyn.open(path) as recording:
        assert (len(recording), recording.status) == (6, "complete")
        with pytest.raises(RecordingError, match="does not have bank, gone at step 5"):
            recording.state_dict()


def test_a_buffer_is_taken_as_the_forward_pass_left_it(path):
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    train(model, path, 3)
    assert dyn.open(path).buffers["1.num_batches_tracked"][:].tolist() == [1, 2, 3, 3]


def test_few_buffers_take_the_quick_way(path, monkeypatch):
    rows, fill = [], RowFiller._fill
    monkeypatch.setattr(RowFiller, "_fill", lambda self, *given: (rows.append(given), fill(self, *given)))
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    train(model, path, 100)
    if not hasattr(torch.Tensor, "__dlpack_c_exchange_api__"):
        assert "CI" not in os.environ, "the pinned torch lets C look at its tensors"
        pytest.skip("torch lets nobody look at its tensors from C")
    # The first, which knows no learning rate yet, and the final one.
    assert len(rows) <= 2
    assert np.array_equal(dyn.open(path).buffers["1.num_batches_tracked"][-2:], [100, 100])


def test_what_cannot_be_recorded_is_named_and_harms_nothing(path):
    model = Masked(sparse=torch.eye(3).to_sparse())
    train(model, path, 2)
    with pytest.raises(RecordingError, match="does not have sparse"):
        dyn.open(path).state_dict()


def test_a_buffer_under_two_names_is_recorded_once(path):
    model = nn.Sequential(nn.Linear(3, 2), norm := nn.BatchNorm1d(2), norm)
    train(model, path, 2)
    with dyn.open(path) as recording:
        assert "2.running_mean" not in recording.buffers
        assert recording.buffers["1.running_mean"].attrs["aliases"] == "2.running_mean"
        assert recording.state_dict().keys() == model.state_dict().keys()


def test_a_buffer_that_gets_another_dtype_is_refused_rather_than_rounded(tmp_path):
    class Average(nn.Linear):
        def __init__(self):
            super().__init__(2, 2)
            self.register_buffer("average", torch.tensor(0))
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            if self.calls > 1:
                self.average = self.average * 0.9 + 0.1
            return super().forward(x)

    model = Average()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    recorder = dyn.attach(model, optimizer, tmp_path / "run.h5")
    for _ in range(3):
        model(torch.ones(3, 2)).sum().backward()
        optimizer.step()
    with pytest.warns(UserWarning, match="average"):
        recorder.close()
    recording = dyn.open(tmp_path / "run.h5")
    assert recording.state_dict(0)["average"] == 0
    for step in range(1, 4):
        with pytest.raises(RecordingError, match="average"):
            recording.state_dict(step)
