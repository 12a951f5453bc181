"""What hundreds of runs of one experiment have in common, and where they differ."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..jumps.detection import Jump
from ..levels import LEVELS, TOLERANCE
from ..motion.alignment import Alignment, align_runs
from ..polytopes.identification import Polytope
from ..polytopes.wholes import MISSING, word_of
from .gathering import Gathered, Model

# How a member ends whose parameters are not finite.
DIVERGED = "diverged"


@dataclass(frozen=True, eq=False)
class EnsembleSummary:
    """The runs of an ensemble side by side; T recorded rows, k members, n features.

    step (T,) are the steps of the rows; jumps holds the jumps of each member. occupancy (T, levels) is the share of the
    features at each of *levels*, the mean over the members, and spread (T, levels) its standard deviation over them;
    what is missing to 1 is between levels. polytopes counts, for each member, the polytopes that it ended with by name,
    of one whose W is not finite just "diverged";
    alignments bring the end of each member onto that of the *reference*, and their residuals tell how unlike they are.
    """

    step: np.ndarray
    jumps: tuple[tuple[Jump, ...], ...]
    levels: tuple[str, ...]
    occupancy: np.ndarray
    spread: np.ndarray
    polytopes: tuple[Counter[str], ...]
    alignments: tuple[Alignment, ...]
    reference: int

    @property
    def jump_times(self) -> tuple[np.ndarray, ...]:
        """For each member the steps in the middle of its jumps, in order."""
        return tuple(np.sort([(jump.start + jump.end) / 2 for jump in jumps]) for jumps in self.jumps)

    @property
    def outcomes(self) -> Counter[tuple[tuple[str, int], ...]]:
        """How many members ended with each set of polytopes, as sorted (name, count) pairs."""
        return Counter(tuple(sorted(found.items())) for found in self.polytopes)


def summarise(
    dimensionality: Any,
    loss: Any,
    W: Any,
    *,
    step: Any = None,
    reference: int = 0,
    tolerance: float = TOLERANCE,
    is_told: Sequence[bool] | None = None,
) -> EnsembleSummary:
    """Return the jumps, the levels and the final polytopes of every member of an ensemble, aligned with one of them.

    One member is looked at after the other, so that no more than its rows are in memory at a time beside the result:
    dimensionality and loss may be datasets in a file, read by slices; where those of dimensionality are read when they
    are sliced in their turn, not even that. Linear in T, k and n, but for the alignment of
    the features, which costs n³ for each member.

    Shapes: dimensionality (T, k, n), loss (T, k), W the last row's (k, m, n), step (T,), by default the rows' numbers.
    *reference* is the member that the others are aligned with, and *tolerance* how near a level counts as at it.
    is_told says of each member whether it is beyond chance; of any other neither jumps, levels nor polytopes are told.
    Raises ValueError where the shapes do not agree, k is 0, or there is no such member.
    Source: Toy Models of Superposition, "Superposition and Learning Dynamics", discrete energy level jumps.
    """
    rows, members = _checked_shape(dimensionality, loss, W)
    if not 0 <= reference < members:
        raise ValueError(f"reference={reference} is not one of the {members} members, which count from 0")
    step = np.arange(rows) if step is None else np.asarray(step)
    finite = np.isfinite(W).all(axis=(1, 2))
    # What diverged has no direction to be brought onto another's.
    ends = np.where(finite[:, None, None], W, 0.0)
    alignments, k = [], 0
    gathered = Gathered(step, tolerance, None if is_told is None else lambda _: is_told[k])
    for k in range(members):
        gathered.add([Model(dimensionality[:, k], np.asarray(loss[:, k]), np.asarray(W[k]))])
        alignments.append(align_runs(ends[k], ends[reference]))
    return EnsembleSummary(
        step=step,
        jumps=tuple(model.jumps if model else () for model in gathered.models),
        levels=tuple(level.label for level in LEVELS),
        occupancy=gathered.shares.mean,
        spread=gathered.shares.deviation(),
        polytopes=tuple(
            Counter([DIVERGED]) if model is None or model.polytopes is None else _count(model.polytopes)
            for model in gathered.models
        ),
        alignments=tuple(alignments),
        reference=reference,
    )


def _checked_shape(dimensionality: Any, loss: Any, W: Any) -> tuple[int, int]:
    """Return the numbers of rows and members, once the shapes agree on them."""
    shapes = np.shape(dimensionality), np.shape(loss), np.shape(W)
    (*batch, n), *_ = shapes if shapes[0] else ((0, 0, 0),)
    if len(batch) != 2 or not batch[1] or shapes[1] != tuple(batch) or shapes[2][::2] != (batch[1], n):
        raise ValueError(
            "dimensionality (T, k, n), loss (T, k) and W (k, m, n) must agree and k be at least 1, got shapes "
            f"{shapes[0]}, {shapes[1]} and {shapes[2]}"
        )
    return batch[0], batch[1]


def _count(polytopes: Sequence[Polytope]) -> Counter[str]:
    """Count the polytopes by name; features that are not represented are no polytope, and count one by one."""
    counts = Counter[str]()
    for polytope in polytopes:
        counts[word_of(polytope)] += len(polytope.features) if polytope.name == MISSING else 1
    return counts
