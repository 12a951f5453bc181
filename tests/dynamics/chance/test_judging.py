"""What may be said of a matrix: nothing of one that learned nothing, and what is there of any other."""

import math

import numpy as np
import pytest

from dyn.dynamics.chance import FAMILY_WISE, is_beyond, judge, moves
from dyn.dynamics.polytopes import identify
from dyn.dynamics.polytopes.shapes import vertices
from dyn.dynamics.synthetic.trajectories import tegum_product

SHAPES = [(16, 16), (32, 64), (64, 32), (64, 64), (128, 64)]


@pytest.mark.parametrize(("m", "n"), SHAPES)
def test_directions_at_random_are_called_that(m, n):
    W = np.random.default_rng(0).normal(size=(m, n))
    verdict = judge(W)
    assert not verdict.says_more
    assert verdict.shaped == []
    assert verdict.words.startswith("as random directions (median D 0.")
    assert verdict.levels() == {verdict.words: n}
    # Without a judge there is a shape.
    assert m != 128 or any(part.name != "unnamed" for part in identify(W))


def test_false_names_are_as_rare_as_one_in_a_hundred():
    rng = np.random.default_rng(1)
    shapes = [(16, 16), (16, 32), (24, 12), (32, 32), (5, 20), (3, 9)]
    draws = 120
    named = sum(judge(rng.normal(size=shape)).says_more for shape in shapes for _ in range(draws))
    expected = FAMILY_WISE * draws * len(shapes)
    assert named <= expected + 3 * math.sqrt(expected)


def test_entries_of_an_even_distribution_are_no_more_than_random():
    rng = np.random.default_rng(2)
    named = sum(judge(rng.uniform(-1, 1, size=(24, 48))).says_more for _ in range(150))
    assert named <= 6


def test_a_smaller_share_of_the_chance_makes_names_rarer():
    rng = np.random.default_rng(3)
    matrices = [rng.normal(size=(4, 10)) for _ in range(200)]
    often, seldom = (sum(judge(W, share=share).says_more for W in matrices) for share in (20, 0.01))
    assert often > seldom == 0


@pytest.mark.parametrize("name", ["digon", "triangle", "tetrahedron", "pentagon"])
def test_a_planted_group_has_its_name_and_the_rest_has_none(name):
    rng = np.random.default_rng(4)
    W, shape = rng.normal(size=(32, 40)), vertices(name)
    frame = np.linalg.qr(rng.normal(size=(32, len(shape))))[0]
    features = np.arange(3, 3 + shape.shape[1])
    W[:, features] = 4 * (frame @ shape + 0.02 * rng.normal(size=(32, shape.shape[1])))
    verdict = judge(W)
    (part,) = verdict.shaped
    assert (part.name, part.features) == (name, tuple(features.tolist()))
    assert set(verdict.names) == set(features.tolist())


@pytest.mark.parametrize(
    "names", [["digon"] * 5, ["digon"] * 3, ["dedicated"] * 5, ["triangle", "digon"], ["pentagon"] * 2]
)
def test_what_no_single_group_shows_all_together_do(names):
    """In few dimensions one digon is within chance; five that keep out of each other's way are not."""
    W, planted = tegum_product(names, np.random.default_rng(5), noise=0.02, extra=0)
    assert {(part.name, part.features) for part in judge(W).shaped} == planted


def test_a_tight_frame_is_not_random_though_it_has_no_shape():
    rows = np.linalg.qr(np.random.default_rng(6).normal(size=(40, 8)))[0].T
    verdict = judge(rows)
    assert verdict.says_more
    assert not verdict.is_random
    assert "not as random directions" in verdict.words


def test_dedicated_is_a_dimension_of_its_own():
    W = np.random.default_rng(7).normal(size=(12, 12))
    W[0], W[:, 0] = 0, 0
    W[0, 0] = 3
    verdict = judge(np.concatenate([W, np.zeros((60, 12))]) + 0)
    assert verdict.D[0] == pytest.approx(1)
    assert verdict.names.get(0, "dedicated") == "dedicated"


def test_features_that_never_moved_have_no_part_in_what_was_learned():
    rng = np.random.default_rng(8)
    first = rng.normal(size=(16, 12))
    last = first.copy()
    last[:, 4:] = rng.normal(size=(16, 8))
    # Weight decay makes what does not learn shorter, and moves it nowhere else.
    last[:, :2] *= 0.5
    seen = moves(np.stack([first, last, last]), np.array([0, 90, 100]))
    assert seen.moved.tolist() == [False] * 4 + [True] * 8
    assert judge(last, seen).levels()["never moved"] == 4


def test_what_never_moved_at_all_is_told_so():
    W = np.random.default_rng(9).normal(size=(16, 16))
    still = moves(np.stack([W, W, W]), np.array([0, 50, 100]))
    assert judge(W, still).words.startswith("did not move; as random directions")


def test_a_random_walk_drifts():
    steps = np.random.default_rng(10).normal(size=(101, 8, 6)).cumsum(0)
    rows = np.array([0, 20, 40, 60, 80, 85, 90, 95, 100])
    seen = moves(steps[rows], rows)
    assert not seen.rests
    assert judge(steps[-1], seen).words.startswith("drifts; ")


def test_in_a_plane_the_evidence_is_that_features_moved_there_and_rest():
    triangle = vertices("triangle") + 0.08 * np.random.default_rng(11).normal(size=(2, 3))
    start = np.random.default_rng(12).normal(size=(2, 3))
    rows = np.array([0, 50, 80, 90, 100])
    learned = moves(np.stack([start, triangle, triangle, triangle, triangle]), rows)
    still = moves(np.stack([triangle] * 5), rows)
    assert [part.name for part in judge(triangle, learned).shaped] == ["triangle"]
    assert judge(triangle, still).shaped == []
    assert is_beyond(triangle, learned)
    assert not is_beyond(triangle, still)
    # Of an end alone nothing is known, and it is taken for learned.
    assert is_beyond(triangle)
