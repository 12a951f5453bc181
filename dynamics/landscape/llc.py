"""The local learning coefficient of a point: how many parameters it has, half counted, as the loss sees them.

Near a minimum w the volume of {L - L(w) < ε} shrinks as ε^λ (log 1/ε)^(m-1). λ is d/2 where the minimum is regular and
less where directions are flat or nearly so; m is its multiplicity. Drawn from exp(-nβ(L - L(w))) near w, the loss tells
it: nβ E[L - L(w)] -> λ. That presupposes that w is a local minimum: about a saddle or on a slope there is no such
number, whatever a sampler returns.

Source: Lau, Furman, Wang, Murfet and Wei 2023, "The Local Learning Coefficient", arXiv 2308.12108; Watanabe 2013, "A
Widely Applicable Bayesian Information Criterion".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import SettingError
from .hamiltonian import BatchLoss, Draws, Wells, draw, value_and_slope
from .mixing import controlled_means, split_rhat, virial_of

# γ from strong to weak, in units of √(nβ): how far from the point the draws may go, about 1/√γ. What curves along
# itself, as the orbit of a rotation does, is explored down to about 1; (ab)² and the like need less than 1.
_LOCALISATIONS = tuple(float(10 ** (1 - k / 2)) for k in range(10))
# Of a direction that curves along itself, as a rotation does, draws see this width at first: so many (2 nβ)^(-1/4).
_CAP = 0.7
# Central differences of the gradient, in units of the point: at a kink they see the mean of both sides.
_DIFFERENCE = 1e-5
# An eigenvalue below minus this fraction of the greatest is negative.
_NEGATIVE = 1e-6
# How far the loss, in nβ(L - L₀), would fall along its slope before the point is none to measure from.
_SLOPE = 0.1
# Of the draws so many may be below the point, whose loss rounding and the search for it leave uncertain by this much.
MOST_BELOW, _UNCERTAIN = 0.05, 0.05
# What chains that mix show: split R-hat, acceptance, and the virial beside 1, to which three errors are added.
_RHAT, _ACCEPTED, _VIRIAL = 1.05, 0.5, 0.03
# The error that the virial of one direction has at most where the draws are many enough, threefold.
_VIRIAL_NOISE = 0.3
# The virial of a direction controls the mean where its own R-hat is below this.
_STEADY = 1.03
# Two pairs of localisations agree within this fraction, or three of their errors.
_AGREEING = 0.01
# A pair that knows λ to within this fraction, and how much of it may be unknown for a number to be given.
_PRECISE, _UNDECIDED = 0.005, 0.25
_WITHIN_REACH = "the loss is less than the point's within reach"
_WARMUP = 100
# Above so many parameters the Hessian is not at hand.
MOST_PARAMETERS = 600


@dataclass(frozen=True)
class LlcEstimate:
    """The local learning coefficient of one point, or why it has none.

    llc is λ and error its standard error, of the draws and of the localisation; both None where the *verdict* is not
    ``ok`` or ``not settled``. Not settled is what grows on with every weaker localisation: the multiplicity is then
    probably above one, and λ greater by about 1/log(nβ). values are nβ E[L - L(w)] at the two *localisations* γ from
    which λ is extrapolated to γ = 0.

    below is the share of draws whose loss is below the point's, virial the mean of E[δ·∇U]/d, which is 1 where the
    draws are right, rhat the split R-hat of the loss, acceptance the share of trajectories that the chain with the
    fewest accepted, n_beta the resolution. effective_dimension is Σ_k nβh_k / (nβh_k + γ) over the curvatures h_k > 0 of the Hessian: twice λ, were
    the point regular.
    """

    llc: float | None
    error: float | None
    verdict: str
    effective_dimension: float
    n_beta: float
    localisations: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    below: float | None = None
    virial: float | None = None
    rhat: float | None = None
    acceptance: float | None = None


def estimate(
    loss: BatchLoss,
    point: Any,
    *,
    seed: int = 0,
    n_beta: float = 1e10,
    chains: int = 8,
    draws: int = 200,
) -> LlcEstimate:
    """Return λ of a loss at a critical point w, λ = lim nβ E[L - L(w)] over exp(-nβ(L - L(w)) - γ/2 |δ|²), or why not.

    loss takes float64 tensors (chains, d) and returns (chains,); it has to have a gradient, and always to be over the
    same data. The draws are those of Hamiltonian dynamics in the eigenvectors of the Hessian, at ten localisations γ.
    Of those whose chains mix and never see a loss below the point's, the strongest pair with which all weaker ones
    agree is extrapolated, λ = (3.16 λ(γ/3.16) - λ(γ)) / 2.16. The identity E[δ_k ∂_k U] = 1 for each direction serves
    as a control variate.

    Refused, with the reason as the verdict, are slopes, saddles, points with draws below them, and chains that do not
    mix. Shapes: point (d,) with d <= 600. Raises SettingError for other points and numbers that make no sense.
    """
    return estimate_each(loss, np.asarray(point)[None], seed=seed, n_beta=n_beta, chains=chains, draws=draws)[0]


def estimate_each(
    loss: BatchLoss,
    points: Any,
    *,
    seed: int = 0,
    n_beta: float | Sequence[float] = 1e10,
    chains: int = 8,
    draws: int = 200,
) -> list[LlcEstimate]:
    """Return what estimate() does of each of the *points* (P, d) of one loss, drawn as one batch.

    n_beta is one number, or one for each point. Raises SettingError as estimate() does.
    """
    theta = _checked(points, chains, draws)
    resolution = np.broadcast_to(np.asarray(n_beta, dtype=float), len(theta))
    if not (resolution > 0).all():
        raise SettingError(f"n_beta={n_beta} is no resolution; give a number above 0, such as 1e10")
    places = [_Place.of(loss, each, float(beta)) for each, beta in zip(theta, resolution, strict=True)]
    usable = [place for place in places if place.refusal is None]
    ladders: dict[int, list[_Rung]] = {}
    if usable:
        generator = torch.Generator().manual_seed(seed)
        drawn = draw(_wells(loss, usable), chains=chains, warmup=_WARMUP, draws=draws, generator=generator)
        ladders = {id(place): _rungs(drawn, place, k * len(_LOCALISATIONS)) for k, place in enumerate(usable)}
    return [_judged(place, ladders.get(id(place), [])) for place in places]


def _checked(points: Any, chains: int, draws: int) -> Tensor:
    theta = torch.as_tensor(np.asarray(points, dtype=np.float64))
    if theta.ndim != 2 or not theta.shape[1] or not theta.isfinite().all():
        raise SettingError(f"point has shape {tuple(theta.shape[1:])}; give finite numbers (d,)")
    if theta.shape[1] > MOST_PARAMETERS:
        raise SettingError(f"point has {theta.shape[1]} parameters, against {MOST_PARAMETERS}; use llc_on_batches()")
    if chains < 4 or chains % 2 or draws < 40:
        raise SettingError(f"chains={chains}, draws={draws}: give an even number of 4 chains or more, and 40 draws")
    return theta


@dataclass(frozen=True, eq=False)
class _Place:
    """A point with its curvatures (d,), ascending, and their directions (d, d); refusal says what it is otherwise."""

    theta: Tensor
    curvatures: Tensor
    basis: Tensor
    n_beta: float
    refusal: str | None

    @classmethod
    def of(cls, loss: BatchLoss, theta: Tensor, n_beta: float) -> "_Place":
        base, slope = value_and_slope(loss, theta[None])
        curvatures, basis = torch.linalg.eigh(_hessian(loss, theta))
        refusal = None
        if not (base.isfinite().all() and slope.isfinite().all()):
            refusal = "not a finite loss"
        else:
            fall = foretold_fall(slope[0] @ basis, curvatures, n_beta)
            # Where the loss slopes, a symmetry shows curvatures of about |g| / |θ|.
            length = float(theta.norm()) or 1.0
            tolerance = _NEGATIVE * float(curvatures.abs().max()) + 2 * float(slope.norm()) / length
            negative = int((curvatures < -tolerance).sum())
            if n_beta * fall > _SLOPE:
                refusal = f"a slope: the loss falls by {fall:.2g} beside it"
            elif negative:
                refusal = f"a saddle of index {negative}"
        return cls(theta, curvatures, basis, n_beta, refusal)

    @property
    def localisations(self) -> list[float]:
        return [gamma * self.n_beta**0.5 for gamma in _LOCALISATIONS]

    def effective_dimension(self, localisation: float) -> float:
        stiff = self.n_beta * self.curvatures.clamp(min=0)
        return float((stiff / (stiff + localisation)).sum())


def foretold_fall(slope: Tensor, curvatures: Tensor, n_beta: float) -> float:
    """Return Σ_k g_k² / 2|h_k|: how far the loss falls from a place to the point that its Hessian foretells.

    Directions without curvature count as if they had as much as the strongest localisation gives them.
    """
    least = _LOCALISATIONS[0] / n_beta**0.5
    return float((slope.square() / (2 * curvatures.abs().clamp(min=least))).sum())


def _hessian(loss: BatchLoss, theta: Tensor) -> Tensor:
    """Return H by central differences of the gradient, (d, d); exact enough, and defined where the loss has a kink."""
    d = len(theta)
    steps = _DIFFERENCE * max(1.0, float(theta.abs().max())) * torch.eye(d, dtype=theta.dtype)
    _, slopes = value_and_slope(loss, torch.cat([theta + steps, theta - steps]))
    H = (slopes[:d] - slopes[d:]) / (2 * float(steps[0, 0]))
    return ((H + H.T) / 2).nan_to_num()


def _wells(loss: BatchLoss, places: Sequence[_Place]) -> Wells:
    """Return a well at each localisation of each place, the places one after the other."""
    count = len(_LOCALISATIONS)
    beta = torch.tensor([place.n_beta for place in places], dtype=torch.float64).repeat_interleave(count)
    stiff = torch.cat([(place.n_beta * place.curvatures.abs()).expand(count, -1) for place in places])
    localisation = torch.tensor([gamma for place in places for gamma in place.localisations], dtype=torch.float64)
    scale = (stiff + localisation[:, None]).rsqrt()
    return Wells(
        loss=loss,
        points=torch.stack([place.theta for place in places]).repeat_interleave(count, dim=0),
        basis=torch.stack([place.basis for place in places]).repeat_interleave(count, dim=0),
        scale=torch.minimum(scale, (_CAP * (2 * beta) ** -0.25)[:, None]),
        localisation=localisation,
        n_beta=beta,
    )


@dataclass(frozen=True, eq=False)
class _Rung:
    """What was found at one localisation: the controlled mean of each chain (chains,), and how the draws look."""

    localisation: float
    means: np.ndarray
    below: float
    lowest: float
    virial: float
    virial_error: float
    rhat: float
    slowest: float
    size: int
    acceptance: float

    @property
    def value(self) -> float:
        return float(self.means.mean())

    @property
    def trouble(self) -> str | None:
        """What speaks against it, in words."""
        if self.below > MOST_BELOW:
            return f"{100 * self.below:.0f} % of the draws are below the point: not a minimum"
        if not self.rhat < _RHAT:
            return f"the chains do not mix: R-hat {self.rhat:.2f}"
        if self.acceptance < _ACCEPTED:
            return f"the chains do not mix: one accepts {100 * self.acceptance:.0f} % of its moves"
        if abs(self.virial - 1) > _VIRIAL + min(3 * self.virial_error, _VIRIAL_NOISE / np.sqrt(self.size)):
            return f"the chains do not mix: virial {self.virial:.2f}, not 1"
        return None

    @property
    def has_seen_less(self) -> bool:
        """Whether the loss is less than the point's somewhere within reach."""
        return self.lowest < -_UNCERTAIN


