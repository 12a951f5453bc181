"""Summaries of ensembles: planted members, and a small one that was trained."""

from collections import Counter

import numpy as np
import pytest
import torch

from dyn.dynamics.ensembles.one_ensemble import summarise
from dyn.dynamics.experiments.experiment import Experiment
from dyn.dynamics.geometry.measures import dimensionality
from dyn.dynamics.levels import LEVELS, occupancy
from dyn.dynamics.synthetic.trajectories import Plan, plant
from dyn.dynamics.training.loop import Training

DIGONS = np.array([[1.0, -1, 0, 0, 0], [0, 0, 1, -1, 0]])
MEMBERS, ROWS = 6, 1000


def index(polytope: str) -> int:
    return [level.polytope for level in LEVELS].index(polytope)


@pytest.fixture(scope="module")
def planted():
    """Members with planted jumps; each ends as the same two digons, turned and in another order."""
    rng = np.random.default_rng(0)
    members = [
        plant(Plan(rows=ROWS, features=5, events=2, ramp=(0.01, 0.02), gap=0.2), seed) for seed in range(MEMBERS)
    ]
    turns = np.linalg.qr(rng.normal(size=(MEMBERS, 2, 2))).Q
    W = np.stack([(turn @ DIGONS)[:, rng.permutation(5)] for turn in turns])
    D = np.stack([member.signal for member in members], axis=1)
    loss = np.stack([member.loss for member in members], axis=1)
    return members, D, loss, W, summarise(D, loss, W, step=members[0].step)


def test_each_member_has_its_own_jumps(planted):
    members, _, _, _, summary = planted
    for member, times in zip(members, summary.jump_times, strict=True):
        expected = [(jump.start + jump.end) / 2 for jump in member.jumps]
        # Ramps of 10 to 20 rows: half of one on either side.
        np.testing.assert_allclose(times, expected, atol=10)


def test_final_polytopes_are_counted(planted):
    summary = planted[-1]
    assert summary.polytopes == (Counter({"digon": 2, "not represented": 1}),) * MEMBERS
    assert summary.outcomes == {(("digon", 2), ("not represented", 1)): MEMBERS}


def test_members_are_aligned_with_the_reference(planted):
    W, summary = planted[-2:]
    for each, alignment in zip(W, summary.alignments, strict=True):
        # The same model in disguise: only rounding is left.
        np.testing.assert_allclose(alignment.rotation @ each[:, alignment.permutation], W[0], atol=1e-12)
        assert alignment.residual < 1e-12


def test_occupancy_is_mean_and_spread_over_the_members(planted):
    _, D, _, _, summary = planted
    each = np.stack([occupancy(D[:, k]) / D.shape[2] for k in range(MEMBERS)])
    np.testing.assert_allclose(summary.occupancy, each.mean(axis=0), atol=1e-14)
    np.testing.assert_allclose(summary.spread, each.std(axis=0), atol=1e-14)


def test_only_one_member_is_read_at_a_time(planted):
    """Stored datasets are sliced, never read whole."""

    class Stored:
        def __init__(self, array: np.ndarray):
            self._array, self.shape = array, array.shape

        def __getitem__(self, key):
            assert isinstance(key[1], int)
            return self._array[key]

        def __array__(self, *_, **__):
            raise AssertionError("the whole of it was read")

    _, D, loss, W, summary = planted
    again = summarise(Stored(D), Stored(loss), W)
    np.testing.assert_array_equal(again.occupancy, summary.occupancy)


@pytest.mark.slow
def test_an_ensemble_of_trained_models():
    experiment = Experiment(
        name="x", title="", source="", n_features=4, n_hidden=2, n_instances=8, density=0.05, init_std=0.1, lr=1e-2,
        batch_size=256, steps=1500,
    )  # fmt: skip
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    training = Training(experiment)
    rows, losses = [], []
    for k, loss in enumerate(training):
        if k % 5 == 0:
            rows.append(training.model.W.detach().numpy().copy())
            losses.append(loss.numpy().copy())
    torch.set_num_threads(threads)
    W = np.stack(rows)
    summary = summarise(dimensionality(W), np.stack(losses), W[-1], step=5 * np.arange(len(W)))
    # Four sparse features in a plane are two digons whatever the start. A level's tolerance is 4 % of 1/2, and the
    # jitter of the training may take one or another feature out of it.
    assert summary.outcomes == {(("digon", 2),): 8}
    assert summary.occupancy[-1, index("digon")] > 0.8
    assert max(alignment.residual for alignment in summary.alignments) < 0.1
    assert all(((times >= 0) & (times <= 1500)).all() for times in summary.jump_times)


@pytest.mark.parametrize(("D", "loss", "W"), [
    ((9, 2, 5), (9, 3), (2, 3, 5)), ((9, 2, 5), (9, 2), (2, 3, 4)), ((9, 5), (9,), (3, 5)),
    ((9, 0, 5), (9, 0), (0, 3, 5)),
])  # fmt: skip
def test_shapes_must_agree(D, loss, W):
    with pytest.raises(ValueError, match="must agree"):
        summarise(np.zeros(D), np.zeros(loss), np.zeros(W))


def test_the_reference_is_a_member():
    with pytest.raises(ValueError, match="reference=2 is not one of the 2 members"):
        summarise(np.zeros((9, 2, 5)), np.zeros((9, 2)), np.zeros((2, 3, 5)), reference=2)


def test_a_member_that_diverged_ends_as_such():
    D = np.zeros((10, 3, 5))
    W = np.stack([DIGONS, np.full((2, 5), np.nan), DIGONS])
    # One in its last rows, one from the first on.
    D[8:, 1], D[:, 2] = np.nan, np.nan
    summary = summarise(D, np.ones((10, 3)), W)
    assert [dict(each) for each in summary.polytopes[1:]] == [{"diverged": 1}, {"diverged": 1}]
    assert summary.polytopes[0]["digon"] == 2
