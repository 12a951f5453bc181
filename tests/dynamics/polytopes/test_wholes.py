"""Wholes: planted products under rotation, permutation, scale and noise are told with their parts."""

import numpy as np
import pytest

from dyn.dynamics.polytopes import identify, summary, whole
from dyn.dynamics.polytopes.points import polygon
from dyn.dynamics.polytopes.wholes import in_words, many, shapes_of
from dyn.dynamics.synthetic import tegum_product

WORDS = {
    "square (2 digons)": ["digon"] * 2,
    "octahedron (3 digons)": ["digon"] * 3,
    "16-cell (4 digons)": ["digon"] * 4,
    "5 digons": ["digon"] * 5,
    "triangular bipyramid (triangle, digon)": ["digon", "triangle"],
    "pentagonal bipyramid (pentagon, digon)": ["pentagon", "digon"],
    "hexagonal bipyramid (hexagon, digon)": ["6-gon", "digon"],
    "tetrahedral bipyramid (tetrahedron, digon)": ["tetrahedron", "digon"],
    "triangle pair (2 triangles)": ["triangle"] * 2,
    "pentagon pair (2 pentagons)": ["pentagon"] * 2,
    "octahedron (3 digons), 2 × dedicated": ["dedicated", "digon", "digon", "dedicated", "digon"],
    "triangle, 2 digons": ["triangle", "digon", "digon"],
    "capped octahedron, digon": ["capped octahedron", "digon"],
    "hexagon": ["6-gon"],
    "triangular prism": ["triangular prism"],
}


@pytest.mark.parametrize(("words", "names"), WORDS.items(), ids=WORDS)
def test_planted_products_are_told_with_their_parts(words, names):
    rng = np.random.default_rng(8)
    for _ in range(10):
        W, planted = tegum_product(names, rng, noise=0.02)
        parts = identify(W)
        assert {(part.name, part.features) for part in parts} == planted
        told = whole(parts)
        assert ", ".join(map(str, told)) == summary(parts)
        # Parts of equal standing are told in the order of their features.
        assert set(summary(parts).split(", ")) == set(words.split(", "))
        assert sorted(feature for each in told for feature in each.features) == list(range(W.shape[1]))
        assert sum(each.rank for each in told) == sum(part.rank for part in parts)


def test_an_octahedron_knows_its_parts():
    W, _ = tegum_product(["digon"] * 3, 1, noise=0.02)
    parts = identify(W)
    (octahedron,) = whole(parts)
    assert (octahedron.name, octahedron.features, octahedron.rank) == ("octahedron", tuple(range(6)), 3)
    assert octahedron.parts == tuple(parts)
    assert octahedron.confidence == min(part.confidence for part in parts)


def test_two_triads_are_a_prism_until_they_have_turned():
    # Two orthonormal triads have D = 1/2 each however they stand to each other.
    def triads(degrees):
        turn = np.radians(degrees)
        rings = [np.vstack([np.sqrt(2 / 3) * polygon(3, angle), np.full(3, z)]) for angle, z in ((0, 1), (turn, -1))]
        return np.hstack(rings) / np.sqrt([[1], [1], [3]])

    assert summary(identify(triads(0))) == "triangular prism"
    assert summary(identify(triads(30))) == "unnamed"
    assert summary(identify(triads(60))) == "octahedron (3 digons)"


def test_a_feature_that_is_alone_and_has_no_dimension_to_itself_is_not_dedicated():
    W = np.random.default_rng(9).normal(size=(400, 300))
    (told,) = whole(identify(W))
    assert (told.name, len(told.parts)) == ("300 lone features", 300)
    assert summary(identify(np.eye(3))) == "3 × dedicated"


def test_what_is_not_represented_comes_last_and_is_counted():
    W = np.zeros((3, 8))
    W[:, 2:] = np.hstack([np.eye(3), -np.eye(3)])
    told = whole(identify(W))
    assert [str(each) for each in told] == ["octahedron (3 digons)", "2 features not represented"]
    assert (told[1].name, told[1].features, told[1].rank) == ("not represented", (0, 1), 0)
    assert shapes_of(identify(W)) == {0: "not represented", 1: "not represented"} | dict.fromkeys(range(2, 8), "digon")
    assert whole([]) == []


def test_counts_are_told_as_the_parts_are():
    W, _ = tegum_product(["digon"] * 3 + ["dedicated"], 2)
    counts = {"digon": 3, "dedicated": 1}
    assert in_words(counts) == summary(identify(W)) == "octahedron (3 digons), dedicated"
    assert in_words(counts | {"not represented": 1}).endswith(", 1 feature not represented")
    assert in_words({}) == ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("digon", "3 digons"),
        ("tetrahedron", "3 tetrahedra"),
        ("merged", "3 × merged"),
        ("1-4-4", "3 × 1-4-4"),
        ("4-simplex", "3 × 4-simplex"),
        ("square antiprism", "3 square antiprisms"),
    ],
)
def test_several_are_told_in_the_plural(name, words):
    assert many(name, 3) == words
    assert many(name, 1) == name
