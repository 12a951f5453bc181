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
from .hamiltonian import BatchLoss, Draws, Wells, draw
from .localisations import Rung, best, is_settled, rung_of, usable_pairs
from .resting_points import LOCALISATIONS, RestingPoint

# Of a direction that curves along itself, as a rotation does, draws see this width at first: so many (2 nβ)^(-1/4).
_CAP = 0.7
_WARMUP = 100
# What estimate() takes in its coarse setting: enough for many rows, where the localisation need not be searched for.
COARSE = {"chains": 8, "draws": 48, "warmup": 40, "localisations": 2}
# Of λ so much may be unknown for a number to be given.
_UNDECIDED = 0.25
_WITHIN_REACH = "the loss is less than the point's within reach"
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
    fewest accepted, n_beta the resolution. effective_dimension is Σ_k nβh_k / (nβh_k + γ) over the curvatures h_k > 0
    of the Hessian: twice λ, were the point regular.
    Where nothing was looked at, they are None.
    """

    llc: float | None
    error: float | None
    verdict: str
    effective_dimension: float | None
    n_beta: float | None
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
    warmup: int = _WARMUP,
    localisations: int = len(LOCALISATIONS),
) -> LlcEstimate:
    """Return λ of a loss at a critical point w, λ = lim nβ E[L - L(w)] over exp(-nβ(L - L(w)) - γ/2 |δ|²), or why not.

    loss takes float64 tensors (chains, d) and returns (chains,); it has to have a gradient, and always to be over the
    same data. The draws are those of Hamiltonian dynamics in the eigenvectors of the Hessian, at ten localisations γ.
    Of those whose chains mix and never see a loss below the point's, a pair with which all weaker ones agree is
    extrapolated, λ = (3.16 λ(γ/3.16) - λ(γ)) / 2.16. The identity E[δ_k ∂_k U] = 1 for each direction serves as a
    control variate.

    A point that is not quite at rest, as the row of a training with noise, is measured from the bottom that its slope
    foretells, at a resolution lowered until the bottom is half a unit of nβ L below. Refused, with the reason as the
    verdict, are slopes, saddles, points with draws below them, and chains that do not mix.

    *localisations* is how many of the ten are drawn at, from the strongest; **COARSE is the setting for many rows: it
    takes a twentieth of the time, and has not looked at what only weak localisations show. A loss that has a
    value_and_slope(theta) of its own, as OneHotLoss has, needs no graph.

    Shapes: point (d,) with d <= 600. Raises SettingError for other points and numbers that make no sense.
    """
    points = np.asarray(point)[None]
    effort = {"chains": chains, "draws": draws, "warmup": warmup, "localisations": localisations}
    return estimate_each(loss, points, seed=seed, n_beta=n_beta, **effort)[0]


def estimate_each(
    loss: BatchLoss,
    points: Any,
    *,
    seed: int = 0,
    n_beta: float = 1e10,
    chains: int = 8,
    draws: int = 200,
    warmup: int = _WARMUP,
    localisations: int = len(LOCALISATIONS),
) -> list[LlcEstimate]:
    """Return what estimate() does of each of the *points* (P, d) of one loss, drawn as one batch.

    Raises SettingError as estimate() does.
    """
    theta = _checked(points, chains, draws)
    if not 2 <= localisations <= len(LOCALISATIONS):
        raise SettingError(f"localisations={localisations}: give 2 to {len(LOCALISATIONS)} of them")
    if not n_beta > 0:
        raise SettingError(f"n_beta={n_beta} is no resolution; give a number above 0, such as 1e10")
    places = [RestingPoint.of(loss, each, n_beta) for each in theta]
    usable = [place for place in places if place.refusal is None]
    ladders: dict[int, list[Rung]] = {}
    if usable:
        generator = torch.Generator().manual_seed(seed)
        wells = _wells(loss, usable, localisations)
        drawn = draw(wells, chains=chains, warmup=warmup, draws=draws, generator=generator)
        ladders = {id(place): _rungs(drawn, place, k, localisations) for k, place in enumerate(usable)}
    return [_judged(place, ladders.get(id(place), [])) for place in places]


def _checked(points: Any, chains: int, draws: int) -> Tensor:
    theta = torch.as_tensor(np.asarray(points, dtype=np.float64))
    if theta.ndim != 2 or not theta.shape[1] or not theta.isfinite().all():
        raise SettingError(f"point has shape {tuple(theta.shape[1:])}; give finite numbers (d,)")
    if theta.shape[1] > MOST_PARAMETERS:
        raise SettingError(
            f"point has {theta.shape[1]} parameters, against {MOST_PARAMETERS}; sample it on minibatches"
        )
    if chains < 4 or chains % 2 or draws < 40:
        raise SettingError(f"chains={chains}, draws={draws}: give an even number of 4 chains or more, and 40 draws")
    return theta


def _wells(loss: BatchLoss, places: Sequence[RestingPoint], count: int) -> Wells:
    """Return a well at each localisation of each place, the places one after the other."""
    beta = torch.tensor([place.n_beta for place in places], dtype=torch.float64).repeat_interleave(count)
    stiff = torch.cat([(place.n_beta * place.curvatures.abs()).expand(count, -1) for place in places])
    localisation = torch.tensor(
        [gamma for place in places for gamma in place.localisations[:count]], dtype=torch.float64
    )
    scale = (stiff + localisation[:, None]).rsqrt()
    return Wells(
        loss=loss,
        points=torch.stack([place.theta for place in places]).repeat_interleave(count, dim=0),
        basis=torch.stack([place.basis for place in places]).repeat_interleave(count, dim=0),
        scale=torch.minimum(scale, (_CAP * (2 * beta) ** -0.25)[:, None]),
        localisation=localisation,
        n_beta=beta,
    )


def _rungs(drawn: Draws, place: RestingPoint, at: int, count: int) -> list[Rung]:
    gammas = place.localisations[:count]
    return [rung_of(drawn, at * count + k, gamma, place.above) for k, gamma in enumerate(gammas)]


def _judged(place: RestingPoint, ladder: list[Rung]) -> LlcEstimate:
    """Choose the localisations and return what they say."""
    if place.refusal is not None:
        return _refused(place, [], place.refusal)
    if (trouble := ladder[0].trouble) is not None:
        return _refused(place, ladder[:1], trouble)
    pairs = usable_pairs(ladder)
    if not pairs:
        trouble = ladder[1].trouble or ("the chains do not mix" if not ladder[1].has_seen_less else _WITHIN_REACH)
        return _refused(place, ladder[:2], trouble)
    at, error = best(pairs)
    chosen = pairs[at]
    if error > _UNDECIDED * abs(chosen.value):
        return _refused(place, [chosen.strong, chosen.weak], "how far the draws may go decides it")
    return LlcEstimate(
        llc=chosen.value,
        error=error,
        verdict="ok" if is_settled(pairs, at) else "not settled: it grows as the draws may go further",
        effective_dimension=place.effective_dimension(chosen.weak.localisation),
        n_beta=place.n_beta,
        **_seen([chosen.strong, chosen.weak]),
    )


def _refused(place: RestingPoint, rungs: Sequence[Rung], reason: str) -> LlcEstimate:
    dimension = place.effective_dimension(rungs[-1].localisation if rungs else place.localisations[0])
    return LlcEstimate(None, None, reason, dimension, place.n_beta, **_seen(rungs))


def _seen(rungs: Sequence[Rung]) -> dict[str, Any]:
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
