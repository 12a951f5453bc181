"""Taking checkpoints of a training under way: what is kept, and at which moment.

Checkpoint k is where the loop can go on: the beginning of iteration k. What gives random numbers and data (generators,
loaders), and the model's buffers, is taken when step k - 1 has been made, before anything of iteration k is drawn. What
a loop changes after its step (schedulers, scalers, parameters) is taken when step k begins, just before its update.
"""

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from ...dynamics.errors import SettingError
from ..file.checkpoint_log import CheckpointLog
from ..model.parameters import clean_name, unwrap
from .encoding import Encoder
from .generators import global_states, is_generator, state_of

# What torch calls the state that is no tensor of its module's.
EXTRA = "_extra_state"
# No step is so late.
NEVER = 2**62


@dataclass
class _Before:
    """What is taken before anything of a step is drawn."""

    step: int
    generators: dict[str, Any]
    buffers: dict[str, Tensor]
    more: dict[int, Any] = field(default_factory=dict)


class Keeper:
    """Takes the checkpoints of a training at its first step, at each K-th, and at the end.

    *watch* is the first step at whose beginning it has to be asked, *armed* says when it has to be after a step.
    """

    def __init__(self, every: int, model: nn.Module, log: CheckpointLog, *, step: int):
        self._every, self._model, self._log = every, unwrap(model), log
        self._more: list[Any] = []
        self._find: Callable[[], Iterable[Any]] = tuple
        self.begin_at(step)

    def begin_at(self, step: int) -> None:
        """Count the first step as *step*."""
        self._before: _Before | None = self._draw(step)
        self.watch, self.armed = step, NEVER

    def add(self, more: Sequence[Any]) -> None:
        """Keep these too; raises SettingError for what has no state that can be kept."""
        for each in more:
            if not is_generator(each) and not _has_state(each):
                raise SettingError(
                    f"keep() got {type(each).__name__}: it takes what has state_dict() and load_state_dict(), and "
                    "random generators"
                )
            Encoder({}).encode(_state(each), type(each).__name__)
        self._more += [each for each in more if not any(each is known for known in self._more)]
        if self._before is not None:
            self._before = self._draw(self._before.step)

    def find(self, more: Callable[[], Iterable[Any]]) -> None:
        """Ask *more* before each checkpoint for what else there is to keep."""
        self._find = more

    def before_step(self, step: int, optimizers: Sequence[Optimizer]) -> None:
        """At the beginning of a step: take what is due, and say when to be asked again."""
        before, self._before, self.armed = self._before, None, NEVER
        if before is not None and before.step == step:
            self._take(before, optimizers)
        if self.watch == NEVER:
            return
        following = (step // self._every + 1) * self._every
        self.watch = following - 1
        if self.watch == step:
            self.watch = self.armed = following

    def after_step(self, steps: int) -> None:
        """When the step before an armed one has been made, by each of its optimizers."""
        try:
            self._before = self._draw(steps)
        except Exception as error:
            self._give_up(str(error))

    def at_end(self, step: int, optimizers: Sequence[Optimizer]) -> None:
        """Take the checkpoint of the final row, from which a training is made longer."""
        if self.watch != NEVER:
            before = self._before if self._before is not None and self._before.step == step else self._draw(step)
            self._take(before, optimizers)
        self.close()

    def close(self) -> None:
        """Take none any more."""
        self.watch = self.armed = NEVER
        self._log.close()

    def _draw(self, step: int) -> _Before:
        buffers = {name: each.detach().clone() for name, each in _persistent(self._model) if not _is_parameter(each)}
        more = {k: _state(each) for k, each in enumerate(self._more) if _gives_data(each)}
        return _Before(step, global_states(), buffers, more)

    def _take(self, before: _Before, optimizers: Sequence[Optimizer]) -> None:
        """Write a checkpoint. What cannot be kept costs the training its further checkpoints, and nothing else."""
        try:
            self._note_found()
            arrays: dict[str, np.ndarray] = {}
            self._log.append(before.step, self._encoded(before, optimizers, Encoder(arrays)), arrays)
        except OSError:
            # The disk, which the rows need as well.
            raise
        except Exception as error:
            self._give_up(str(error) or type(error).__name__)

    def _encoded(self, before: _Before, optimizers: Sequence[Optimizer], encoder: Encoder) -> dict[str, Any]:
        state = dict(_persistent(self._model)) | before.buffers
        names = {id(each): name for name, each in _persistent(self._model)}
        more = [before.more[k] if k in before.more else _state(each) for k, each in enumerate(self._more)]
        return {
            "version": 1,
            "model": encoder.encode({name: each.detach() for name, each in state.items()}, "model"),
            **({"extra": encoder.encode(extra, "extra")} if (extra := _extra(self._model)) else {}),
            "optimizers": [
                {
                    "kind": type(each).__name__,
                    "parameters": [names.get(id(p)) for group in each.param_groups for p in group["params"]],
                    "state": encoder.encode(each.state_dict(), f"optimizer/{k}"),
                }
                for k, each in enumerate(optimizers)
            ],
            "more": [
                {"kind": type(each).__name__, "state": encoder.encode(state, f"more/{k}")}
                for k, (each, state) in enumerate(zip(self._more, more, strict=True))
            ],
            "generators": encoder.encode(before.generators, "generators"),
        }

    def _note_found(self) -> None:
        found = [each for each in self._find() if not any(each is known for known in self._more)]
        self._more += found

    def _give_up(self, reason: str) -> None:
        self.close()
        warnings.warn(f"no further checkpoints are kept: {reason}", RuntimeWarning, stacklevel=6)


def check_pace(every: Any) -> None:
    """Raise SettingError for what is no number of steps between checkpoints."""
    if every is not None and (not isinstance(every, Integral) or isinstance(every, bool) or every < 1):
        raise SettingError(f"checkpoint_every={every!r} is no whole number of steps, 1 or more")


def checkpoint_bytes(model: nn.Module, optimizers: Sequence[Optimizer]) -> int:
    """Return what a checkpoint takes at most, to some kilobytes: the model, and twice what is trained, as of Adam."""
    held = sum(each.nbytes for _, each in _persistent(unwrap(model)))
    trained = {id(p): p.nbytes for each in optimizers for group in each.param_groups for p in group["params"]}
    return held + 2 * sum(trained.values()) + 2**14


def all_checkpoints_bytes(model: nn.Module, optimizers: Sequence[Optimizer], every: int | None, steps: int) -> int:
    """Return what the checkpoints of a training of so many steps take at most: none without a pace."""
    return 0 if every is None else checkpoint_bytes(model, optimizers) * (2 + (steps - 1) // every)


def _persistent(model: nn.Module) -> list[tuple[str, Tensor]]:
    """Return what the state of a model is made of, by clean names; further names of the same tensor are left out."""
    kept = {name: each for name, each in nn.Module.state_dict(model, keep_vars=True).items() if not _is_extra(name)}
    named = {id(value): (clean_name(name, model), value) for name, value in reversed(kept.items())}
    return [*reversed(named.values())]


def _extra(model: nn.Module) -> dict[str, Any]:
    """Return what modules keep beside their tensors, by get_extra_state()."""
    kept = nn.Module.state_dict(model, keep_vars=True)
    return {clean_name(name, model): value for name, value in kept.items() if _is_extra(name)}


def _is_extra(name: str) -> bool:
    return name.rpartition(".")[2] == EXTRA


def _is_parameter(tensor: Tensor) -> bool:
    return isinstance(tensor, nn.Parameter)


def _gives_data(value: Any) -> bool:
    return is_generator(value) or isinstance(value, DataLoader)


def _has_state(value: Any) -> bool:
    return callable(getattr(value, "state_dict", None)) and callable(getattr(value, "load_state_dict", None))


def _state(value: Any) -> Any:
    return state_of(value) if is_generator(value) else value.state_dict()
