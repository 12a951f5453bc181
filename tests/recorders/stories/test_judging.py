"""No word is said of a recording that chance would say too."""

import json
import re

import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.recorders.stories.judging import share_of, verdict_of
from dyn.recorders.stories.story import tell
from dyn.recorders.stories.summary import summarize
from dyn.viz import plot_levels

SHAPES = r"digon|triang|tetrahed|pentagon|antiprism|octahed|simplex|-gon|dedicated|merged|not represented"


def record(path, rows: np.ndarray):
    """Record a layer whose weight has the values *rows* (T, m, n)."""
    model = nn.Linear(rows.shape[2], rows.shape[1], bias=False)
    with dyn.attach(model, None, path, writer="inline") as recorder:
        for k, W in enumerate(rows):
            with torch.no_grad():
                model.weight.copy_(torch.from_numpy(W.copy()))
            recorder.step(loss=1 / (1 + k))


def said(recording) -> str:
    story = tell(recording)
    return "\n".join([str(summarize(recording)), str(story), json.dumps(story.as_dict())])


@pytest.mark.parametrize(("m", "n"), [(64, 64), (128, 64), (32, 64), (16, 16)])
def test_a_layer_that_never_learns_has_no_shape(path, m, n):
    torch.manual_seed(1)
    layer = nn.Linear(n, m)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.0)
    with dyn.attach(layer, optimizer, path) as recorder:
        for k in range(40):
            recorder.log(loss=1 / (1 + k))
            optimizer.step()
    with dyn.open(path) as recording:
        text = said(recording)
        figure = plot_levels(recording)
    assert "did not move; as random directions (median D" in text
    assert not re.search(SHAPES, text)
    drawn = [text.get_text() for ax in figure.axes for text in ax.texts] + [figure.get_supxlabel()]
    assert not re.search(SHAPES, "\n".join(drawn))
    assert "at random" in drawn


def test_a_random_walk_and_turned_columns_have_none(path):
    rng = np.random.default_rng(2)
    walk = rng.normal(size=(16, 24)) + 0.1 * rng.normal(size=(200, 16, 24)).cumsum(0)
    record(path, walk)
    with dyn.open(path) as recording:
        text = said(recording)
    assert "drifts; as random directions" in text
    assert not re.search(SHAPES, text)


def test_what_was_learned_among_random_features_is_told(path):
    """A digon that forms among features that stay where they are at random."""
    rng = np.random.default_rng(3)
    W = rng.normal(size=(16, 12)) / 4
    rows = np.repeat(W[None], 400, axis=0)
    share = np.clip((np.arange(400) - 200) / 10, 0, 1)[:, None]
    rows[:, :, 1] = (1 - share) * rows[:, :, 1] - share * rows[:, :, 0]
    rows[:, :, 0] += 1e-3 * np.arange(400)[:, None] / 400
    record(path, rows + 1e-4 * rng.normal(size=rows.shape))
    with dyn.open(path) as recording:
        story = tell(recording)
        share = share_of(recording)
    assert story.verdict is not None
    assert [(part.name, part.features) for part in story.verdict.shaped] == [("digon", (0, 1))]
    assert "digon: features 0, 1" in str(story)
    assert "as random directions" in str(story)
    assert share == 1


def test_each_matrix_has_its_share(path):
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    with dyn.attach(model, None, path) as recorder:
        for _ in range(3):
            recorder.step()
    with dyn.open(path) as recording:
        assert share_of(recording) == 1 / 2
        verdict = verdict_of(recording, "1.weight")
        assert verdict is not None
        assert not verdict.says_more


def test_a_jump_has_its_size_against_chance(path):
    model = nn.Linear(2, 1, bias=False)
    with dyn.attach(model, None, path) as recorder:
        for k in range(600):
            with torch.no_grad():
                model.weight.copy_(torch.tensor([[1.0, -float(k >= 300)]]))
            recorder.step(loss=1.0)
    with dyn.open(path) as recording:
        (jump,) = tell(recording).as_dict()["jumps"]
    # On a line directions scatter nothing.
    assert jump["against_chance"] is None


def test_a_feature_that_shares_all_it_has_is_not_missing(tmp_path):
    rng = np.random.default_rng(0)
    before, after = rng.standard_normal((2, 1, 20, 60))
    # At last all lie about one direction, with their full lengths, and two are gone: both have a D of almost 0.
    after = np.abs(rng.standard_normal((1, 20, 1))) + 0.3 * after
    after[..., :2] *= 1e-3
    rows = np.repeat(np.concatenate([before, after]), [150, 150], axis=0)
    record(tmp_path / "run.h5", rows + 1e-3 * rng.standard_normal(rows.shape))
    with dyn.open(tmp_path / "run.h5") as recording:
        (jump,), (words,) = (story := tell(recording)).jumps, story.jump_words
    assert np.count_nonzero(jump.after < 0.03) > 50
    assert re.findall(r"features? ([\d, ]+) falls? [\d.]+ → [\d.]+ \(not represented\)", words) == ["0, 1"]
    assert words.count("not represented") == 1
