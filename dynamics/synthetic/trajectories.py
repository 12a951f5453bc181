"""What has a known answer, for tests, documents and users: planted levels and jumps, motions, polytopes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..errors import SettingError
from ..levels import LEVELS
from ..polytopes.shapes import vertices

Spacing = Literal["regular", "random", "log"]
Shape = Literal["linear", "smooth"]

# Closer levels than this are no jump worth planting; 3/8 and 2/5 are.
_SMALLEST_JUMP = 0.08


@dataclass(frozen=True)
class Plan:
    """What to plant in a trajectory of *rows* rows and *features* features.

    noise is the standard deviation of every sample, as a fraction of the feature's smallest jump; correlation is that
    of the noise from row to row. ramp gives the shortest and the longest jump, gap the shortest plateau, all fractions
    of the rows. drift is how far a plateau drifts over the run, in the units of the signal. spacing tells how the steps
    lie, shape how a jump goes. Each event lowers the loss by about 1, *lag* rows later than the features; loss_noise is
    the noise of the loss.
    """

    rows: int = 2000
    features: int = 8
    events: int = 3
    noise: float = 0.1
    correlation: float = 0.0
    ramp: tuple[float, float] = (0.001, 0.1)
    gap: float = 0.05
    drift: float = 0.0
    spacing: Spacing = "regular"
    shape: Shape = "linear"
    lag: int = 0
    loss_noise: float = 0.1


@dataclass(frozen=True, eq=False)
class PlantedJump:
    """One planted event, in the words of jumps.Jump: the ramp lasts from step *start* to step *end*.

    before and after (k,) are the levels of its features, without the drift.
    """

    start: int
    end: int
    features: tuple[int, ...]
    before: np.ndarray
    after: np.ndarray
    loss_change: float


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A planted trajectory and its truth.

    signal (T, n) is clean (T, n) with noise, loss (T,) is expected_loss (T,) with noise, step (T,) increases.
    """

    signal: np.ndarray
    loss: np.ndarray
    step: np.ndarray
    jumps: tuple[PlantedJump, ...]
    clean: np.ndarray
    expected_loss: np.ndarray


def plant(plan: Plan, seed: int = 0) -> Trajectory:
    """Return a trajectory in which features rest at the paper's energy levels and jump between them.

    In each event one to four features jump at once, up or down: a swap where both occur. Without events the noise is
    that of a jump of 1/2. Raises SettingError where the events do not fit into the run.
    """
    rng = np.random.default_rng(seed)
    step, ramps = _steps(plan, rng), _ramps(plan, rng)
    levels, movers = _levels(plan, rng)
    drops = rng.uniform(0.5, 1.5, plan.events)
    clean = levels[0] + _drift(plan, step, rng)
    expected = np.full(plan.rows, 1 + drops.sum())
    for (start, end), change, drop in zip(ramps, np.diff(levels, axis=0), drops, strict=True):
        clean = clean + share_done(plan, start, end)[:, None] * change
        expected = expected - share_done(plan, start + plan.lag, end + plan.lag) * drop
    jumps = tuple(
        PlantedJump(step[start].item(), step[end].item(), who, before[list(who)], after[list(who)], -float(drop))
        for (start, end), who, before, after, drop in zip(ramps, movers, levels, levels[1:], drops, strict=False)
    )
    scale = plan.noise * _smallest_jumps(levels)
    signal = clean + scale * _noise((plan.rows, plan.features), plan.correlation, rng)
    loss = expected + plan.loss_noise * _noise((plan.rows, 1), plan.correlation, rng)[:, 0]
    return Trajectory(signal, loss, step, jumps, clean, expected)


def _steps(plan: Plan, rng: np.random.Generator) -> np.ndarray:
    if plan.spacing == "regular":
        return np.arange(plan.rows)
    if plan.spacing == "random":
        return np.cumsum(rng.integers(1, 20, plan.rows))
    # As many rows in each factor of the step; where steps are too few for that, one after the other.
    rows = np.arange(plan.rows)
    return np.maximum.accumulate(np.round(np.geomspace(1, 1000 * plan.rows, plan.rows)).astype(int) - rows) + rows


