"""What a recording holds, in short."""

import json
import math
from dataclasses import replace

import pytest
import torch

import dyn
from dyn.recorders.stories.summary import summarize


@pytest.fixture
def recording(tmp_path):
    """Two rows of a matrix with a dedicated feature, a digon, a feature off every level's reach, and a dead one."""
    model = torch.nn.Linear(5, 3, bias=False)
    model.weight.data = torch.tensor([[1.0, 0, 0, 0, 0], [0, 1, -1, 0, 0], [0, 0, 0, 1, 0]])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with dyn.attach(model, optimizer, tmp_path / "run.h5") as recorder:
        model(torch.ones(5)).sum().backward()
        recorder.log(loss=0.25)
        optimizer.step()
    with dyn.open(tmp_path / "run.h5") as recording:
        yield recording


def test_the_document(recording):
    summary = summarize(recording).as_dict()
    assert (summary["status"], summary["rows"], summary["first_step"], summary["last_step"]) == ("complete", 2, 0, 1)
    assert summary["levels"] == {"weight": {"1 (dedicated)": 2, "1/2": 2, "0 (not represented)": 1}}
    # The final row has no loss; the last one known counts.
    assert summary["scalars"]["loss"] == 0.25
    assert summary["bytes"] == recording.path.stat().st_size
    assert json.loads(json.dumps(summary))["parameters"] == {"weight": [3, 5]}


def test_the_words(recording):
    text = str(summarize(recording))
    assert "complete, 2 rows" in text
    assert "3 × 5" in text
    assert "now 2 at 1 (dedicated), 2 at 1/2, 1 at 0 (not represented)" in text


def test_a_recording_without_rows(tmp_path):
    model = torch.nn.Linear(2, 2)
    recorder = dyn.attach(model, torch.optim.SGD(model.parameters(), lr=0.1), tmp_path / "run.h5")
    with dyn.open(tmp_path / "run.h5") as live:
        summary = summarize(live)
        assert (summary.rows, summary.last_step, summary.levels) == (0, None, {})
        assert "recording, 0 rows" in str(summary)
    recorder.close()


def test_of_many_members_the_text_lists_some_and_the_document_all(recording):
    summary = replace(summarize(recording), levels={f"W, instance {k}": {"1 (dedicated)": 1} for k in range(30)})
    assert str(summary).count("now 1 at 1 (dedicated)") == 20
    assert "and 10 more; --json has all" in str(summary)
    assert len(summary.as_dict()["levels"]) == 30


def test_a_loss_that_diverged_is_the_last_one(tmp_path):
    model = torch.nn.Linear(2, 2)
    with dyn.attach(model, None, tmp_path / "run.h5") as recorder:
        for loss in (3.0, 2.0, math.nan, math.nan):
            recorder.step(loss=loss)
    with dyn.open(tmp_path / "run.h5") as recording:
        summary = summarize(recording)
    assert "diverged     at step 2\n" in str(summary)
    assert "scalar       loss  last nan\n" in str(summary)
    document = json.loads(json.dumps(summary.as_dict(), allow_nan=False))
    assert (document["diverged_at"], document["scalars"]["loss"]) == (2, None)


def test_a_recording_that_was_gone_on_with_says_where(tmp_path):
    for resume in (False, True, True):
        model = torch.nn.Linear(2, 2)
        with dyn.attach(model, None, tmp_path / "run.h5", resume=resume) as recorder:
            for _ in range(3):
                recorder.step(loss=1.0)
        with dyn.open(tmp_path / "run.h5") as recording:
            summary = summarize(recording)
            assert ("resumed" in str(summary)) == resume
    assert "resumed      at steps 3, 6\n" in str(summary)
    assert summary.as_dict()["resumed_at"] == (3, 6)