def _rungs(drawn: Draws, place: _Place, first: int) -> list[_Rung]:
    return [_rung(drawn, first + k, gamma) for k, gamma in enumerate(place.localisations)]


def _rung(drawn: Draws, group: int, localisation: float) -> _Rung:
    excess, virials = drawn.excess[:, group].numpy(), drawn.virial[:, group].numpy()
    virial, virial_error = virial_of(virials)
    rhats = split_rhat(virials)
    return _Rung(
        localisation=localisation,
        # What has not mixed has no mean of 0 yet, and would put its error for that of the loss.
        means=controlled_means(excess, virials[..., rhats < _STEADY] - 1),
        below=float((excess < -_UNCERTAIN).mean()),
        lowest=float(drawn.lowest[group]),
        virial=virial,
        virial_error=virial_error,
        rhat=float(split_rhat(excess)),
        slowest=float(rhats.max()),
        size=virials.shape[-1],
        acceptance=float(drawn.acceptance[group].min()),
    )


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two neighbouring localisations, and λ extrapolated from them for each chain."""

    strong: _Rung
    weak: _Rung

    @property
    def extrapolated(self) -> np.ndarray:
        ratio = self.strong.localisation / self.weak.localisation
        return (ratio * self.weak.means - self.strong.means) / (ratio - 1)

    @property
    def value(self) -> float:
        return float(self.extrapolated.mean())

    @property
    def error(self) -> float:
        each = self.extrapolated
        return float(each.std(ddof=1) / np.sqrt(len(each)))

    def agrees_with(self, other: "_Pair") -> bool:
        apart = abs(self.value - other.value)
        return apart <= max(_AGREEING * abs(self.value), 3 * float(np.hypot(self.error, other.error)))


def _judged(place: _Place, ladder: list[_Rung]) -> LlcEstimate:
    """Choose the localisations and return what they say."""
    if place.refusal is not None:
        return _refused(place, [], place.refusal)
    if (trouble := ladder[0].trouble) is not None:
        return _refused(place, ladder[:1], trouble)
    pairs = _usable_pairs(ladder)
    if not pairs:
        trouble = ladder[1].trouble or ("the chains do not mix" if not ladder[1].has_seen_less else _WITHIN_REACH)
        return _refused(place, ladder[:2], trouble)
    at, error = _best(pairs)
    chosen = pairs[at]
    if error > _UNDECIDED * abs(chosen.value):
        return _refused(place, [chosen.strong, chosen.weak], "how far the draws may go decides it")
    return LlcEstimate(
        llc=chosen.value,
        error=error,
        verdict="ok" if _is_settled(pairs, at) else "not settled: it grows as the draws may go further",
        effective_dimension=place.effective_dimension(chosen.weak.localisation),
        n_beta=place.n_beta,
        **_seen([chosen.strong, chosen.weak]),
    )


def _best(pairs: Sequence[_Pair]) -> tuple[int, float]:
    """Return which pair to believe, and its error: that of its draws, and how far the next pair is.

    With that pair all weaker ones agree; of several the one with the least error.
    """
    agreeing = [k for k, pair in enumerate(pairs) if all(pair.agrees_with(weaker) for weaker in pairs[k + 1 :])]
    errors = {k: float(np.hypot(pairs[k].error, _apart(pairs, k))) for k in agreeing}
    at = min(agreeing, key=errors.__getitem__)
    return at, errors[at]


def _apart(pairs: Sequence[_Pair], at: int) -> float:
    """Return how far the next pair is, or of the last the one before, or of a single one its weaker half."""
    beside = pairs[at + 1 : at + 2] or pairs[at - 1 : at]
    return abs(pairs[at].value - (beside[0].value if beside else pairs[at].weak.value))


def _is_settled(pairs: Sequence[_Pair], at: int) -> bool:
    """Return whether the localisation hardly matters any more, or a weaker pair that knows confirms it."""
    chosen = pairs[at]
    precise = _PRECISE * abs(chosen.value)
    confirmed = any(pair.error < precise and chosen.agrees_with(pair) for pair in pairs[at + 1 :])
    return confirmed or abs(chosen.value - chosen.weak.value) < precise


def _refused(place: _Place, rungs: Sequence[_Rung], reason: str) -> LlcEstimate:
    dimension = place.effective_dimension(rungs[-1].localisation if rungs else place.localisations[0])
    return LlcEstimate(None, None, reason, dimension, place.n_beta, **_seen(rungs))


def _usable_pairs(ladder: list[_Rung]) -> list[_Pair]:
    """Return the pairs of localisations that mix, up to the first at which draws see less than the point."""
    seen_less = next((k for k, rung in enumerate(ladder) if rung.has_seen_less), len(ladder))
    usable = [rung for rung in ladder[:seen_less] if rung.trouble is None and rung.slowest < _RHAT]
    return [_Pair(strong, weak) for strong, weak in pairwise(usable)]


def _seen(rungs: Sequence[_Rung]) -> dict[str, Any]:
    """Return what the estimate tells of its draws: the worst of the two localisations."""
    if not rungs:
        return {}
    return {
        "localisations": tuple(rung.localisation for rung in rungs),
        "values": tuple(rung.value for rung in rungs),
        "below": max(rung.below for rung in rungs),
        "virial": max((rung.virial for rung in rungs), key=lambda virial: abs(virial - 1)),
        "rhat": max(rung.rhat for rung in rungs),
        "acceptance": min(rung.acceptance for rung in rungs),
    }
