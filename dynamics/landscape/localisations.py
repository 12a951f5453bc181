"""λ at several localisations: which draws may be trusted, and from which two of them it is extrapolated."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile

import numpy as np

from .hamiltonian import Draws
from .mixing import controlled_means, split_rhat, virial_of

# Of the draws so many may be below the point, whose loss rounding and the search for it leave uncertain by this much.
MOST_BELOW, _UNCERTAIN = 0.05, 0.05
# What chains that mix show in so many draws: split R-hat, acceptance, and the virial beside 1, to which three errors
# are added. In fewer draws the same excess of R-hat² over 1 is expected of chance, the more the fewer.
_DRAWS = 200
_RHAT, _ACCEPTED, _VIRIAL = 1.05, 0.5, 0.03
# The error that the virial of one direction has at most where the draws are many enough, threefold.
_VIRIAL_NOISE = 0.3
# The virial of a direction controls the mean where its own R-hat is below this.
_STEADY = 1.03
# Two pairs of localisations agree within this fraction, or three of their errors.
_AGREEING = 0.01
# A pair that knows λ to within this fraction confirms another.
_PRECISE = 0.005


@dataclass(frozen=True, eq=False)
class Rung:
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
    draws: int
    acceptance: float

    @property
    def value(self) -> float:
        """nβ E[L - L₀]."""
        return float(self.means.mean())

    @property
    def trouble(self) -> str | None:
        """What speaks against it, in words."""
        if self.below > MOST_BELOW:
            return f"{100 * self.below:.0f} % of the draws are below the point: not a minimum"
        if not self.rhat < _allowed(_RHAT, self.draws):
            return f"the chains do not mix: R-hat {self.rhat:.2f}"
        if self.acceptance < _ACCEPTED:
            return f"the chains do not mix: one accepts {100 * self.acceptance:.0f} % of its moves"
        noise = _VIRIAL_NOISE * np.sqrt(_scarcity(self.draws) / self.size)
        if abs(self.virial - 1) > _VIRIAL + min(3 * self.virial_error, noise):
            return f"the chains do not mix: virial {self.virial:.2f}, not 1"
        return None

    @property
    def is_steady(self) -> bool:
        """Whether its slowest direction has mixed too."""
        return self.slowest < _allowed(_RHAT, self.draws)

    @property
    def has_seen_less(self) -> bool:
        """Whether the loss is less than the point's somewhere within reach."""
        return self.lowest < -_UNCERTAIN


def _scarcity(draws: int) -> float:
    return max(1.0, _DRAWS / draws)


def _allowed(rhat: float, draws: int) -> float:
    """Return the R-hat at so many draws that is as likely by chance as this one at 200."""
    return float(np.sqrt(1 + (rhat**2 - 1) * _scarcity(draws)))


def rung_of(drawn: Draws, group: int, localisation: float, above: float) -> Rung:
    """Return what the draws of one group tell, of a point that is *above* the bottom by so much in nβ(L - L₀)."""
    excess, virials = drawn.excess[:, group].numpy() + above, drawn.virial[:, group].numpy()
    virial, virial_error = virial_of(virials)
    rhats = split_rhat(virials)
    return Rung(
        localisation=localisation,
        # What has not mixed has no mean of 0 yet, and would put its error for that of the loss.
        means=controlled_means(excess, virials[..., rhats < _allowed(_STEADY, len(excess))] - 1),
        below=float((excess < -_UNCERTAIN).mean()),
        lowest=float(drawn.lowest[group]) + above,
        virial=virial,
        virial_error=virial_error,
        rhat=float(split_rhat(excess)),
        slowest=float(rhats.max()),
        size=virials.shape[-1],
        draws=len(excess),
        acceptance=float(drawn.acceptance[group].min()),
    )


@dataclass(frozen=True, eq=False)
class Pair:
    """Two neighbouring localisations, and λ extrapolated from them for each chain."""

    strong: Rung
    weak: Rung

    @property
    def extrapolated(self) -> np.ndarray:
        """(γ λ(γ') - γ' λ(γ)) / (γ - γ') of each chain, (chains,)."""
        ratio = self.strong.localisation / self.weak.localisation
        return (ratio * self.weak.means - self.strong.means) / (ratio - 1)

    @property
    def value(self) -> float:
        """λ."""
        return float(self.extrapolated.mean())

    @property
    def error(self) -> float:
        """Its standard error over the chains."""
        each = self.extrapolated
        return float(each.std(ddof=1) / np.sqrt(len(each)))

    def agrees_with(self, other: "Pair") -> bool:
        """Return whether both tell the same λ."""
        apart = abs(self.value - other.value)
        return apart <= max(_AGREEING * abs(self.value), 3 * float(np.hypot(self.error, other.error)))


def best(pairs: Sequence[Pair]) -> tuple[int, float]:
    """Return which pair to believe, and its error: that of its draws, and how far the next pair is.

    With that pair all weaker ones agree; of several the one with the least error.
    """
    agreeing = [k for k, pair in enumerate(pairs) if all(pair.agrees_with(weaker) for weaker in pairs[k + 1 :])]
    errors = {k: float(np.hypot(pairs[k].error, _apart(pairs, k))) for k in agreeing}
    at = min(agreeing, key=errors.__getitem__)
    return at, errors[at]


def _apart(pairs: Sequence[Pair], at: int) -> float:
    """Return how far the next pair is, or of the last the one before, or of a single one its weaker half."""
    beside = pairs[at + 1 : at + 2] or pairs[at - 1 : at]
    return abs(pairs[at].value - (beside[0].value if beside else pairs[at].weak.value))


def is_settled(pairs: Sequence[Pair], at: int) -> bool:
    """Return whether the localisation hardly matters any more, or a weaker pair that knows confirms it."""
    chosen = pairs[at]
    precise = _PRECISE * abs(chosen.value)
    confirmed = any(pair.error < precise and chosen.agrees_with(pair) for pair in pairs[at + 1 :])
    return confirmed or abs(chosen.value - chosen.weak.value) < precise


def usable_pairs(ladder: list[Rung]) -> list[Pair]:
    """Return the pairs of neighbours that mix, from the first that does up to one that does not or sees less.

    What is beyond one that does not mix is no better explored: chains that stay in one arm of (ab)² look as if they
    mixed there.
    """
    first = next((k for k, rung in enumerate(ladder) if _is_usable(rung)), len(ladder))
    return [Pair(strong, weak) for strong, weak in pairwise(takewhile(_is_usable, ladder[first:]))]


def _is_usable(rung: Rung) -> bool:
    return rung.trouble is None and rung.is_steady and not rung.has_seen_less
