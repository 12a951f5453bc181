"""Which configurations several models of one size have formed, and how many have formed each."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from string import ascii_lowercase

import numpy as np

from ..geometry.measures import dimensionality
from .identification import identify, typical_norm
from .kinds import in_words, kinds
from .wholes import whole

# Two models form one configuration where their overlaps, sorted, are the same to this.
SAME = 5e-3
# Shorter than these shares of the typical norm features are dropped, or weak.
_DROPPED, _WEAK = 0.05, 0.5


@dataclass(frozen=True, eq=False)
class Configuration:
    """What some of the models have formed: models are their numbers, W (m, n), b (n,) and loss those of the best one.

    polytope is what its strong features form, rest how many are weak or dropped, both as parts_of() says; variant is
    a letter where several configurations have these in common, else empty.
    """

    polytope: str
    rest: str
    variant: str
    models: tuple[int, ...]
    W: np.ndarray
    b: np.ndarray
    loss: float

    @property
    def name(self) -> str:
        """All of that, ``pentagon + 2 weak (b)``."""
        form = " + ".join(filter(None, (self.polytope, self.rest)))
        return f"{form} ({self.variant})" if self.variant else form

    @cached_property
    def dimensionality(self) -> np.ndarray:
        """The dimensionality D of each feature, sorted, (n,)."""
        return np.sort(dimensionality(self.W))


def configurations(W: np.ndarray, b: np.ndarray, loss: np.ndarray) -> list[Configuration]:
    """Return the configurations that models have formed, the commonest first, and of equally common ones the best.

    Two models have formed the same one where a rotation or reflection of hidden space and an exchange of features take
    one to the other. That leaves the overlaps W_i·W_j, the norms and the biases, each sorted, as they are; models whose
    sorted numbers agree to 0.005 are taken for one configuration. The points have to be exact for that, as those of
    at_rest() are. Configurations with one name are told apart by letters, in the order of their losses.

    Shapes: W (models, m, n), b (models, n), loss (models,). Raises ValueError for other shapes, or numbers that are
    not finite.
    """
    W, b, loss = (np.asarray(each, dtype=np.float64) for each in (W, b, loss))
    if W.ndim != 3 or b.shape != (len(W), W.shape[2]) or loss.shape != (len(W),):
        raise ValueError(
            f"W {W.shape}, b {b.shape} and loss {loss.shape} are not (models, m, n), (models, n), (models,)"
        )
    if not all(np.isfinite(each).all() for each in (W, b, loss)):
        raise ValueError("a model holds a value that is not finite; leave out those that have not converged")
    prints = _fingerprints(W, b)
    groups: list[list[int]] = []
    for k in np.argsort(loss, kind="stable").tolist():
        found = (group for group in groups if abs(prints[group[0]] - prints[k]).max() <= SAME)
        group = next(found, None)
        if group is None:
            groups.append([k])
        else:
            group.append(k)
    forms = [parts_of(W[group[0]]) for group in groups]
    variants = _variants(forms)
    told = [
        Configuration(*form, variant, tuple(sorted(group)), W[group[0]], b[group[0]], float(loss[group[0]]))
        for form, variant, group in zip(forms, variants, groups, strict=True)
    ]
    return sorted(told, key=lambda each: -len(each.models))


def parts_of(W: np.ndarray) -> tuple[str, str]:
    """Return what the strong features of W (m, n) form, and the others: ``pentagon`` and ``1 weak + 2 dropped``.

    Features up to a twentieth of the typical norm are dropped, others shorter than half of it weak. Strong ones
    that form no polytope of the catalogue are told by how many there are of each kind, as in ``13 corners 1+6+6``.
    """
    norm = np.linalg.norm(W, axis=0)
    typical = typical_norm(norm)
    dropped = norm <= _DROPPED * typical
    strong = (norm >= _WEAK * typical) & ~dropped
    counts = (int((~strong & ~dropped).sum()), "weak"), (int(dropped.sum()), "dropped")
    rest = " + ".join(f"{count} {word}" for count, word in counts if count)
    return _of_strong(W[:, strong]) if strong.any() else "nothing", rest


def _of_strong(W: np.ndarray) -> str:
    parts = identify(W)
    if any(part.name == "unnamed" for part in parts):
        named = [part for part in parts if part.name != "unnamed"]
        others = [part.features for part in parts if part.name == "unnamed"]
        words = [_by_kinds(W[:, list(features)]) for features in others]
        return " + ".join([*map(str, whole(named)), *words])
    return " + ".join(map(str, whole(parts)))


def _by_kinds(W: np.ndarray) -> str:
    found = kinds(W.T @ W)
    return f"{len(found)} corners {in_words(found)}"


def _fingerprints(W: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return of each model what rotations and exchanges of features leave: the overlaps, norms and biases, sorted."""
    G = W.mT @ W
    upper = np.triu_indices(G.shape[-1], k=1)
    own = G.diagonal(axis1=-2, axis2=-1)
    return np.concatenate([np.sort(G[:, *upper]), np.sort(own), np.sort(b)], axis=1)


def _variants(forms: list[tuple[str, str]]) -> list[str]:
    """Return a, b, … for the forms that are there several times, in their order, and nothing for the others."""
    often, seen = Counter(forms), Counter[tuple[str, str]]()
    variants = []
    for form in forms:
        variants.append(_letters(seen[form]) if often[form] > 1 else "")
        seen[form] += 1
    return variants


def _letters(k: int) -> str:
    """Return a, b, … z, aa, ab, …"""
    head, last = divmod(k, len(ascii_lowercase))
    return (_letters(head - 1) if head else "") + ascii_lowercase[last]
