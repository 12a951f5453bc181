"""Which of the groups that share features is there: the right one, among those that are not."""

import numpy as np
import pytest

from dyn.dynamics.chance.evidence import log_evidence
from dyn.dynamics.chance.search import sought
from dyn.dynamics.polytopes.shapes import vertices


def test_the_evidence_is_the_ratio_of_the_densities_of_normal_vectors():
    """At the best noise, of vectors that are not of length 1: those densities are known."""
    rng, m = np.random.default_rng(0), 7
    pattern = sought("triangle")
    U = rng.normal(size=(m, 3))
    expected = -np.inf
    for noise in np.geomspace(1e-9, 1, 300):
        S = (1 - noise) * pattern.cosines + noise * np.eye(3)
        log_density = -0.5 * (m * np.linalg.slogdet(S)[1] + np.einsum("ai,ij,aj->", U, np.linalg.inv(S), U))
        expected = max(expected, log_density + 0.5 * (U**2).sum())
    # That of vectors at random has tr C in place of k.
    more = 0.5 * (U**2).sum() - 0.5 * m * 3
    assert log_evidence(pattern, U.T @ U / m, m) == pytest.approx(expected - more)


@pytest.mark.parametrize(
    ("name", "other"), [("tetrahedron", "triangle"), ("triangle", "digon"), ("pentagon", "triangle")]
)
def test_a_shape_is_likelier_than_what_a_part_of_it_would_be(name, other):
    rng, m = np.random.default_rng(1), 64
    pattern, part = sought(name), sought(other)
    shape = vertices(name)[:, list(pattern.order)]
    for _ in range(20):
        frame = np.linalg.qr(rng.normal(size=(m, len(shape))))[0]
        U = frame @ shape + 0.05 * rng.normal(size=(m, pattern.size))
        U /= np.linalg.norm(U, axis=0)
        cosines = U.T @ U
        assert log_evidence(pattern, cosines, m) > log_evidence(part, cosines[: part.size, : part.size], m)


def test_orthogonal_directions_are_evidence_for_nothing():
    assert log_evidence(sought("tetrahedron"), np.eye(4), 20) == pytest.approx(0, abs=1e-6)
