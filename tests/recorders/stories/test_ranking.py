"""The matrices of a network by what they tell, with changes that are planted."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import SettingError
from dyn.dynamics.jumps import Jump
from dyn.recorders.stories import ranking
from dyn.recorders.stories.info import tell_info
from dyn.recorders.stories.ranking import Beyond, looked_at, rank_matrices

ROWS = 101


class Network(nn.Module):
    """Matrices of every kind, with a bias that is none."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.still, self.twice = nn.Parameter(torch.randn(4, 6)), nn.Parameter(torch.randn(5, 4))
        self.grown = nn.Parameter(torch.zeros(3, 4))
        self.kernel = nn.Parameter(torch.randn(2, 3, 3, 3))
        self.bias = nn.Parameter(torch.randn(4))


def write(path, change) -> None:
    """Record a network of which *change* makes the matrices of each row."""
    model = Network()
    first = {name: each.detach().clone() for name, each in model.named_parameters()}
    with dyn.attach(model, None, path) as recorder, torch.no_grad():
        for row in range(ROWS):
            change(model, first, row / (ROWS - 1))
            recorder.step(loss=1.0 - row / ROWS)


def planted(model: Network, first, t: float) -> None:
    """Double one matrix at an even pace, let one grow late from nothing, and turn a kernel round at once."""
    model.twice.copy_(first["twice"] * (1 + t))
    model.grown.copy_(max(0.0, t - 0.8) * torch.eye(3, 4))
    model.kernel.copy_(first["kernel"] * (1 if t < 0.3 else -1))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("networks") / "run.h5"
    write(file, planted)
    return file


@pytest.fixture
def recording(path):
    with dyn.open(path) as recording:
        yield recording


def test_the_farther_a_matrix_went_the_sooner_it_is_told(recording):
    ranked = rank_matrices(recording)
    assert [each.parameter for each in ranked.matrices] == ["grown", "kernel", "twice", "still"]
    assert [each.change for each in ranked.matrices] == pytest.approx([np.inf, 2, 1, 0], rel=1e-6)
    assert ranked.others == 1


def test_when_and_how_much(recording):
    grown, kernel, twice, still = rank_matrices(recording).matrices
    assert twice.norm[1] == pytest.approx(2 * twice.norm[0], rel=1e-6)
    assert twice.effective_rank[0] == pytest.approx(twice.effective_rank[1], rel=1e-5)
    # Only some rows are looked at; between two of the thirty-three that are evenly spread lie three.
    assert 50 <= twice.half_by <= 53
    assert 30 <= kernel.half_by <= 33
    assert 90 <= grown.half_by <= 93
    assert grown.effective_rank == pytest.approx((0, 3))
    assert still.half_by is None
    assert kernel.shape == (2, 3, 3, 3)


def test_the_words(recording):
    lines = str(rank_matrices(recording)).splitlines()
    assert lines[0] == "4 matrices, the most telling first; moved is |W - W0| / |W0|"
    assert lines[1].startswith("  grown (3 × 4) grew from 0 to a norm of 0.346, half of it by step 9")
    assert lines[2].startswith("  kernel (2 × 3 × 3 × 3) moved 200 %, half of it by step 3")
    assert "norm" in lines[3]
    assert "→" in lines[3]
    assert lines[4:] == ["  still (4 × 6) did not move", "and 1 parameter that is no matrix"]


def test_what_is_beyond_chance_comes_first_but_what_never_moved(recording, monkeypatch):
    jump = a_jump(40, 50)
    monkeypatch.setattr(ranking, "beyond_chance", lambda _, name: Beyond([jump]) if name == "twice" else Beyond())
    first = rank_matrices(recording).matrices[0]
    assert first.parameter == "twice"
    assert "a jump at steps 40-50 (feature 2: D 0.20 → 0.50)" in str(first)
    assert json.loads(json.dumps(first.as_dict()))["jumps"][0]["start"] == 40


