"""Which steps of a training make a row, and when the row is filled and when it is complete."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import perf_counter
from typing import Any, Protocol

from torch import Tensor
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from ..ring.forks import when_forked
from ..schedule.steps import EveryNth, Schedule
from ..schedule.trigger import Trigger
from ..writing.start import Start
from ..writing.writer import Writer, WriterLostError, take_over
from .calls import is_nested
from .compiling import keep_compiler_out, set_apart, uncompiled
from .row import Copies, RowFiller
from .state import Phase

_PRE_HOOK, _POST_HOOK = 0, 1
# Of so many groups of parameters the learning rates are recorded, where optimizers are followed that came later.
_MOST_RATES = 16
# Python 3.11 takes longer to find a member of an enumeration than a global name.
_BETWEEN, _RECORDING, _JOINING = Phase.BETWEEN, Phase.RECORDING, Phase.JOINING


class StateKeeper(Protocol):
    """Keeps at some steps what it takes to go on training."""

    # The first step at whose beginning it is asked, and how many steps are made when it is asked once more.
    watch: int
    armed: int

    def before_step(self, step: int, optimizers: Sequence[Optimizer]) -> None:
        """Take what is due at the beginning of a step."""
        ...

    def after_step(self, steps: int) -> None:
        """Take what is due when so many steps have been made."""
        ...

    def at_end(self, step: int, optimizers: Sequence[Optimizer]) -> None:
        """Take the last one."""
        ...

    def begin_at(self, step: int) -> None:
        """Count the first step as *step*."""
        ...

    def add(self, more: Sequence[Any]) -> None:
        """Keep the states of these too."""
        ...

    def find(self, more: Callable[[], Iterable[Any]]) -> None:
        """Ask *more* before each checkpoint for what else there is to keep."""
        ...

    def close(self) -> None:
        """Take none any more."""
        ...


class Stepping(RowFiller):
    """The hooks of a recording: a row is filled before an optimizer's step and completed after it.

    How the recording ends is left to :class:`Recorder`. The two are one object, because one more call at each step
    would cost more than what it does.
    """

    __slots__ = (
        "_hooks",
        "_is_dense",
        "_keeper",
        "_open",
        "_round",
        "_schedule",
        "_skipped",
        "_trigger",
        "_writer",
        "path",
    )

    def __init__(
        self,
        start: Start,
        copies: Copies,
        writer: Writer,
        optimizers: Sequence[Optimizer],
        schedule: Schedule,
        keeper: StateKeeper | None = None,
    ):
        views, taps, devices, payments = copies
        super().__init__(start.ring, views, taps, devices, optimizers, payments)
        self._keeper = keeper
        self.path = start.path
        self._writer = writer
        # As its writer has them; kept here because each object that a step touches costs it something.
        self._limit, self._due = 0 if keeper else writer.limit, writer.due
        self._schedule = schedule
        self._is_dense = isinstance(schedule, Trigger) or (isinstance(schedule, EveryNth) and schedule.every == 1)
        self._trigger = schedule if isinstance(schedule, Trigger) else None
        self._steps = start.step
        self._skipped = 0
        self._phase = Phase.BETWEEN
        # With several optimizers, those that have stepped since the row began.
        self._round: set[int] | None = set() if len(optimizers) > 1 else None
        self._recorded_last = False
        self._from_closure: list[str] = []
        self._open = True
        # Whether a step is one of many alike: nothing but whether there is room decides on its row.
        self._is_plain = self._is_dense and self._round is None
        self._began = perf_counter() - start.seconds
        keep_compiler_out()
        self._hooks = {id(optimizer): self._hook(optimizer) for optimizer in optimizers}
        when_forked(self)

    def follow(self, optimizer: Optimizer, *, instead_of: Sequence[Optimizer] = ()) -> None:
        """Take rows at the steps of a further optimizer, or of one that replaces others and takes their turn.

        The learning rates of the first few are recorded: a recording has room for so many scalars.
        """
        for hook in [hook for each in (*instead_of, optimizer) for hook in self._hooks.pop(id(each), ())]:
            hook.remove()
        self._hooks[id(optimizer)] = self._hook(optimizer)
        self._take_turn(optimizer, instead_of)
        listed = [each for each in self._optimizers if each not in instead_of[1:]]
        listed = [optimizer if each in instead_of else each for each in listed]
        if optimizer not in listed and sum(len(each.param_groups) for each in listed) < _MOST_RATES:
            listed.append(optimizer)
        self._optimizers = tuple(listed)
        for k in range(sum(len(each.param_groups) for each in listed), len(self._rates) - 1):
            self._put_rate(k, None)

    def _hook(self, optimizer: Optimizer) -> tuple[RemovableHandle, RemovableHandle]:
        before = optimizer.register_step_pre_hook(self._before_step)
        return before, optimizer.register_step_post_hook(self._after_step)

    def _take_turn(self, optimizer: Optimizer, instead_of: Sequence[Optimizer]) -> None:
        if not instead_of and self._round is None and self._optimizers:
            # There was one so far, and each row was a step of it.
            self._round, self._is_plain = {id(self._optimizers[0])}, False
        elif self._round is not None and not self._round.isdisjoint(map(id, instead_of)):
            self._round.difference_update(map(id, instead_of))
            self._round.add(id(optimizer))

    @set_apart
    def _log_otherwise(self, scalars: Mapping[str, float | Tensor]) -> None:
        """Put what a closure logged into the row of the step that calls it; what comes after the end goes nowhere."""
        for name, value in scalars.items() if self._phase in (Phase.RECORDING, Phase.JOINING) else ():
            # What a further evaluation gives belongs to other parameters, even where the first one gave NaN.
            if name not in self._from_closure:
                self._log_once(name, value)
                self._from_closure.append(name)

    @uncompiled
    def _before_step(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        # Each call costs a step as much as what it does: the usual case takes as few as can be.
        if self._begin(args, kwargs):
            return None
        now = perf_counter()
        if self._is_plain and self._phase is _BETWEEN and self._row < self._limit and now <= self._due:
            self._phase = _RECORDING
            try:
                self._fill(self._steps, now - self._began)
            except Exception as error:
                self._fail(error, within=_PRE_HOOK)
        elif self._open:
            self._before_unlike_step(optimizer)
        else:
            return None
        return self._with_watched_closure(args, kwargs) if kwargs or len(args) > 1 else None

    @set_apart
    def _before_unlike_step(self, optimizer: Optimizer) -> None:
        """What is due before a step that is not like the one before it, or before every step of some recordings."""
        if self._phase is not _BETWEEN and is_nested(optimizer):
            # The row of the outer call is filled, before anything moved.
            return
        if self._round is None or self._begins_round(self._round, optimizer):
            self._begin_row(within=_PRE_HOOK)

    @set_apart
    def _with_watched_closure(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the arguments of a step with its closure replaced; None for a step without one."""
        # The optimizer itself is the first argument, a closure the second.
        if len(args) > 1 and args[1] is not None:
            return (args[0], self._watched(args[1]), *args[2:]), kwargs
        if kwargs.get("closure") is not None:
            return args, {**kwargs, "closure": self._watched(kwargs["closure"])}
        return None

    def _begins_round(self, stepped: set[int], optimizer: Optimizer) -> bool:
        """Whether a step is the first of its row: the first of all, or one of an optimizer that stepped in this row."""
        is_first = not stepped or id(optimizer) in stepped
        if is_first:
            stepped.clear()
        else:
            self._join_row()
        stepped.add(id(optimizer))
        self._phase = Phase.BETWEEN if is_first else Phase.JOINING
        return is_first

    def _join_row(self) -> None:
        """Put what was logged since the round's row was completed into that row, if there is one."""
        if self._recorded_last:
            self._amend()
        else:
            self._forget()

    def _begin_row(self, *, within: int | None) -> None:
        try:
            if self._phase is not Phase.BETWEEN:
                self._recover()
            if self._keeper is not None and self._steps >= self._keeper.watch:
                self._keep(self._keeper)
            now = perf_counter()
            if not (self._is_dense or self._schedule.wants(self._steps)):
                self._leave_out()
            elif (self._row >= self._limit or now > self._due) and not self._make_room():
                self._skipped += 1
                self._leave_out()
            else:
                self._phase = Phase.RECORDING
                self._fill(self._steps, now - self._began)
        except Exception as error:
            self._fail(error, within=within)

    @set_apart
    def _keep(self, keeper: StateKeeper) -> None:
        """Have the checkpoint of this step taken, and see to it that the next one is not passed by."""
        keeper.before_step(self._steps, self._optimizers)
        self._limit = self._stop(keeper)

    @set_apart
    def _keep_after(self, keeper: StateKeeper) -> None:
        """Have what comes before anything is drawn for the next step taken; of a round the last optimizer counts."""
        keeper.after_step(self._steps)

    def _stop(self, keeper: StateKeeper) -> int:
        """Return from which row on a step shall be one that is unlike the others."""
        return min(self._writer.limit, self._row + max(0, keeper.watch - self._steps))

    def _leave_out(self) -> None:
        self._phase = Phase.SKIPPING
        self._forget()

    def _recover(self) -> None:
        """After a step that did not return: its row stands if it was completed, else what its closure logged goes."""
        is_complete = self._phase is Phase.RECORDING and self._recover_row(self._steps)
        if not is_complete and self._from_closure:
            self._forget(self._from_closure)
        self._from_closure.clear()
        self._steps += bool(is_complete)
        self._phase = Phase.BETWEEN

    def _watched(self, closure: Callable[[], Any]) -> Callable[[], Any]:
        """Return *closure* so that log() knows when it is called from within."""

        def watched() -> Any:
            self._is_listening = False
            try:
                return closure()
            finally:
                self._is_listening = self._open

        return watched

    @uncompiled
    def _after_step(self, *_: Any, within: int | None = _POST_HOOK) -> None:
        if self._end():
            return
        phase = self._phase
        if not self._open:
            self._detach(within=within)
            return
        if phase is _BETWEEN:
            # The outer call of a step that was counted when the inner one ended.
            return
        if phase is _RECORDING:
            try:
                self._commit()
            except Exception as error:
                self._fail(error, within=within)
            except BaseException:
                # Before anything is logged for the next row.
                self._recover()
                self._forget()
                raise
        if phase is not _JOINING:
            self._steps += 1
            self._recorded_last = phase is _RECORDING
        elif self._from_closure:
            self._join_row()
        if self._keeper is not None and self._keeper.armed <= self._steps:
            self._keep_after(self._keeper)
        self._phase = _BETWEEN
        if self._from_closure:
            self._from_closure.clear()

    def _make_room(self) -> bool:
        keeper = self._keeper
        if keeper is not None and self._row < self._writer.limit and perf_counter() <= self._writer.due:
            # It was a checkpoint that this step was asked for.
            self._limit = self._stop(keeper)
            return True
        has_room = self._ask_for_room()
        self._limit, self._due = self._stop(keeper) if keeper else self._writer.limit, self._writer.due
        return has_room

    def _ask_for_room(self) -> bool:
        try:
            return self._writer.make_room(self._row)
        except WriterLostError as lost:
            self._writer = take_over(self._writer, self._ring, self.path, self._trigger)
            warnings.warn(
                f"{self.path}: {lost}; the training writes the recording itself", RuntimeWarning, stacklevel=5
            )
            return self._writer.make_room(self._row)

    def _detach(self, *, within: int | None = None) -> None:
        """Take the hooks off; *within* one of them, as far as torch's loop over the hooks bears it.

        The hook in whose loop this runs stays, and does nothing. A pre-hook is taken off by the post-hook after it; a
        post-hook waits for close().
        """
        self._open = self._is_plain = self._is_listening = False
        for hooks in self._hooks.values():
            for k, hook in enumerate(hooks):
                if within is None or (within == _POST_HOOK and k == _PRE_HOOK):
                    hook.remove()

    def _fail(self, error: Exception, *, within: int | None = None) -> None:
        """End the recording, and let the training go on."""
        raise NotImplementedError

    def leave_to_parent(self) -> None:
        """Record nothing: this is a forked child, which shares the ring with its parent."""
        self._open = self._is_plain = self._is_listening = False
