"""A glance drawn in lines of text: what it says, and that it cannot harm the terminal."""

import math
import unicodedata

import numpy as np
import pytest

from dyn.recorders.watching.glance import FeatureGlance, Glance, LevelChange, Sample
from dyn.recorders.watching.screen import draw, draw_line, fit, printable

NO_SAMPLE = Sample(1, np.empty(0))


def glance(**seen) -> Glance:
    known = {"path": "run.h5", "status": "recording", "created": "", "bytes": 1_234_567, "rows": 5000}
    return Glance(**known | {"step": 4999, "seconds": 3725.4, "rate": 99.9} | seen)


def test_the_view():
    W = FeatureGlance(
        shape=(3,),
        counts={"1/2": 2, "between levels": 1},
        changes=[LevelChange(1200, (1,), "0", "1/2"), LevelChange(1300, (2,), None, "1/2")],
        sample=NO_SAMPLE,
    )
    loss = Sample(1, np.geomspace(10, 0.01, 500))
    scalars = {"loss": 0.01, "accuracy": 0.91234567, "lr": 0.003, "epoch": 12.0, "reward": None}
    lines = draw(glance(loss=loss, scalars=scalars, features={"W": W}), width=60)
    assert lines[:3] == ["run.h5: recording, 5,000 rows, 1.23 MB", "step 4,999 after 1:02:05, 100 rows/s", ""]
    assert lines[3].startswith("loss ████▇")
    assert lines[3].endswith("▂▁▁▁▁ 0.01")
    assert len(lines[3]) == 60
    assert lines[4].endswith(", logarithmic")
    assert lines[5:] == [
        "",
        "accuracy 0.9123   lr 0.003   epoch 12   reward -",
        "",
        "W: 3 features by level",
        f"  1/2            {'█' * 40} 2",
        f"  between levels {'█' * 20} 1",
        "  step 1,200: feature 1 from 0 to 1/2",
        "  step 1,300: feature 2 to 1/2",
    ]


def test_the_view_of_an_ensemble():
    W = FeatureGlance((2, 3), {"1 (dedicated)": 6}, [LevelChange(7, (1, 2), "0", "1")], NO_SAMPLE)
    lines = draw(glance(features={"W": W}), width=80)
    assert lines[3] == "W: 3 features by level, 2 instances together"
    assert lines[-1] == "  step 7: feature 2 of instance 1 from 0 to 1"


def test_of_a_long_path_the_end_is_shown():
    first = draw(glance(path=f"/{'folder/' * 20}run.h5"), width=60)[0]
    assert first == "…folder/folder/folder/run.h5: recording, 5,000 rows, 1.23 MB"
    assert len(first) == 60


def test_before_the_first_row():
    lines = draw(glance(rows=0, step=None, seconds=None, rate=None), width=60)
    assert lines == ["run.h5: recording, 0 rows, 1.23 MB", "no row yet"]


def test_one_line_for_what_is_no_terminal():
    text = "run.h5: recording, 5,000 rows, 1.23 MB, step 4,999 after 1:02:05, 100 rows/s, loss 0.5"
    assert draw_line(glance(scalars={"loss": 0.5})) == text
    assert draw_line(glance(rate=0.2514)).endswith(", 0.25 rows/s")


def test_silence_is_told_of_when_it_lasts_and_the_recording_does():
    assert "no new row" not in draw(glance(), width=80, quiet=9.0)[0]
    assert draw(glance(), width=80, quiet=42.0)[0].startswith("run.h5: recording, no new row for 42 s, 5,000 rows")
    assert draw(glance(status="complete"), width=80, quiet=42.0)[0].startswith("run.h5: complete, 5,000 rows")


@pytest.mark.parametrize(
    ("loss", "line", "scale"),
    [
        (np.arange(8.0), "▁▂▃▄▅▆▇█", "0 to 7"),
        (2.0 ** np.arange(8), "▁▂▃▄▅▆▇█", "1 to 128, logarithmic"),
        (np.full(4, 1.5), "▁▁▁▁", "1.5 to 1.5"),
        # The last one stands beside the line, and lies in its range too.
        (np.full(4, 3.0), "████", "1.5 to 3"),
        ([1, math.nan, 8, math.inf, 1], "▁ █ ▁", "1 to 8"),
        ([-1, 100], "▁█", "-1 to 100"),
        # Their difference is no number any more.
        ([1e308, -1e308], " ▁", "-1e+308 to 1e+308"),
    ],
)
def test_the_sparkline(loss, line, scale):
    lines = draw(glance(loss=Sample(1, np.array(loss)), scalars={"loss": 1.5}), width=60)
    assert lines[3:] == [f"loss {line} 1.5", f"     {scale}"]