def a_jump(start: float, end: float) -> Jump:
    """Return a jump of feature 2."""
    found = dyn.dynamics.jumps.detect_jumps(np.repeat([[0.2] * 3, [0.5] * 3], 200, axis=0), None, np.arange(400))[0]
    return replace(found, features=(2,), before=np.array([0.2]), after=np.array([0.5]), start=start, end=end)


def test_the_first_fall_of_a_training_is_no_news_and_a_jump_after_a_rest_is():
    assert [ranking._is_news(a_jump(*ends), 0.0) for ends in ((15, 124), (61, 229), (5000, 6000))] == [
        False,
        False,
        True,
    ]


def test_a_network_that_learns_nothing_says_so(tmp_path):
    write(tmp_path / "run.h5", lambda *_: None)
    with dyn.open(tmp_path / "run.h5") as recording:
        told = str(tell_info(recording))
    assert told.count("did not move") == 4
    assert "jump" not in told


def test_of_a_run_that_diverged_the_rows_before_are_told(tmp_path):
    def change(model, first, t):
        model.twice.copy_(first["twice"] * (1 + t if t < 0.5 else np.nan))

    write(tmp_path / "run.h5", change)
    with dyn.open(tmp_path / "run.h5") as recording:
        first = rank_matrices(recording).matrices[0]
    assert (first.parameter, first.change) == ("twice", pytest.approx(0.49, rel=1e-5))


def test_one_that_is_asked_for_has_its_story(recording):
    assert "\ntwice, " in str(tell_info(recording, "twi*"))
    several = tell_info(recording, "[kts]*")
    assert [each.parameter for each in several.ranking.matrices] == ["kernel", "twice", "still"]
    assert several.story is None
    with pytest.raises(SettingError, match="unknown matrix 'twicee'; did you mean twice"):
        tell_info(recording, "twicee")


def test_the_document_has_the_ranking_and_the_story_of_the_first(recording):
    document = json.loads(json.dumps(tell_info(recording, in_full=True).as_dict(), allow_nan=False))
    assert [each["parameter"] for each in document["ranking"]] == ["grown", "kernel", "twice", "still"]
    assert document["ranking"][0]["change"] is None
    assert document["story"]["parameter"] == "grown"


def test_the_rows_looked_at_are_few_and_hold_both_ends():
    for rows in (1, 2, 10, 5000, 10**6):
        chosen = looked_at(rows)
        assert (chosen[0], chosen[-1]) == (0, rows - 1)
        assert len(chosen) <= 65


def test_a_feature_has_the_users_own_name_and_says_in_which_head_it_is():
    said = Beyond([a_jump(40, 50)], which=["head 3"], labels=("cat", "dog", "a, b"))
    assert said.words == ["a jump at steps 40-50 (feature 'a, b' of head 3: D 0.20 → 0.50)"]
    (document,) = said.as_dict()["jumps"]
    assert (document["labels"], document["which"]) == (["a, b"], "head 3")


def test_every_head_is_looked_at_and_not_only_the_first(tmp_path):
    rng = np.random.default_rng(0)
    model = nn.ModuleDict({"q": nn.Linear(6, 8, bias=False), "v": nn.Linear(6, 8, bias=False)})
    first = {name: torch.from_numpy(rng.standard_normal((8, 6)).astype(np.float32)) for name in ("q", "v")}
    features = {f"{name}.weight": ("(head d) m -> head d m", {"head": 2}) for name in ("q", "v")}
    with dyn.attach(model, None, tmp_path / "run.h5", features=features) as recorder, torch.no_grad():
        for row in range(400):
            for name, module in model.items():
                module.weight.copy_(first[name] + 1e-3 * torch.from_numpy(rng.standard_normal((8, 6))))
                if name == "v" and row >= 200:
                    # All features of the second head turn into one direction but one.
                    module.weight[4:, 1:] = module.weight[4:, 1:2]
            recorder.step(loss=1.0)
    with dyn.open(tmp_path / "run.h5") as recording:
        (v, *_) = [each for each in rank_matrices(recording).matrices if each.parameter == "v.weight"]
    assert set(v.beyond.which) == {"head 1"}
    assert "of head 1: D" in str(v)
