"""Which features go together through a run, where nobody has said so."""

import numpy as np

from ..geometry.measures import norms
from ..polytopes.identification import NEGLIGIBLE, identify

# Features that point the same way to this cosine are merged.
_MERGED = 0.95
# So long, as a share of the rows, features have to be merged to be one set, and half as long as those merged longest.
_LASTING = 0.05


def find_sets(W: np.ndarray) -> list[tuple[int, ...]]:
    """Return the sets of features that learning treats as one, in the order of their first features.

    Correlated features are merged before they come apart. So features that are represented in the last row and pointed
    the same way (cosine above 0.95, neither of negligible norm) for at least 0.05 of the rows, and half as long as the
    two that did so longest, are one set. All others go by the polytopes of the last row, those that are not
    represented as one set.

    Shapes: W (T, m, n). Costs O(T m n²).
    """
    W = np.asarray(W, dtype=np.float64)
    polytopes = [polytope for polytope in identify(W[-1]) if polytope.name != "not represented"]
    represented = np.array(sorted(feature for polytope in polytopes for feature in polytope.features), dtype=int)
    rows = _rows_merged(W[:, :, represented])
    merged = rows >= max(_LASTING * len(W), rows.max(initial=0) / 2)
    sets = [tuple(represented[group].tolist()) for group in _connected(merged) if len(group) > 1]
    others = np.setdiff1d(np.arange(W.shape[2]), [feature for set_ in sets for feature in set_])
    if others.size:
        sets += [tuple(others[list(polytope.features)].tolist()) for polytope in identify(W[-1][:, others])]
    return sorted(sets)


def _rows_merged(W: np.ndarray) -> np.ndarray:
    """Return in how many rows each two features point the same way, and 0 for a feature with itself."""
    lengths = norms(W)
    present = lengths > NEGLIGIBLE * lengths.max(initial=0)
    count = np.zeros((W.shape[2], W.shape[2]), dtype=int)
    for row, length, here in zip(W, lengths, present, strict=True):
        unit = row * here / np.where(here, length, 1)
        count += unit.T @ unit > _MERGED
    np.fill_diagonal(count, 0)
    return count


def _connected(edges: np.ndarray) -> list[np.ndarray]:
    from scipy.sparse.csgraph import connected_components

    count, label = connected_components(edges, directed=False)
    return [np.flatnonzero(label == each) for each in range(count)]
