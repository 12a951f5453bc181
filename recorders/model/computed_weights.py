"""Weights that a module computes from its parameters: parametrizations, and hooks of the old kind, as of pruning."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from ...dynamics.errors import RecordingError
from .parameters import clean_name, globs


@dataclass(frozen=True)
class EffectiveWeight:
    """A weight as the module uses it, and the module."""

    owner: nn.Module
    compute: Callable[[nn.Module], Tensor]


def effective_weights(model: nn.Module, select: str | Sequence[str] | None) -> dict[str, EffectiveWeight]:
    """Return the weights that *model* computes from parameters, by the name that each would have as a parameter.

    select None leaves out those of modules without a parameter that requires a gradient.
    """
    found = {}
    for path, module in model.named_modules():
        if select is None and not any(parameter.requires_grad for parameter in module.parameters()):
            continue
        # A compiled module and its wrapper answer alike, under the same clean name.
        prefix = f"{clean}." if (clean := clean_name(path, model)) else ""
        if parametrize.is_parametrized(module):
            for key, _ in module.get_submodule("parametrizations").named_children():
                found[f"{prefix}{key}"] = EffectiveWeight(module, _parametrized(module, key))
        for hook in module._forward_pre_hooks.values():
            if (hooked := _hooked(module, hook)) is not None:
                found[f"{prefix}{hooked[0]}"] = EffectiveWeight(module, hooked[1])
    wanted = ["*"] if select is None else globs(select)
    return {name: weight for name, weight in found.items() if any(fnmatchcase(name, glob) for glob in wanted)}


def _parametrized(module: nn.Module, key: str) -> Callable[[nn.Module], Tensor]:
    def compute(_: nn.Module) -> Tensor:
        if not parametrize.is_parametrized(module, key):
            raise RecordingError(f"the parametrization of {key!r} was taken out of the model")
        parametrization = module.get_submodule(f"parametrizations.{key}")
        # In training, spectral_norm and its like change their own state whenever the weight is asked for.
        training = [each for each in parametrization.modules() if each.training]
        for each in training:
            each.training = False
        try:
            with torch.no_grad():
                return parametrization().detach()
        finally:
            for each in training:
                each.training = True

    return compute


def _hooked(module: nn.Module, hook: object) -> tuple[str, Callable[[nn.Module], Tensor]] | None:
    """Return the weight that a hook of the old kind computes before each forward pass, and its name."""
    if isinstance(hook, WeightNorm):
        return hook.name, _without_gradient(lambda: hook.compute_weight(module))
    if isinstance(hook, SpectralNorm):
        return hook.name, _without_gradient(lambda: hook.compute_weight(module, do_power_iteration=False))
    if isinstance(hook, BasePruningMethod):
        return hook._tensor_name, _without_gradient(lambda: hook.apply_mask(module))
    return None


def _without_gradient(function: Callable[[], Tensor]) -> Callable[[nn.Module], Tensor]:
    def compute(_: nn.Module) -> Tensor:
        with torch.no_grad():
            return function().detach()

    return compute
