"""The optimizers whose steps are recorded: those given, or those within them where only these have hooks."""

import warnings
from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer

from ...dynamics.errors import SettingError


def stepping_optimizers(model: nn.Module, given: Any) -> list[Optimizer]:
    """Return the optimizers whose hooks tell of the steps of what was *given*: one, several or None.

    A wrapper without hooks (accelerate's, Lightning Fabric's, whoever never called Optimizer.__init__) is taken off.
    Raises SettingError for what is no optimizer, and for one whose steps cannot be seen.
    """
    listed = [] if given is None else [*given] if isinstance(given, Sequence) else [given]
    optimizers = [optimizer for each in listed if (optimizer := _with_hooks(each)) is not None]
    if not isinstance(model, nn.Module) or len(optimizers) < len(listed):
        shown = f"{type(model).__name__} and {type(given).__name__}"
        raise SettingError(f"attach() takes a torch.nn.Module and a torch.optim.Optimizer, or several, got {shown}")
    held = {id(p) for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    if optimizers and held.isdisjoint(map(id, model.parameters())):
        warnings.warn(
            "attach(): the optimizer steps none of the model's parameters, so that the recording may show no change; "
            "make the optimizer from model.parameters()",
            UserWarning,
            stacklevel=4,
        )
    return optimizers


def _with_hooks(given: Any) -> Optimizer | None:
    """Return the optimizer itself, or the one within it, that runs hooks at each step; None for what is none."""
    optimizer = given
    while not _has_hooks(optimizer):
        if not (callable(getattr(optimizer, "step", None)) and callable(getattr(optimizer, "zero_grad", None))):
            return None
        inner = _within(optimizer)
        if len(inner) != 1:
            raise _no_hooks(given, inner)
        optimizer = inner[0]
    return optimizer


def _has_hooks(optimizer: Any) -> bool:
    """Whether a step of *optimizer* runs hooks, as those of every Optimizer do that has called its __init__."""
    if not isinstance(optimizer, Optimizer) or not getattr(type(optimizer).step, "hooked", False):
        return False
    try:
        optimizer.register_step_pre_hook(_nothing).remove()
        optimizer.register_step_post_hook(_nothing).remove()
    except (AttributeError, NotImplementedError):
        return False
    return True


def _within(wrapper: Any) -> list[Optimizer]:
    """Return the optimizers that another one keeps among its attributes."""
    found = {id(value): value for value in getattr(wrapper, "__dict__", {}).values() if isinstance(value, Optimizer)}
    found.pop(id(wrapper), None)
    return [*found.values()]


def _no_hooks(given: Any, inner: Sequence[Optimizer]) -> SettingError:
    name = type(given).__name__
    held = f"and {len(inner)} optimizers in it" if inner else "and no optimizer in it"
    return SettingError(
        f"attach() cannot see the steps of {name}, which has no hooks (it never called Optimizer.__init__) {held}; "
        f"attach those that step, or attach(model, None, path) and call recorder.step() before each {name}.step()"
    )


def _nothing(*_: Any) -> None:
    """Do nothing: a hook that is taken off at once."""
