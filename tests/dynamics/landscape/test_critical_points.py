"""The search for critical points: planted ones, k-gons, and the plateau of the geometry experiment."""

import numpy as np
import pytest
import torch

from dyn.dynamics.experiments import EXPERIMENTS
from dyn.dynamics.landscape.critical_points import refine
from dyn.dynamics.landscape.surfaces import PopulationSurface, one_hot_loss
from dyn.dynamics.polytopes import identify
from dyn.dynamics.theory.kgons import best_kgon, kgon_loss, kgon_parameters
from dyn.dynamics.training.feature_data import FeatureDistribution
from dyn.dynamics.training.loop import Training

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("signs", [[1, 2, 3], [-1, 2, 3], [-1, -2, 3], [-1, -2, -3]], ids=str)
def test_a_quadratic_form_has_one_critical_point(signs):
    curvatures, centre = torch.tensor(signs, dtype=torch.float64), torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    found = refine(lambda x: curvatures @ (x - centre).square(), np.array([3.0, 1.0, 0.0]))
    assert found.converged
    # |g| <= 1e-9 |H| |θ| with curvatures of 2 to 6 and |θ| below 3.
    np.testing.assert_allclose(found.parameters[0], centre, atol=1e-8)
    assert found.distance == pytest.approx(np.sqrt(4 + 9 + 0.25), rel=1e-8)
    negative = sum(sign < 0 for sign in signs)
    assert found.kind == (f"saddle of index {negative}" if negative else "minimum")


@pytest.mark.parametrize(("start", "nearest", "kind"), [
    ((0.1, -0.2), (0, 0), "saddle of index 1"), ((1.4, 1.7), (np.pi / 2, np.pi / 2), "saddle of index 2"),
    ((-1.5, 1.6), (-np.pi / 2, np.pi / 2), "minimum"),
])  # fmt: skip
def test_the_search_ends_at_the_nearest(start, nearest, kind):
    # sin x sin y: saddles at the multiples of π, between them hills and hollows.
    found = refine(lambda theta: theta.sin().prod(), np.array(start))
    np.testing.assert_allclose(found.parameters[0], nearest, atol=1e-8)
    assert found.kind == kind


def test_flat_directions_are_not_moved_along():
    found = refine(lambda x, _: (x - 1).square().sum(), np.array([3.0]), np.array([5.0, 7.0]))
    np.testing.assert_array_equal(found.parameters[1], [5, 7])
    assert found.curvature.zero_modes == 2


@pytest.mark.parametrize("loss", [lambda x: x.sum(), lambda x: (x**3 + x).sum()], ids=["a slope", "a terrace"])
def test_where_there_is_none_it_says_so(loss):
    found = refine(loss, np.array([0.3, 0.2]))
    assert not found.converged
    assert found.kind == "no critical point"


@pytest.mark.parametrize(("sides", "n", "lifted"), [(5, 5, 0), (6, 6, 0), (5, 6, 1), (7, 7, 0), (6, 8, 2)])
def test_disturbed_k_gons_are_found_again(sides, n, lifted):
    rng = np.random.default_rng(sides)
    W, b = kgon_parameters(best_kgon(sides), n, lifted=lifted)
    found = refine(one_hot_loss, W + 0.01 * rng.normal(size=W.shape), b + 0.01 * rng.normal(size=b.shape))
    assert found.kind == "minimum"
    assert found.curvature.loss == pytest.approx(kgon_loss(best_kgon(sides), n, lifted=lifted), abs=1e-9)
    # The noise has a length of 0.01 √(3n), of which the search takes back all but the turn of the plane.
    assert found.distance <= 0.01 * np.sqrt(3 * n) * 2
    np.testing.assert_allclose(found.parameters[0].T @ found.parameters[0], W.T @ W, atol=1e-5)


def test_the_square_is_critical_without_a_second_derivative():
    found = refine(one_hot_loss, *kgon_parameters(best_kgon(4), 4))
    assert found.kind == "critical point, not twice differentiable"
    assert found.distance == 0


