"""The local learning coefficient of any network, from minibatches, where its loss has no closed form."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import SettingError
from .llc import LlcEstimate
from .mixing import split_rhat

# Steps of the search, from long to short, as fractions of 1 / nβ; draws of a trial, and draws that count.
_STEPS = tuple(10 ** (1 - k / 2) for k in range(12))
_TRIAL, _CHAINS = 100, 4
# A step is taken where the virial is within this of 1; chains agree where R-hat is below the second.
_VIRIAL, _RHAT, _MOST_BELOW = 0.1, 1.1, 0.05


@dataclass(frozen=True, eq=False)
class BatchedLoss:
    """The loss of a network: losses(model, batch) gives one for each example, (examples,); batches are those there are.

    The number of examples in all batches together is n, and the resolution n / log n.
    """

    model: nn.Module
    losses: Callable[[nn.Module, Any], Tensor]
    batches: Sequence[Any]


class _Loss(nn.Module):
    def __init__(self, loss: BatchedLoss):
        super().__init__()
        self.model, self._losses = loss.model, loss.losses

    def forward(self, batch: Any) -> Tensor:
        return self._losses(self.model, batch)


def estimate_on_batches(
    loss: BatchedLoss, point: Mapping[str, Any], *, seed: int = 0, draws: int = 400, gamma: float = 100.0
) -> LlcEstimate:
    """Return λ at the parameters *point* by Langevin dynamics on minibatches, nβ E[L_B(w') - L_B(w)], or why not.

    w' ← w' - ε/2 (nβ ∇L_B + γ δ) + √ε N(0, 1). The loss of the point is taken on the same batches B, whose noise then
    cancels. The longest step ε is used at which the virial E[δ·∇U]/d is within 0.1 of 1; γ and γ/2 are extrapolated.
    It is coarse: a step of that length adds up to 10 %, the error is that of four chains, and below counts the chains
    whose mean loss is below that of the point.

    Raises SettingError where there are fewer than two examples or a parameter is missing.
    Source: Lau et al. 2023, arXiv 2308.12108, for the sampler.
    """
    sampler = _Langevin(loss, point, seed)
    scales = [step / sampler.n_beta for step in _STEPS]
    chosen = next((scale for scale in scales if sampler.fits(scale, gamma)), None)
    if chosen is None:
        return LlcEstimate(None, None, "no step was found at which the virial is near 1", None, sampler.n_beta)
    runs = [sampler.run(chosen, each, draws) for each in (gamma, gamma / 2)]
    return _judged(sampler.n_beta, gamma, runs)


@dataclass(frozen=True, eq=False)
class _Run:
    excess: np.ndarray
    virial: float


def _judged(n_beta: float, gamma: float, runs: Sequence[_Run]) -> LlcEstimate:
    strong, weak = runs
    chains = 2 * weak.excess.mean(axis=0) - strong.excess.mean(axis=0)
    rhat = max(float(split_rhat(run.excess)) for run in runs)
    below = float(np.mean([(run.excess.mean(axis=0) < 0).mean() for run in runs]))
    virial = max((run.virial for run in runs), key=lambda virial: abs(virial - 1))
    verdict = "ok"
    if below > _MOST_BELOW:
        verdict = f"{100 * below:.0f} % of the chains are below the point: not a minimum"
    elif not rhat < _RHAT:
        verdict = f"the chains do not mix: R-hat {rhat:.2f}"
    elif abs(virial - 1) > 2 * _VIRIAL:
        verdict = f"the chains do not mix: virial {virial:.2f}, not 1"
    is_given = verdict == "ok"
    return LlcEstimate(
        llc=float(chains.mean()) if is_given else None,
        error=float(chains.std(ddof=1) / math.sqrt(len(chains))) if is_given else None,
        verdict=verdict,
        effective_dimension=None,
        n_beta=n_beta,
        localisations=(gamma, gamma / 2),
        values=tuple(float(run.excess.mean()) for run in runs),
        below=below,
        virial=virial,
        rhat=rhat,
    )


class _Langevin:
    """Chains of one network, each a row of flat parameters (chains, d)."""

    def __init__(self, loss: BatchedLoss, point: Mapping[str, Any], seed: int):
        from torch.func import functional_call, grad_and_value, vmap

        wrapped = _Loss(loss)
        trained = dict(loss.model.named_parameters())
        missing = [name for name in trained if name not in point]
        if missing:
            raise SettingError(f"point has no {missing[0]}, which the model has; record all parameters")
        arrays = [torch.as_tensor(np.asarray(point[name]), dtype=each.dtype) for name, each in trained.items()]
        self._shapes = [each.shape for each in arrays]
        self._start = torch.cat([each.reshape(-1) for each in arrays])
        names = [f"model.{name}" for name in trained]
        self._batches, self._seed = loss.batches, seed

        def mean_loss(flat: Tensor, batch: Any) -> Tensor:
            pieces = flat.split([shape.numel() for shape in self._shapes])
            parameters = {
                name: piece.view(shape) for name, piece, shape in zip(names, pieces, self._shapes, strict=True)
            }
            return functional_call(wrapped, parameters, (batch,)).mean()

        self._loss = mean_loss
        self._slopes = vmap(grad_and_value(mean_loss), in_dims=(0, None), randomness="different")
        with torch.no_grad():
            self._base = [float(mean_loss(self._start, batch)) for batch in loss.batches]
            count = sum(len(loss.losses(loss.model, batch)) for batch in loss.batches)
        if count < 2:
            raise SettingError(f"the batches hold {count} examples; give two or more")
        self.n_beta = count / math.log(count)

    def fits(self, scale: float, gamma: float) -> bool:
        """Return whether the virial is near 1 at a step of this length."""
        return abs(self.run(scale, gamma, _TRIAL).virial - 1) < _VIRIAL

    def run(self, scale: float, gamma: float, draws: int) -> _Run:
        """Return what the second half of so many draws tell, after as many that do not count."""
        generator = torch.Generator().manual_seed(self._seed)
        flat = self._start.repeat(_CHAINS, 1)
        excess, virials = [], []
        for draw in range(2 * draws):
            k = int(torch.randint(len(self._batches), (), generator=generator))
            slope, value = self._slopes(flat, self._batches[k])
            pull = self.n_beta * slope + gamma * (flat - self._start)
            if draw >= draws:
                excess.append(self.n_beta * (value.detach() - self._base[k]))
                virials.append(float(((flat - self._start) * pull).sum() / flat.numel()))
            noise = torch.randn(flat.shape, generator=generator, dtype=flat.dtype)
            flat = (flat - scale / 2 * pull + math.sqrt(scale) * noise).detach()
            if not flat.isfinite().all():
                return _Run(np.full((draws, _CHAINS), np.nan), math.nan)
        return _Run(torch.stack(excess).double().numpy(), float(np.mean(virials)))
