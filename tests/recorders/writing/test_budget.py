"""What a budget chooses: which steps make a row, and whether parameters are kept whole."""

import logging
from pathlib import Path

import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import SettingError
from dyn.recorders.writing.budget import least_every, parse_bytes


def attach(path: Path, size: int = 8, **options):
    model = nn.Linear(size, size)
    return model, dyn.attach(model, torch.optim.SGD(model.parameters(), 0.1), path, **options)


def run(path: Path, steps: int, size: int = 8, **options) -> dyn.Recording:
    model, recorder = attach(path, size, steps=steps, **options)
    optimizer = next(iter(recorder._optimizers))
    with recorder:
        for _ in range(steps):
            optimizer.zero_grad()
            model(torch.ones(1, size)).sum().backward()
            optimizer.step()
    return dyn.open(path)


@pytest.mark.parametrize(
    ("text", "size"), [("2 GB", 2 * 10**9), ("1.5MiB", 1572864), ("500 kb", 500_000), ("77", 77), (10**6, 10**6)]
)
def test_sizes_are_read(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GB", "2 parsecs", "-1 GB", "0", 0, True, 1.5, None])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(SettingError, match="budget="):
        parse_bytes(text)


def test_the_least_every_is_found():
    def size(every: int) -> int:
        return 10 * (-(-1000 // every) + 1)

    for budget in (20, 95, 500, 10_010, 10**9):
        every = least_every(budget, 1000, size)
        assert every is not None
        assert size(every) <= budget
        assert every == 1 or size(every - 1) > budget
    assert least_every(19, 1000, size) is None


@pytest.mark.parametrize("budget", ["400 kB", "2 MB"])
def test_a_recording_stays_within_its_budget(tmp_path, budget):
    with run(tmp_path / "run.h5", 900, budget=budget) as recording:
        assert recording.path.stat().st_size <= parse_bytes(budget)
        assert recording.parameters
        every = int(recording.step[1])
        assert recording.step[:-1].tolist() == [*range(0, 900, every)]
        assert (every == 1) == (budget == "2 MB")


def test_what_was_chosen_is_said_first(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="dyn"):
        run(tmp_path / "run.h5", 900, budget="400 kB").close()
    assert "whole parameters, every" in caplog.records[0].getMessage()
    assert "of 400 kB" in caplog.records[0].getMessage()


def test_summaries_are_taken_where_few_rows_would_have_room(tmp_path):
    with run(tmp_path / "run.h5", 300, 256, budget="12 MB", select="weight") as recording:
        assert recording.summaries
        assert not recording.parameters
        assert len(recording) > 200
        assert recording.path.stat().st_size <= 12e6
    with run(tmp_path / "whole.h5", 300, 256, budget="12 MB", summaries=False) as recording:
        assert not recording.summaries
        assert len(recording) < 50


def test_auto_keeps_small_models_whole_and_large_ones_in_short(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="dyn"):
        attach(tmp_path / "small.h5", summaries="auto")[1].close()
        first = caplog.records[0].getMessage()
        caplog.clear()
        attach(tmp_path / "large.h5", 1200, summaries="auto")[1].close()
    assert "whole parameters" in first
    assert "summaries" in caplog.records[0].getMessage()
    with dyn.open(tmp_path / "small.h5") as small, dyn.open(tmp_path / "large.h5") as large:
        assert small.parameters
        assert large.summaries


def test_checkpoints_count(tmp_path):
    options = {"budget": "6 MB", "steps": 1000}
    alone = attach(tmp_path / "a.h5", 64, **options)[1]
    beside = attach(tmp_path / "b.h5", 64, checkpoint_every=20, **options)[1]
    assert beside._schedule.every > alone._schedule.every
    alone.close()
    beside.close()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"budget": "1 GB"}, "steps=N"),
        ({"steps": 10}, "budget="),
        ({"budget": "1 GB", "steps": 0}, "steps=0"),
        ({"budget": "1 GB", "steps": True}, "steps=True"),
        ({"budget": "1 GB", "steps": 10, "every": 5}, "every=5"),
        ({"budget": "1 GB", "steps": 10, "every": "log"}, "every='log'"),
        ({"budget": "lots", "steps": 10}, "budget='lots'"),
        ({"budget": "1 kB", "steps": 10}, "no room for the first and the last row"),
        ({"budget": "1 kB", "steps": 10, "summaries": True}, "no room"),
        ({"budget": "1 kB", "steps": 10, "summaries": False}, "no room"),
    ],
)
def test_arguments_that_do_not_go_together(tmp_path, options, says):
    with pytest.raises(SettingError, match=says):
        attach(tmp_path / "run.h5", **options)
    assert not [*tmp_path.iterdir()]


def test_an_ensemble_is_kept_whole(tmp_path):
    class Members(nn.Module):
        n_instances = 4

        def __init__(self):
            super().__init__()
            self.W = nn.Parameter(torch.randn(4, 30, 50))

    model = Members()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    dyn.attach(model, optimizer, tmp_path / "run.h5", budget="1 MB", steps=1000).close()
    with dyn.open(tmp_path / "run.h5") as recording:
        assert recording.parameters
