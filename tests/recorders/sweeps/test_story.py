"""The result of a sweep in lines and as a document."""

import json

import pytest

from dyn.dynamics.errors import RecordingError, SettingError
from dyn.recorders.sweeps import story
from dyn.recorders.sweeps.axes import Axis
from dyn.recorders.sweeps.plan import make_plan
from dyn.recorders.sweeps.run import run_sweep
from dyn.recorders.sweeps.sweep import Sweep


@pytest.fixture
def sweep(tiny, tmp_path):
    plan = make_plan(tiny, [Axis("density", (0.5, 0.2)), Axis("sets", (2, 3))], repeat=2, recorded=True)
    run_sweep(plan, tmp_path / "a.h5", workers=1)
    with Sweep(tmp_path / "a.h5") as sweep:
        yield sweep


def test_what_a_sweep_holds(sweep):
    lines = story.sweep_lines(sweep).splitlines()
    assert "a.h5: sweep of tiny, 4 points of 2 models" in lines[0]
    assert "axis         density  0.5, 0.2" in lines
    assert "trajectories 13 rows, steps 0 to 12" in lines
    assert "array        W  2 × 2 × 2 × 13 × 2 × 4" in lines
    assert any(line.startswith("failed       density=0.5 … 0.2, sets=3: sets=3 does not divide") for line in lines)
    assert "density=0.2, sets=2: 2 models" in lines


def test_the_document_is_the_same_in_full(sweep):
    told = json.loads(json.dumps(story.sweep_document(sweep), allow_nan=False))
    assert told["axes"] == {"density": [0.5, 0.2], "sets": [2, 3]}
    assert len(told["statistics"]["points"]) == 4


def test_of_many_points_the_first_are_told(sweep, monkeypatch):
    monkeypatch.setattr(story, "MOST_POINTS", 1)
    text = story.sweep_lines(sweep)
    assert text.endswith("and 3 more points; --json has all")
    assert "density=0.2, sets=2: " not in text


def test_jumps_need_trajectories(tiny, tmp_path):
    run_sweep(make_plan(tiny, [Axis("density", (0.5, 0.2))]), tmp_path / "ends.h5", workers=1)
    with Sweep(tmp_path / "ends.h5") as sweep:
        assert "trajectories none" in story.sweep_lines(sweep)
        with pytest.raises(RecordingError, match=r"ends.h5 keeps no trajectories; sweep with --record"):
            story.tell_jumps(sweep)


def test_a_sweep_has_no_instance(sweep):
    with pytest.raises(SettingError, match="instance=1"):
        story.tell_jumps(sweep, instance=1)
    assert story.tell_jumps(sweep).jump_lines.startswith("density=0.5, sets=2: 2 models")


def test_every_model_that_is_read_is_shown(sweep, monkeypatch):
    seen = []

    def progress(numbers):
        for number in numbers:
            seen.append(number)
            yield number
        seen.append("end")

    monkeypatch.setattr(story, "MOST_POINTS", 2)
    # Four points of two models, of which two points are told in lines.
    for tell, count in ((story.sweep_document, 8), (story.tell_jumps, 8), (story.sweep_lines, 4)):
        seen.clear()
        tell(sweep, progress=progress)
        assert seen == [*range(count), "end"]