def _ramps(plan: Plan, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return the first and the last row of each ramp, in order, no two nearer than the shortest plateau."""
    if not plan.events:
        return []
    shortest, longest = np.log(plan.ramp)
    shares = np.exp(rng.uniform(shortest, longest, plan.events))
    room = 1 - (plan.events + 1) * plan.gap - plan.events * plan.ramp[0]
    if room <= 0:
        raise SettingError(f"events={plan.events} with gap={plan.gap} do not fit into one run; plant fewer, or closer")
    # Ramps that are too long for the room between the plateaus are all shortened alike.
    spare = shares - plan.ramp[0]
    shares = plan.ramp[0] + spare * min(1.0, 0.9 * room / max(spare.sum(), 1e-12))
    gaps = plan.gap + (1 - (plan.events + 1) * plan.gap - shares.sum()) * rng.dirichlet(np.ones(plan.events + 1))
    starts = np.cumsum(gaps[:-1]) + np.concatenate([[0], np.cumsum(shares)[:-1]])
    first = np.round(starts * plan.rows).astype(int)
    return [(int(a), int(a + max(1, round(share * plan.rows)))) for a, share in zip(first, shares, strict=True)]


def _levels(plan: Plan, rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    """Return the levels (events + 1, n) before, between and after the events, and who jumps in each."""
    values = np.array([float(level.dimensionality) for level in LEVELS])
    levels, movers = [rng.choice(values, plan.features)], []
    for _ in range(plan.events):
        who = np.sort(rng.choice(plan.features, rng.integers(1, min(4, plan.features) + 1), replace=False))
        now = levels[-1].copy()
        for feature in who:
            now[feature] = rng.choice(values[np.abs(values - now[feature]) > _SMALLEST_JUMP])
        levels.append(now)
        movers.append(tuple(map(int, who)))
    return np.array(levels), movers


def _smallest_jumps(levels: np.ndarray) -> np.ndarray:
    """Return the smallest jump (n,) of each feature, 1/2 for one that never jumps."""
    sizes = np.abs(np.diff(levels, axis=0))
    smallest = np.where(sizes > 0, sizes, np.inf).min(axis=0, initial=np.inf)
    return np.where(np.isfinite(smallest), smallest, 0.5)


def share_done(plan: Plan, start: int, end: int) -> np.ndarray:
    """Return the share (T,) of a jump that is done at each row."""
    share = np.clip((np.arange(plan.rows) - start) / (end - start), 0, 1)
    return share if plan.shape == "linear" else share * share * (3 - 2 * share)


def _drift(plan: Plan, step: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the slow drift (T, n): a line for one half of the features, half a wave for the others."""
    time = (step - step[0]) / (step[-1] - step[0])
    wave = (1 - np.cos(np.pi * time)) / 2
    shapes = np.stack([time, wave])[rng.integers(0, 2, plan.features)].T
    return plan.drift * rng.choice([-1, 1], plan.features) * shapes


def _noise(shape: tuple[int, int], correlation: float, rng: np.random.Generator) -> np.ndarray:
    """Return noise (T, n) of variance 1, correlated from row to row."""
    noise = rng.normal(size=shape)
    if not correlation:
        return noise
    from scipy.signal import lfilter

    noise[1:] *= np.sqrt(1 - correlation**2)
    return np.asarray(lfilter([1], [1, -correlation], noise, axis=0))


@dataclass(frozen=True)
class PlantedRegime:
    """A stretch of *rows* rows in which W turns by *angle* degrees in the plane of two axes and grows by *scale*.

    Both go on evenly, the angle by the row and the scale by the factor. A reflected regime begins with the reflection
    that turns the first axis of the plane round.
    """

    rows: int
    angle: float = 0.0
    scale: float = 1.0
    plane: tuple[int, int] = (0, 1)
    reflected: bool = False

    def transformation(self, share: float, size: int) -> np.ndarray:
        """Return the matrix (m, m) that leads from W before the regime to W when *share* of it is done."""
        i, j = self.plane
        angle = np.radians(self.angle) * share
        matrix = np.eye(size)
        matrix[[i, j, i, j], [i, i, j, j]] = np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle)
        if self.reflected:
            matrix[:, i] *= -1
        return self.scale**share * matrix


# Its name in 0.1.0.
Regime = PlantedRegime


def move(W: np.ndarray, regimes: Sequence[PlantedRegime]) -> np.ndarray:
    """Return W at each row of *regimes* that follow one another, W_t = s(t) R(t) W_0; the first row is W itself.

    Shapes: W (m, n) -> (1 + Σ rows, m, n).
    """
    path = [np.asarray(W, dtype=np.float64)]
    for regime in regimes:
        start = path[-1]
        shares = np.arange(1, regime.rows + 1) / regime.rows
        path += [regime.transformation(share, len(start)) @ start for share in shares]
    return np.array(path)


def tegum_product(
    names: Sequence[str], seed: int | np.random.Generator = 0, *, noise: float = 0.0, extra: int = 2
) -> tuple[np.ndarray, set[tuple[str, tuple[int, ...]]]]:
    """Return W of polytopes in orthogonal spaces, and these: the name of each and its features.

    The directions, the order of the features and the length that they all have are random. *noise* is the standard
    deviation of each coordinate, in lengths of a feature; *extra* dimensions are empty but for it. Shapes: (m, n),
    where m is the sum of the polytopes' ranks and of *extra*. Raises ValueError for a name that polytopes.catalogue
    lacks.
    """
    rng = np.random.default_rng(seed)
    blocks = [vertices(name) for name in names]
    rank, n = np.sum([block.shape for block in blocks], axis=0)
    frame = np.linalg.qr(rng.normal(size=(rank + extra, rank))).Q
    W, order = np.empty((rank + extra, n)), rng.permutation(n)
    planted, row, column = set(), 0, 0
    for name, block in zip(names, blocks, strict=True):
        places = order[column : column + block.shape[1]]
        W[:, places] = frame[:, row : row + len(block)] @ block
        planted.add((name, tuple(sorted(places.tolist()))))
        row, column = row + len(block), column + block.shape[1]
    return (W + noise * rng.normal(size=W.shape)) * np.exp(rng.uniform(-3, 3)), planted