def test_without_a_known_loss_there_is_nothing_to_draw():
    for values in ([], [math.nan] * 3, [math.inf, -math.inf]):
        assert draw(glance(loss=Sample(1, np.array(values)), scalars={"loss": None}), width=60)[3:] == ["loss  -"]


def test_each_column_of_the_sparkline_is_a_mean():
    loss = np.tile([0.0, 2.0], 500)
    loss[:500] += 10
    line = draw(glance(loss=Sample(1, loss), scalars={"loss": 2.0}), width=30)[3]
    assert line == f"loss {'█' * 11}▄{'▁' * 11} 2"


def test_what_diverged_is_told_and_the_last_loss_is_the_last():
    seen = glance(diverged_at=1200, loss=Sample(1, np.array([3.0, 1.0, math.nan])), scalars={"loss": math.nan})
    lines = draw(seen, width=90)
    assert lines[0] == "run.h5: recording, diverged at step 1,200, 5,000 rows, 1.23 MB"
    assert lines[3] == "loss █▁  nan"
    assert draw_line(seen).endswith("loss nan")


def test_names_cannot_command_the_terminal():
    evil, other = "evil\x1b[31m\x9b2J\x07\r\n\u202e", "W\x1b]0;title\x07"
    features = {other: FeatureGlance((1,), {"0 (not represented)": 1}, [], NO_SAMPLE)}
    seen = glance(path="\x1b[2Jrun.h5", status="recording\x1bc", scalars={evil: 1.0}, features=features)
    for line in [*draw(seen, width=60), draw_line(seen)]:
        assert line.isprintable()
    assert "evil�[31m�2J���� 1" in draw(seen, width=60)
    assert "W�]0;title�: 1 features by level" in draw(seen, width=60)


@pytest.mark.parametrize("width", [1, 20, 33, 60, 200])
def test_no_line_is_wider_than_asked_for(width):
    scalars = {f"{'scalar' * 9}{k}": 1.0 * k for k in range(20)} | {"損失の値" * 9: 1.0}
    features = {
        f"{'encoder.' * 9}{k}": FeatureGlance((9,), {"0 (not represented)": 8 + k, "between": 1}, [], NO_SAMPLE)
        for k in range(3)
    }
    seen = glance(path="run" * 90, loss=Sample(1, np.arange(1.0, 99)), scalars=scalars, features=features)
    for line in draw(seen, width=width):
        assert sum(2 if unicodedata.east_asian_width(sign) == "W" else 1 for sign in line) <= max(width, 20)


def test_what_is_too_much_is_counted():
    scalars = {f"scalar_{k:02}": 1.0 * k for k in range(20)}
    lines = draw(glance(scalars=scalars, other_scalars=7, other_features=5), width=60)
    assert lines[3:7] == [
        "scalar_00 0   scalar_01 1   scalar_02 2   scalar_03 3",
        "scalar_04 4   scalar_05 5   scalar_06 6   scalar_07 7",
        "scalar_08 8   scalar_09 9   scalar_10 10   scalar_11 11",
        "and 15 more",
    ]
    assert lines[-1] == "and the features of 5 more parameters"


@pytest.mark.parametrize(
    ("text", "width", "fitted"),
    [
        ("", 5, ""),
        ("abcde", 5, "abcde"),
        ("abcdef", 5, "abcd…"),
        ("損失損失", 8, "損失損失"),
        ("損失損失", 7, "損失損…"),
        ("損失損失", 6, "損失…"),
        ("e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301"),
        ("a\tb", 9, "a�b"),
    ],
)
def test_text_is_cut_by_cells(text, width, fitted):
    assert fit(text, width) == fitted
    assert printable("\ud800") == "�"
