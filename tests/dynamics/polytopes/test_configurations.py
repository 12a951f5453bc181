"""Configurations: congruent ones are one, others are told apart, and what is short has no corner."""

import numpy as np
import pytest

from dyn.dynamics.polytopes.configurations import configurations, parts_of
from dyn.dynamics.polytopes.shapes import vertices


def turned(W: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a model rotated, reflected as chance has it, with its features exchanged."""
    turn, _ = np.linalg.qr(rng.normal(size=(len(W), len(W))))
    order = rng.permutation(W.shape[1])
    # As exact as points that Newton steps have found.
    return (turn @ W)[:, order] + 1e-5 * rng.normal(size=W.shape), b[order]


def models(*parts: tuple[np.ndarray, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return so many turned models of each W, with losses in this order."""
    rng = np.random.default_rng(3)
    found, losses = [], []
    for k, (W, count) in enumerate(parts):
        found += [turned(W, -0.1 * np.linalg.norm(W, axis=0), rng) for _ in range(count)]
        losses += [0.1 + 0.01 * k] * count
    W, b = (np.stack(each) for each in zip(*found, strict=True))
    return W, b, np.array(losses)


def test_what_a_rotation_and_an_exchange_take_to_each_other_is_one():
    found = configurations(*models((vertices("square antiprism"), 2), (vertices("cube"), 5)))
    assert [(each.name, each.models) for each in found] == [
        ("cube", (2, 3, 4, 5, 6)),
        ("square antiprism", (0, 1)),
    ]
    assert found[1].loss == 0.1
    np.testing.assert_allclose(found[0].dimensionality, 3 / 8, atol=1e-3)


def test_weak_features_are_no_corners_and_their_places_are_variants():
    pentagon = vertices("pentagon")
    at_a_corner = np.column_stack([pentagon, 0.3 * pentagon[:, 0]])
    across = np.column_stack([pentagon, -0.3 * pentagon[:, 0]])
    dropped = np.column_stack([pentagon, [0.001, 0]])
    found = configurations(*models((at_a_corner, 1), (across, 3), (dropped, 2)))
    assert [each.name for each in found] == ["pentagon + 1 weak (b)", "pentagon + 1 dropped", "pentagon + 1 weak (a)"]
    assert {each.polytope for each in found} == {"pentagon"}


def test_what_has_no_name_is_told_by_its_kinds():
    # A corner, a triangle and two other triangles on a sphere, which are no polytope of the catalogue.
    V = vertices("triangle")
    ring = [np.vstack([np.sqrt(1 - z**2) * V, np.full((1, 3), z)]) for z in (0.8, -0.1, -0.75)]
    W = np.column_stack([[0, 0, 1], *ring])
    assert parts_of(W) == ("10 corners 1+3+3+3", "")


def test_nothing_but_short_features():
    assert parts_of(np.zeros((2, 3))) == ("nothing", "3 dropped")


def test_what_is_not_finite_or_of_another_shape_is_refused():
    W, b, loss = models((vertices("pentagon"), 2))
    with pytest.raises(ValueError, match="not finite"):
        configurations(W, b * np.nan, loss)
    with pytest.raises(ValueError, match=r"\(models, m, n\)"):
        configurations(W[0], b, loss)


def test_of_no_models_there_are_none():
    assert configurations(np.zeros((0, 2, 5)), np.zeros((0, 5)), np.zeros(0)) == []
