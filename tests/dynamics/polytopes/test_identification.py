"""Polytopes: planted ones under rotation, permutation, scale and noise, and those of trained models."""

import numpy as np
import pytest

from dyn.dynamics.experiments import EXPERIMENTS
from dyn.dynamics.polytopes import identify, summary
from dyn.dynamics.polytopes.learned import learned
from dyn.dynamics.polytopes.shapes import vertices
from dyn.dynamics.synthetic.trajectories import tegum_product
from dyn.dynamics.training.loop import Training

# A few hundred roundings of double precision.
EXACT = 1e-12
SINGLE = ["dedicated", "merged", "digon", "triangle", "tetrahedron", "4-simplex", "7-simplex"]
SINGLE += ["pentagon", "6-gon", "7-gon", "12-gon", "square antiprism", "cube", "icosahedron", "dodecahedron"]
SINGLE += ["triangular prism", "pentagonal prism", "rectified 5-cell"]
LEARNED = [(name, k) for k in range(7, 13) for name in learned(k)]
PRODUCTS = {
    "square": ["digon"] * 2,
    "octahedron": ["digon"] * 3,
    "triangular bipyramid": ["triangle", "digon"],
    "pentagonal bipyramid": ["pentagon", "digon"],
    "ten dedicated": ["dedicated"] * 10,
    "simplices": ["4-simplex", "5-simplex"],
    "one of each level": ["dedicated", "tetrahedron", "triangle", "digon", "pentagon", "square antiprism"],
}
PLANTED = {name: [name] for name in SINGLE} | PRODUCTS


@pytest.mark.parametrize("title", PLANTED)
@pytest.mark.parametrize("per_coordinate", [False, True], ids=["of the length", "of each coordinate"])
def test_planted_polytopes_are_named_through_noise_of_three_per_cent(title, per_coordinate):
    rng = np.random.default_rng(2)
    for _ in range(10):
        rank = sum(len(vertices(name)) for name in PLANTED[title])
        W, planted = tegum_product(PLANTED[title], rng, noise=0.03 if per_coordinate else 0.03 / np.sqrt(rank + 2))
        found = identify(W)
        assert {(polytope.name, polytope.features) for polytope in found} == planted
        assert [polytope.rank for polytope in found] == [len(vertices(polytope.name)) for polytope in found]


@pytest.mark.parametrize("title", PLANTED)
def test_without_noise_there_is_no_doubt(title):
    W, _ = tegum_product(PLANTED[title], np.random.default_rng(3))
    for polytope in identify(W):
        k = len(polytope.features)
        assert polytope.confidence == pytest.approx(1, abs=EXACT)
        assert polytope.residual == pytest.approx(0, abs=EXACT)
        assert polytope.norm_ratio == pytest.approx(1, abs=EXACT)
        assert polytope.dimensionality == pytest.approx(polytope.rank / k, abs=EXACT)
        np.testing.assert_allclose(polytope.dimensionalities, polytope.dimensionality, atol=EXACT)
        # A polytope that fills its space evenly has k / rank in each of its dimensions and nothing beyond.
        np.testing.assert_allclose(polytope.spectrum[: polytope.rank], k / polytope.rank, atol=EXACT)
        np.testing.assert_allclose(polytope.spectrum[polytope.rank :], 0, atol=EXACT)


@pytest.mark.parametrize(("name", "k"), LEARNED, ids=[name for name, _ in LEARNED])
def test_what_training_forms_is_named_through_noise_of_three_per_cent(name, k):
    rng = np.random.default_rng(6)
    points = learned(k)[name]
    for _ in range(20):
        turn = np.linalg.qr(rng.normal(size=(len(points) + 1, len(points)))).Q
        order = rng.permutation(k)
        W = turn @ points[:, order] + 0.03 * rng.normal(size=(len(points) + 1, k))
        (polytope,) = identify(W)
        assert (polytope.name, polytope.features) == (name, tuple(range(k)))
        # The root-mean-square error of a cosine is 0.03 √2, and at the most a half more.
        assert polytope.confidence > 0.5


def test_what_finds_no_room_beside_a_pentagon_is_not_represented_however_weak():
    corners = vertices("pentagon")
    for norm in (0.0, 0.1, 0.27, 0.3, 0.33, 0.4):
        W = np.hstack([corners, [[-norm], [0.0]]])
        assert summary(identify(W)) == "pentagon, 1 feature not represented"
    # Where it spoils nothing, it is there.
    assert summary(identify(np.diag([1, 0.4]))) == "2 × dedicated"


@pytest.mark.parametrize(("n", "m"), [(5, 2), (6, 3), (7, 3), (8, 3), (9, 4), (10, 4), (12, 4)])
def test_random_directions_are_no_polytope_to_be_sure_of(n, m):
    rng = np.random.default_rng(7)
    sure = 0
    for _ in range(200):
        W = rng.normal(size=(m, n))
        found = identify(W / np.linalg.norm(W, axis=0))
        sure += any(each.confidence > 0.7 and len(each.features) > 4 for each in found)
    # None of a thousand is, but of the pentagon in the plane.
    assert sure <= (2 if m == 2 else 0)


def test_a_name_is_one_of_directions():
    W, planted = tegum_product(["digon", "pentagon"], np.random.default_rng(4))
    lengths = np.linspace(1, 2, 7)
    found = identify(W * lengths)
    assert {(polytope.name, polytope.features) for polytope in found} == planted
    for polytope in found:
        own = lengths[list(polytope.features)]
        assert polytope.norm_ratio == pytest.approx(own.max() / own.min(), rel=EXACT)


