"""What happens to the recorded parameters and makes no row: told once, with the way out, and for nothing a step.

A step of an optimizer that is not recorded is seen by a hook that torch runs for all of them. Parameters that change
without any step are seen at the end, those that begin to train when rows are written. Weights that somebody moves
between the gradient and the step are looked for in the first few steps only.
"""

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.hooks import RemovableHandle

from ...dynamics.errors import DynError
from ..model.parameters import Place, clean_name, globs, local, unwrap
from .compiling import set_apart, uncompiled

# So many steps are looked at closely, on so many elements of so many parameters; the first may move them by nothing.
_PROBED_STEPS, _SAMPLED, _PROBED_PARAMETERS = 3, 64, 8
_MOST_NAMED = 6
_OPTIMIZER_FILE = sys.modules[Optimizer.__module__].__file__


class Gaps:
    """Watches one training; :meth:`begin` and :meth:`end` put the hooks on and take them off."""

    def __init__(
        self,
        model: nn.Module,
        recorded: Mapping[str, Place],
        select: str | Sequence[str] | None,
        optimizers: Sequence[Optimizer],
    ):
        self._root, self._recorded, self._select = unwrap(model), recorded, select
        self._optimizers = tuple(optimizers)
        self._by_hand = False
        self._has_stepped = False
        self._told, self._untold = set[str](), list[str]()
        # Parameters as they were, a few elements of each, and how many of the model's could be recorded.
        self._start = {name: _sample(place.parameter()) for name, place in recorded.items()}
        self._count, self._held = self._trainable(), self._in_groups()
        # Optimizers that need no second look, and those of others over our parameters: the steps when theirs began.
        self._fine: WeakSet[Optimizer] = WeakSet()
        self._foreign: WeakKeyDictionary[Optimizer, int | None] = WeakKeyDictionary()
        # The usual optimizer, once it is not probed any more.
        self.own: Optimizer | None = None
        self._probes_left = _PROBED_STEPS if optimizers else 0
        self._at_gradient: dict[int, tuple[int, Any]] = {}
        self._hooks: list[Any] = []
        self._probe_hooks: list[Any] = []

    def begin(self, path: Path, steps_between: Callable[[], int | None], records: Callable[[Optimizer], bool]) -> None:
        """Begin to watch the training that is recorded at *path*.

        steps_between tells how many steps were taken, None while one is under way or when the recording has ended;
        records, whether rows are taken at the steps of an optimizer.
        """
        self._path, self._steps_between, self._records = path, steps_between, records
        self._first = steps_between()
        if not self._optimizers:
            return
        if is_within_step():
            # torch goes through its hooks for all optimizers at this moment.
            self._has_stepped = True
            self._hooks.append(self._optimizers[0].register_step_post_hook(lambda *_: _ANY_STEP.add(self)))
        else:
            _ANY_STEP.add(self)
        probed = [
            p for place in self._recorded.values() if id(p := place.parameter()) in self._held and _is_probable(p)
        ]
        for parameter in probed[:_PROBED_PARAMETERS]:
            # What cannot be probed is recorded all the same.
            with suppress(RuntimeError):
                self._probe_hooks.append(parameter.register_post_accumulate_grad_hook(self._note_gradient))

    def by_hand(self) -> None:
        """Leave the steps of others alone: the user says by recorder.step() when a row is due."""
        self._by_hand = True

    def look(self) -> None:
        """See whether parameters are trained now that are not recorded; cheap where nothing has changed."""
        if "unrecorded" in self._told:
            return
        count, held = self._trainable(), self._in_groups()
        if count == self._count and held <= self._held:
            return
        names = self._unrecorded(held - self._held)
        self._count = count
        if names:
            self._tell(
                "unrecorded",
                f"{_listed(names)} began to train after attach() and will not be recorded: a "
                "file that is being written takes no further parameters; name frozen ones at the start (select='*'), "
                "or close this recording and attach again with resume=True",
            )

    def tell_changed(self, names: Sequence[str]) -> None:
        """Tell that what is kept once has changed."""
        self._tell(
            "changed",
            f"{_listed(names)} changed, kept once at the start as a large buffer or a frozen parameter, so that later "
            "rows do not have the whole state; record such with each row: buffers=[…] or select=[…], with their names",
        )

    def conclude(self) -> None:
        """Look a last time, before the final row; what is seen is told by :meth:`tell_the_rest`."""
        self.look()
        is_seen = self._has_stepped or self._by_hand or self._steps_between() != self._first
        if not is_seen and "steps" not in self._told and self._has_changed():
            self._tell(
                "steps",
                "the parameters changed, but no step was seen, so that there is no row but the last: whatever stepped "
                "them is not the optimizer that was attached, or runs none of its hooks; attach that one (or the .base "
                "of a wrapper, or a list of optimizers), or call recorder.step() before each update",
            )

    def tell_the_rest(self) -> None:
        """Tell what could not be told within the training, where warnings are errors; the recording is whole by now."""
        untold, self._untold = self._untold, []
        for message in untold:
            warnings.warn(message, UserWarning, stacklevel=5)

    def end(self) -> None:
        """Take the hooks off."""
        self.own, self._probes_left = None, 0
        _ANY_STEP.remove(self)
        for hook in (*self._hooks, *self._probe_hooks):
            hook.remove()
        self._hooks, self._probe_hooks = [], []
        self._at_gradient.clear()

    @set_apart
    def before_unusual(self, optimizer: Optimizer) -> None:
        """See an optimizer that is about to step, and is not the one that does so all the time."""
        if optimizer in self._fine:
            return
        if optimizer in self._foreign:
            self._foreign[optimizer] = self._steps_between()
        elif self._records(optimizer):
            self._probe(optimizer)
        elif self._has_none_of_ours(optimizer):
            self._fine.add(optimizer)
        else:
            self._foreign[optimizer] = self._steps_between()
            self._hooks.append(optimizer.register_step_post_hook(self._after_foreign))

    @set_apart
    def _after_foreign(self, optimizer: Optimizer, *_: Any) -> None:
        began, ended = self._foreign.get(optimizer), self._steps_between()
        # Within a step of ours, or around one, it makes a row.
        if began is None or began != ended or self._by_hand or self._records(optimizer):
            return
        name = type(optimizer).__name__
        self._tell(
            "steps",
            f"{name}, which is not attached, stepped recorded parameters, and its steps make no rows; "
            f"{self._way_to(optimizer)}",
        )

    def _has_none_of_ours(self, optimizer: Optimizer) -> bool:
        ours = {id(place.parameter()) for place in self._recorded.values()}
        return ours.isdisjoint(map(id, _parameters_of(optimizer)))

    def _way_to(self, optimizer: Optimizer) -> str:
        for each in self._optimizers:
            for key, value in vars(each).items():
                if value is optimizer:
                    return f"attach the .{key} of {type(each).__name__}, or call recorder.step() before each step"
        return (
            "attach a list of all optimizers, attach again (resume=True) with the one that takes over, or call "
            "recorder.step() before each step"
        )

    def _probe(self, optimizer: Optimizer) -> None:
        """In the first steps: whether the parameters are those at which the gradients were computed."""
        self._has_stepped, steps = True, self._steps_between()
        if self._probes_left and steps is not None:
            self._probes_left -= 1
            noted = [(p, *self._at_gradient[id(p)]) for p in _parameters_of(optimizer) if id(p) in self._at_gradient]
            # Those of a closure were computed within the step before.
            if any(at == steps and not _is_same(state, _state(p)) for p, at, state in noted):
                self._probes_left = 0
                self._tell(
                    "moved",
                    f"the weights were moved between the gradient and the step of {type(optimizer).__name__}, as "
                    "wrappers do: rows hold the moved weights; for those of the gradient attach(model, None, path) and "
                    "call recorder.step(loss=loss) right after backward()",
                )
        if not self._probes_left:
            for hook in self._probe_hooks:
                hook.remove()
            self._probe_hooks.clear()
            self._at_gradient.clear()
            self._fine.add(optimizer)
            self.own = self.own or optimizer

    @set_apart
    def _note_gradient(self, parameter: Tensor) -> None:
        steps = self._steps_between()
        if steps is not None:
            self._at_gradient[id(parameter)] = steps, _state(parameter)

    def _trainable(self) -> int:
        return sum(p.requires_grad or self._select is not None for p in nn.Module.parameters(self._root))

    def _in_groups(self) -> set[int]:
        return {id(p) for optimizer in self._optimizers for p in _parameters_of(optimizer)}

    def _unrecorded(self, added: set[int]) -> list[str]:
        """Return the parameters that attach() would record now and did not, and those that were *added* to groups."""
        wanted = ["*"] if self._select is None else globs(self._select)
        names = []
        for raw, parameter in nn.Module.named_parameters(self._root):
            name = clean_name(raw, self._root)
            is_wanted = any(fnmatchcase(name, glob) for glob in wanted) or id(parameter) in added
            is_trained = parameter.requires_grad or self._select is not None
            if is_wanted and is_trained and name not in self._recorded and parameter.numel():
                names.append(name)
        return names

    def _has_changed(self) -> bool:
        try:
            present = {name: _sample(place.parameter()) for name, place in self._recorded.items()}
        except DynError:
            return True
        return any(not _is_same(value, present[name]) for name, value in self._start.items())

    def _tell(self, kind: str, what: str) -> None:
        if kind in self._told:
            return
        self._told.add(kind)
        message = f"{self._path}: {what}"
        try:
            warnings.warn(message, UserWarning, stacklevel=4)
        except UserWarning:
            # Nothing is raised in the midst of somebody's training, or before a recording is closed.
            self._untold.append(message)


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(names[:_MOST_NAMED])}{rest}"


