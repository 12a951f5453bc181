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
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import SettingError
from .hamiltonian import BatchLoss, Draws, Wells, draw, value_and_slope
from .mixing import controlled_means, split_rhat, virial_of

# γ from strong to weak: how far from the point the draws may go, about 1/√γ.
LOCALISATIONS = tuple(float(10 ** (4.5 - k / 2)) for k in range(10))
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
# Two pairs of localisations agree within this fraction, or three of their errors.
_AGREEING = 0.005
# Above so many parameters the Hessian is not at hand.
MOST_PARAMETERS = 600


@dataclass(frozen=True)
class LlcEstimate:
    """The local learning coefficient of one point, or why it has none.

    llc is λ and error its standard error, of the draws and of the localisation; both None where the *verdict* is not
    ``ok``. values are nβ E[L - L(w)] at the two *localisations* γ from which λ is extrapolated to γ = 0. is_settled is
    False where weaker ones still raise it: the multiplicity is then probably above one, and λ greater by about
    1/log(nβ).

    below is the share of draws whose loss is below the point's, virial the mean of E[δ·∇U]/d, which is 1 where the
    draws are right, rhat the split R-hat of the loss, acceptance the share of accepted trajectories, n_beta the
    resolution. effective_dimension is Σ_k nβh_k / (nβh_k + γ) over the curvatures h_k > 0 of the Hessian: twice λ, were
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
    is_settled: bool | None = None


def estimate(
    loss: BatchLoss,
    point: Any,
    *,
    seed: int = 0,
    n_beta: float = 1e8,
    chains: int = 8,
    draws: int = 150,
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
    n_beta: float | Sequence[float] = 1e8,
    chains: int = 8,
    draws: int = 150,
) -> list[LlcEstimate]:
    """Return what estimate() does of each of the *points* (P, d) of one loss, drawn as one batch.

    n_beta is one number, or one for each point. Raises SettingError as estimate() does.
    """
    theta = _checked(points, chains, draws)
    resolution = np.broadcast_to(np.asarray(n_beta, dtype=float), len(theta))
    if not (resolution > 0).all():
        raise SettingError(f"n_beta={n_beta} is no resolution; give a number above 0, such as 1e8")
    places = [_Place.of(loss, each, float(beta)) for each, beta in zip(theta, resolution, strict=True)]
    usable = [place for place in places if place.refusal is None]
    ladders: dict[int, list[_Rung]] = {}
    if usable:
        generator = torch.Generator().manual_seed(seed)
        drawn = draw(_wells(loss, usable), chains=chains, warmup=60, draws=draws, generator=generator)
        ladders = {id(place): _rungs(drawn, k) for k, place in enumerate(usable)}
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
            fall = foretold_fall(slope[0] @ basis, curvatures)
            # Where the loss slopes, a symmetry shows curvatures of about |g| / |θ|.
            length = float(theta.norm()) or 1.0
            tolerance = _NEGATIVE * float(curvatures.abs().max()) + 2 * float(slope.norm()) / length
            negative = int((curvatures < -tolerance).sum())
            if n_beta * fall > _SLOPE:
                refusal = f"a slope: the loss falls by {fall:.2g} beside it"
            elif negative:
                refusal = f"a saddle of index {negative}"
        return cls(theta, curvatures, basis, n_beta, refusal)

    def effective_dimension(self, localisation: float) -> float:
        stiff = self.n_beta * self.curvatures.clamp(min=0)
        return float((stiff / (stiff + localisation)).sum())


def foretold_fall(slope: Tensor, curvatures: Tensor) -> float:
    """Return Σ_k g_k² / 2|h_k|: how far the loss falls from a place to the point that its Hessian foretells.

    Directions without curvature count as if they had as much as the strongest localisation gives them.
    """
    least = LOCALISATIONS[0] / 1e8
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
    count = len(LOCALISATIONS)
    gamma = torch.tensor(LOCALISATIONS, dtype=torch.float64)
    beta = torch.tensor([place.n_beta for place in places], dtype=torch.float64).repeat_interleave(count)
    stiff = torch.cat([(place.n_beta * place.curvatures.abs()).expand(count, -1) for place in places])
    localisation = gamma.repeat(len(places))
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
            return f"the chains do not mix: {100 * self.acceptance:.0f} % of the moves are accepted"
        if abs(self.virial - 1) > _VIRIAL + 3 * self.virial_error:
            return f"the chains do not mix: virial {self.virial:.2f}, not 1"
        return None

    @property
    def has_seen_less(self) -> bool:
        """Whether the loss is less than the point's somewhere within reach."""
        return self.lowest < -_UNCERTAIN


def _rungs(drawn: Draws, place: int) -> list[_Rung]:
    count = len(LOCALISATIONS)
    return [_rung(drawn, place * count + k, gamma) for k, gamma in enumerate(LOCALISATIONS)]


def _rung(drawn: Draws, group: int, localisation: float) -> _Rung:
    excess, virials = drawn.excess[:, group].numpy(), drawn.virial[:, group].numpy()
    virial, virial_error = virial_of(virials)
    return _Rung(
        localisation=localisation,
        means=controlled_means(excess, virials - 1),
        below=float((excess < -_UNCERTAIN).mean()),
        lowest=float(drawn.lowest[group]),
        virial=virial,
        virial_error=virial_error,
        rhat=split_rhat(excess),
        acceptance=float(drawn.acceptance[group]),
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
    refusal = place.refusal
    if refusal is None:
        first = ladder[0]
        refusal = first.trouble or ("the loss is less than the point's within reach" if first.has_seen_less else None)
    if refusal is not None:
        seen = _seen(ladder[:1])
        return LlcEstimate(None, None, refusal, place.effective_dimension(LOCALISATIONS[0]), place.n_beta, **seen)
    pairs = _usable_pairs(ladder)
    if not pairs:
        trouble = ladder[1].trouble or "the loss is less than the point's within reach"
        seen = _seen(ladder[:2])
        return LlcEstimate(None, None, trouble, place.effective_dimension(LOCALISATIONS[1]), place.n_beta, **seen)
    at = next(k for k, pair in enumerate(pairs) if all(pair.agrees_with(weaker) for weaker in pairs[k + 1 :]))
    chosen = pairs[at]
    # What the localisation leaves uncertain: how far the next pair is.
    beside = pairs[at + 1] if at + 1 < len(pairs) else pairs[max(at - 1, 0)]
    return LlcEstimate(
        llc=chosen.value,
        error=float(np.hypot(chosen.error, (chosen.value - beside.value) / 2)),
        verdict="ok",
        effective_dimension=place.effective_dimension(chosen.weak.localisation),
        n_beta=place.n_beta,
        is_settled=len(pairs) == 1 or at + 1 < len(pairs) or chosen.agrees_with(beside),
        **_seen([chosen.strong, chosen.weak]),
    )


def _usable_pairs(ladder: list[_Rung]) -> list[_Pair]:
    """Return the pairs of localisations up to the first at which draws see less than the point, or do not mix."""
    pairs = []
    for strong, weak in zip(ladder, ladder[1:], strict=False):
        if weak.has_seen_less:
            break
        if strong.trouble is None and weak.trouble is None:
            pairs.append(_Pair(strong, weak))
    return pairs


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