def digons(n_hidden: int, n_features: int, p: float) -> tuple[np.ndarray, np.ndarray]:
    """Antipodal pairs on the axes; the other features ignored, with their mean for a bias."""
    W = np.hstack([np.kron(np.eye(n_hidden), [1.0, -1.0]), np.zeros((n_hidden, n_features - 2 * n_hidden))])
    return W, np.where(W.any(axis=0), 0, p / 2)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("empty", "n_features"), [(0, 10), (1, 10), (1, 14)])
def test_disturbed_digons_are_found_again(empty, n_features, seed):
    p, rng = 0.3, np.random.default_rng(seed)
    W, b = digons(3 - empty, n_features, p)
    W = np.vstack([W, np.zeros((empty, n_features))])
    noise = 0.02 * rng.normal(size=(4, n_features))
    surface = PopulationSurface(FeatureDistribution(n_features, p), [1.0] * n_features)
    found = refine(surface, W + noise[:3], b + noise[3])
    # Into an empty dimension each of the ignored features can grow, and each of the digons can open.
    ignored = n_features - 2 * (3 - empty)
    assert found.converged
    assert found.curvature.saddle_index == empty * (ignored + 3 - empty)
    if empty:
        # Of length ε it gains 2 ε² times the variance that is missed: a curvature of -4 (p/3 - p²/4) for each.
        np.testing.assert_allclose(found.curvature.eigenvalues[:ignored], -4 * (p / 3 - p**2 / 4), rtol=1e-8)
    names = [each.name for each in identify(found.parameters[0])]
    assert names == ["digon"] * (3 - empty) + ["not represented"]
    # The noise has a length of 0.02 √(4n) < 0.15; interference between the digons moves the biases by 0.02 each.
    assert found.distance < 0.25


@pytest.fixture(scope="module")
def plateau():
    """Four models of the geometry experiment on the plateau, where they rest from about step 200 to 600."""
    experiment = EXPERIMENTS["geometry"].with_settings(n_instances=4, steps=400, evaluation_size=4096)
    training = Training(experiment)
    list(training)
    surface = PopulationSurface.of(experiment, blur=0.01)
    models = zip(*(parameter.detach().numpy() for parameter in training.model.parameters()), strict=True)
    return [(refine(surface, *model), model) for model in models]


def test_the_plateau_of_the_geometry_experiment_is_a_saddle(plateau):
    ranks = []
    for found, model in plateau:
        rank = np.linalg.matrix_rank(found.parameters[0], tol=0.05)
        # Each set has two contrasts, u with Σ u_i = 0, and each of them can grow along two directions: the free
        # dimension and the axis of the other set. One model in ten rests with its sets antipodal on one axis; they can
        # also leave it together along either free dimension.
        assert found.kind == {2: "saddle of index 8", 1: "saddle of index 10"}[rank]
        # The rotations of a plane, or of an axis, in space.
        assert found.curvature.zero_modes == {2: 3, 1: 2}[rank]
        # Each model is on its way in or out: within a fifth of its own length.
        assert found.distance < 0.2 * np.sqrt(sum(np.square(each).sum() for each in model))
        ranks.append(rank)
    assert ranks.count(2) >= 2


def test_the_saddle_is_that_of_two_merged_triples(plateau):
    merged = np.kron(np.eye(2), np.full((3, 3), 1 / 3))
    p = EXPERIMENTS["geometry"].density
    for found, _ in plateau:
        W, _ = found.parameters
        if np.linalg.matrix_rank(W, tol=0.05) == 2:
            assert [(each.name, each.features) for each in identify(W)] == [
                ("merged", (0, 1, 2)),
                ("merged", (3, 4, 5)),
            ]
            # Features are predicted by the sum of their set; a blur of 0.01 moves the overlaps by about as much.
            np.testing.assert_allclose(W.T @ W, merged, atol=0.02)
            # p times the variance 1/12 of what the sum leaves open, two thirds of each feature.
            assert found.curvature.loss == pytest.approx(p / 18, rel=0.02)
            # A contrast of length ε along the free dimension gains ε² p/12 · 2/n: four curvatures of -p/18.
            np.testing.assert_allclose(found.curvature.eigenvalues[:4], -p / 18, rtol=0.05)
