"""Going on from a checkpoint: model, optimizers, schedulers and generators as they were at a step."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ...dynamics.errors import SettingError
from ..checkpoints.restore import listed
from ..model.optimizers import stepping_optimizers
from ..model.parameters import clean_name, local, unwrap
from ..reading.recording import Recording
from .encoding import decode
from .generators import is_generator, set_global_states, set_state
from .kept import Checkpoint, checkpoint_of
from .taking import EXTRA


def resume_into(recording: Recording, model: nn.Module, optimizer: Any, *more: Any, step: int) -> int:
    """Put a training into the state of the checkpoint of a step, and return the step.

    Parameters and buffers go into *model*, the optimizer's state and settings into *optimizer* (one, or several in the
    order in which they were attached), the states of what was kept besides into *more*, each into the next one of its
    class, and those of the generators of torch, NumPy and Python into these. Make all of them first, as for a new
    training: a scheduler that is made later changes the learning rate.
    Raises SettingError for a step without a checkpoint, naming the nearest, and for what does not fit; the model and
    the optimizers are as they were then.
    """
    checkpoint = checkpoint_of(recording, step)
    optimizers = stepping_optimizers(model, optimizer)
    targets = check_model(checkpoint, recording, model)
    states = [
        _ordered(optimizer, kept, decode(kept["state"], checkpoint.read), model)
        for optimizer, kept in _pairs(checkpoint, recording, optimizers)
    ]
    matched = _matched(checkpoint, recording, more)
    load_model(checkpoint, targets)
    load_extra(checkpoint, model)
    for each, state in matched:
        set_state(each, state) if is_generator(each) else each.load_state_dict(state)
    # Last, because what was made of an optimizer may change its learning rates.
    for each, state in zip(optimizers, states, strict=True):
        load_optimizer(each, state)
    set_global_states(decode(checkpoint.state["generators"], checkpoint.read))
    return checkpoint.step


def load_model(checkpoint: Checkpoint, targets: dict[str, Tensor]) -> None:
    """Copy the parameters and buffers of a checkpoint into these."""
    state = decode(checkpoint.state["model"], checkpoint.read)
    with torch.no_grad():
        for name, value in state.items():
            local(targets[name]).copy_(value)


def load_extra(checkpoint: Checkpoint, model: nn.Module) -> None:
    """Give the modules what they had beside their tensors."""
    root, extra = unwrap(model), {}
    if "extra" in checkpoint.state:
        extra = decode(checkpoint.state["extra"], checkpoint.read)
    for path, module in root.named_modules():
        name = clean_name(f"{path}.{EXTRA}" if path else EXTRA, root)
        if name in extra:
            module.set_extra_state(extra[name])


def load_optimizer(optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Put an optimizer into a state, each tensor in the precision that it had.

    ``load_state_dict`` alone casts what is of floating point to the dtype of its parameter.
    """
    optimizer.load_state_dict(state)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for k, kept in state["state"].items():
        mine = optimizer.state[parameters[k]] if isinstance(k, int) else {}
        for name, value in kept.items() if isinstance(mine, dict) else ():
            found = mine.get(name)
            if isinstance(found, Tensor) and isinstance(value, Tensor) and found.dtype != value.dtype:
                mine[name] = value.to(found.device)


def check_model(checkpoint: Checkpoint, recording: Recording, model: nn.Module) -> dict[str, Tensor]:
    """Return the model's tensors by their names; raises SettingError unless they are those of the checkpoint."""
    root = unwrap(model)
    kept = nn.Module.state_dict(root, keep_vars=True)
    targets = {
        clean_name(name, root): value
        for name, value in kept.items()
        if isinstance(value, Tensor) and name.rpartition(".")[2] != EXTRA
    }
    state = decode(checkpoint.state["model"], checkpoint.read)
    held = {id(targets[name]) for name in state if name in targets}
    unknown = [name for name in state if name not in targets]
    missing = [name for name, value in targets.items() if id(value) not in held]
    if unknown or missing:
        whose = f"the model has no {listed(unknown)}" if unknown else f"the checkpoint has no {listed(missing)}"
        raise SettingError(f"{recording.path} is of another model: {whose}; give the model it is of")
    for name, value in state.items():
        if local(targets[name]).shape != value.shape:
            found = tuple(local(targets[name]).shape)
            raise SettingError(
                f"{name} is {tuple(value.shape)} in {recording.path} and {found} in the model; give the model it is of"
            )
    return targets


def _pairs(
    checkpoint: Checkpoint, recording: Recording, optimizers: Sequence[Optimizer]
) -> list[tuple[Optimizer, Any]]:
    """Return each optimizer with what was kept of it; raises SettingError for others than those."""
    kept = checkpoint.state["optimizers"]
    given, wanted = [type(each).__name__ for each in optimizers], [each["kind"] for each in kept]
    if given != wanted:
        raise SettingError(
            f"resume_into() got {', '.join(given) or 'no optimizer'}, and {recording.path} was trained with "
            f"{', '.join(wanted) or 'none'}; give the same, in that order"
        )
    return list(zip(optimizers, kept, strict=True))


def _ordered(optimizer: Optimizer, kept: Any, state: dict[str, Any], model: nn.Module) -> dict[str, Any]:
    """Return the state of an optimizer with its parameters in the order of this one, which they are told apart by.

    ``load_state_dict`` goes by position alone.
    """
    root = unwrap(model)
    kept_names = reversed(nn.Module.state_dict(root, keep_vars=True).items())
    named = {id(p): clean_name(name, root) for name, p in kept_names}
    names = [named.get(id(p)) for group in optimizer.param_groups for p in group["params"]]
    sizes = [len(group["params"]) for group in optimizer.param_groups]
    if sizes != [len(group["params"]) for group in state["param_groups"]]:
        raise SettingError(
            f"the {type(optimizer).__name__} optimizer has groups of {sizes} parameters, and that of the checkpoint of "
            f"{[len(group['params']) for group in state['param_groups']]}; make it as it was made"
        )
    if names != kept["parameters"]:
        raise SettingError(
            f"the {type(optimizer).__name__} optimizer has its parameters in another order than the checkpoint, and "
            "its state goes by their order; make it as it was made"
        )
    return state


def _matched(checkpoint: Checkpoint, recording: Recording, more: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Return each of *more* with the next state that was kept of its class."""
    left, found = [*checkpoint.state["more"]], []
    for each in more:
        kind = type(each).__name__
        kept = next((other for other in left if other["kind"] == kind), None)
        if kept is None:
            known = ", ".join(other["kind"] for other in checkpoint.state["more"]) or "none"
            raise SettingError(
                f"{recording.path} has no state of a {kind} that is left at step {checkpoint.step}; it has: {known}. "
                "recorder.keep(…) keeps what is given to it"
            )
        left.remove(kept)
        found.append((each, decode(kept["state"], checkpoint.read)))
    if left:
        names = ", ".join(other["kind"] for other in left)
        warnings.warn(
            f"resume_into() was not given the {names} of {recording.path}, so that the training goes on otherwise than "
            "it did; give what recorder.keep() was given",
            UserWarning,
            stacklevel=3,
        )
    return found