def _parameters_of(optimizer: Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def is_within_step() -> bool:
    """Whether this is called from within an optimizer's step, from a hook for instance."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "wrapper" and frame.f_code.co_filename == _OPTIMIZER_FILE:
            return True
        frame = frame.f_back
    return False


def _is_probable(parameter: Tensor) -> bool:
    return parameter.is_leaf and parameter.requires_grad and local(parameter) is parameter


def _state(parameter: Tensor) -> Any:
    """Return what tells whether a parameter was moved; on a device its version, since nothing shall wait for that."""
    if parameter.device.type == "cpu":
        return _sample(parameter)
    return parameter._version, parameter.data_ptr()


def _sample(parameter: Tensor) -> Tensor:
    """Return a copy of a few elements."""
    flat = local(parameter).detach().reshape(-1)
    return flat[:: max(1, len(flat) // _SAMPLED)].clone()


def _is_same(one: Any, other: Any) -> bool:
    """Whether two states are equal to the bit; those of another dtype or elsewhere cannot tell, and count as equal."""
    if not isinstance(one, Tensor):
        return one == other
    if (one.shape, one.dtype, one.device) != (other.shape, other.dtype, other.device):
        return True
    return torch.equal(one.view(torch.uint8), other.view(torch.uint8))


class _BeforeAnyStep:
    """The hook that torch runs before each step of any optimizer: one for all recordings under way.

    It stays while there is one, because a thread that is stepping does not bear that torch's hooks change meanwhile.
    """

    def __init__(self) -> None:
        self._watching: tuple[Gaps, ...] = ()
        self._handle: RemovableHandle | None = None

    def add(self, gaps: Gaps) -> None:
        if gaps not in self._watching:
            self._watching += (gaps,)
        self._handle = self._handle or register_optimizer_step_pre_hook(self._tell)

    def remove(self, gaps: Gaps) -> None:
        self._watching = tuple(each for each in self._watching if each is not gaps)
        if not self._watching and self._handle is not None and not is_within_step():
            self._handle.remove()
            self._handle = None

    @uncompiled
    def _tell(self, optimizer: Optimizer, *_: Any) -> None:
        for gaps in self._watching:
            if optimizer is not gaps.own:
                gaps.before_unusual(optimizer)


_ANY_STEP = _BeforeAnyStep()