def test_what_is_none_is_unnamed_with_its_spectrum():
    # Three vectors of a plane at 0, 50 and 100 degrees.
    angles = np.radians([0, 50, 100])
    (polytope,) = identify(np.stack([np.cos(angles), np.sin(angles)]))
    assert (polytope.name, polytope.rank, polytope.confidence) == ("unnamed", 2, 0)
    assert np.isnan(polytope.residual)
    cosines = np.cos(angles[:, None] - angles)
    np.testing.assert_allclose(polytope.spectrum, np.linalg.eigvalsh(cosines)[::-1], atol=EXACT)


def test_interference_from_outside_takes_confidence_away():
    # Many features that are too short to be represented lie in the direction of the first one, and share its dimension.
    W = np.hstack([np.eye(2), np.tile([[0.2], [0.0]], 25)])
    shared, alone, missing = identify(W)
    assert (shared.name, alone.name, missing.name) == ("dedicated", "dedicated", "not represented")
    # Σ_j (Ŵ_0 · W_j)² = 1 + 25 · 0.04.
    assert shared.confidence == pytest.approx(1 / 2, rel=EXACT)
    assert shared.dimensionality == pytest.approx(1 / 2, rel=EXACT)
    assert alone.confidence == pytest.approx(1, rel=EXACT)


def test_short_features_are_not_represented_and_come_last():
    W = np.array([[0.01, 1.0, 0.0, -1.0], [0.0, 0.0, 0.02, 0.0]])
    digon, missing = identify(W)
    assert (digon.name, digon.features) == ("digon", (1, 3))
    assert (missing.name, missing.features, missing.rank) == ("not represented", (0, 2), 0)
    assert 0.9 < missing.confidence < 1


@pytest.mark.parametrize("W", [np.zeros((2, 3)), np.zeros((1, 1))])
def test_of_nothing_nothing_is_represented(W):
    (polytope,) = identify(W)
    assert (polytope.name, polytope.features) == ("not represented", tuple(range(W.shape[1])))
    assert (polytope.dimensionality, polytope.confidence) == (0, 1)


def test_no_features_no_polytopes():
    assert identify(np.zeros((3, 0))) == []


def test_hundreds_of_dedicated_features_are_no_simplex():
    W = np.eye(60) + 0.002 * np.random.default_rng(5).normal(size=(60, 60))
    assert summary(identify(W)) == "60 × dedicated"


def test_the_summary_counts():
    W = np.zeros((4, 8))
    W[0, :2], W[1, 2:4], W[2, 4] = (1, -1), (1, -1), 1
    assert summary(identify(W)) == "square (2 digons), dedicated, 3 features not represented"
    assert summary(identify(np.eye(1))) == "dedicated"


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4)])
def test_one_matrix_is_asked_for(shape):
    with pytest.raises(ValueError, match=r"\(m, n\).*one matrix"):
        identify(np.ones(shape))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_diverged_row_is_refused(value):
    with pytest.raises(ValueError, match="not finite"):
        identify(np.array([[1.0, value]]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "m", "expected"), [(5, 2, "pentagon"), (6, 3, "octahedron (3 digons)"), (8, 3, "square antiprism")]
)
@pytest.mark.usefixtures("one_thread")
def test_sparse_models_learn_the_polytope_that_fits(n, m, expected):
    settings = {"n_features": n, "n_hidden": m, "density": 0.05, "importance": 1.0, "n_instances": 4}
    training = Training(
        EXPERIMENTS["energy-levels"].with_settings(**settings, steps=1_500, batch_size=256, lr=5e-3, seed=1)
    )
    for _ in training:
        pass
    # All of eight seeds end there, so a majority of four is no luck.
    names = [summary(identify(W)) for W in training.model.W.detach().numpy()]
    assert names.count(expected) >= 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "m", "expected"),
    [
        (6, 2, {"pentagon, 1 feature not represented", "hexagon"}),
        (7, 3, {"capped octahedron"}),
        (8, 3, {"square antiprism"}),
        (9, 3, {"triaugmented triangular prism"}),
        (10, 3, {"sphenocorona", "triaugmented triangular prism, 1 feature not represented"}),
        (9, 4, {"1-4-4", "capped octahedron, digon"}),
        (10, 4, {"rectified 5-cell"}),
        (11, 4, {"2+3+6", "1+4+6"}),
        (12, 4, {"2-3 duoantiprism"}),
    ],
)
@pytest.mark.usefixtures("one_thread")
def test_a_minimum_has_one_name_whichever_seed(n, m, expected):
    # Seeds that the shapes were not made of, and a shorter training.
    sizes = {"n_features": n, "n_hidden": m, "n_instances": 8, "density": 0.05, "importance": 1.0}
    recipe = {"steps": 3_000, "batch_size": 512, "lr": 1e-2, "schedule": "linear", "seed": 91}
    training = Training(EXPERIMENTS["energy-levels"].with_settings(**sizes, **recipe))
    for _ in training:
        pass
    ends = [identify(W) for W in training.model.W.detach().numpy()]
    assert {summary(end) for end in ends} <= expected
    # The sphenocorona is soft, so that minibatches leave it further from where it settles.
    surest = np.median([end[0].confidence for end in ends])
    assert surest > (0.6 if n == 10 and m == 3 else 0.8)
