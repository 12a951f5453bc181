"""The captions: what is named when, and in which words."""

from types import SimpleNamespace

import numpy as np
import pytest

from dyn.dynamics.jumps import Jump
from dyn.recorders.stories.story import tell
from dyn.viz.playback.captions import Chapter, Narrator, head_of, tell_jump, tell_regime


def jump(start: int, end: int, **changes) -> Jump:
    known = {
        "start": start,
        "end": end,
        "features": (3, 5),
        "before": np.array([0.21, 0.4]),
        "after": np.array([0.5, 0.02]),
        "sigmas": np.array([9.0, 9.0]),
        "loss_change": -0.0012,
        "loss_sigmas": -9.0,
        "loss_lag": 0.0,
    }
    return Jump(**(known | changes))


def narrator(jumps=(), regimes=None, fps: int = 10) -> Narrator:
    """Return a narrator of a movie that shows step 10 k in frame k."""
    return Narrator(SimpleNamespace(jumps=list(jumps), regimes=regimes), np.arange(0, 1010, 10.0), fps)


def test_a_jump_is_named_from_its_start_and_for_long_enough_to_read():
    told = narrator([jump(300, 305)])
    named = [frame for frame in range(101) if told.chapter(frame).jumps]
    # 1.8 seconds at ten frames a second.
    assert (named[0], named[-1]) == (30, 48)


def test_a_slow_jump_is_named_until_its_end():
    told = narrator([jump(300, 800)])
    assert [told.chapter(frame).jumps for frame in (29, 30, 80, 81)] == [(), (0,), (0,), ()]


def test_of_many_jumps_at_once_the_latest_are_named():
    told = narrator([jump(300 + k, 500) for k in range(4)])
    assert told.chapter(45).jumps == (2, 3)


def test_every_frame_has_its_regime():
    spans = [SimpleNamespace(start=0, end=295), SimpleNamespace(start=300, end=1000)]
    told = narrator(regimes=spans)
    assert [told.chapter(frame).regime for frame in (0, 29, 30, 100)] == [0, 0, 1, 1]


def test_without_regimes_none_is_named():
    assert narrator().chapter(5) == Chapter(None, ())


def test_a_jump_in_words():
    line = tell_jump(jump(0, 1), "expected_loss")
    assert line.startswith("Jump: feature")
    assert "5: 2/5 → 0" in line
    assert line.endswith("3: 0.21 → 1/2; expected loss −0.0012")
    assert tell_jump(jump(0, 1, loss_change=float("nan")), None).endswith("1/2")


def test_many_features_take_one_line_still():
    many = jump(0, 1, features=tuple(range(40)), before=np.linspace(0.2, 0.4, 40), after=np.linspace(0.6, 0.9, 40))
    assert len(tell_jump(many, "loss")) <= 80


@pytest.fixture(scope="module")
def regimes(geometry):
    return tell(geometry).regimes


def test_each_regime_says_what_it_is(regimes):
    assert {regime.kind for regime in regimes} > {"growth", "opening"}
    assert all(head_of(regime).startswith(f"{regime.kind.capitalize()}: ") for regime in regimes)


def test_a_regime_in_two_lines(regimes):
    opening = next(regime for regime in regimes if regime.kind == "opening")
    assert "features 0-2: merged → " in tell_regime(opening)
    for regime in regimes:
        lines = tell_regime(regime).splitlines()
        assert len(lines) <= 2
        assert all(len(line) <= 92 for line in lines)
        assert "unnamed" not in tell_regime(regime)
