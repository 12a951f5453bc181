"""Trainings whose parameters no optimizer of torch's steps: what changes between two backward passes."""

import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import compress
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from .accounts import Account, Look, LooseAccount, is_known
from .losses import Pass

if TYPE_CHECKING:
    from ..step.recorder import Recorder

# So many of the passes that reach no optimizer's parameters are followed to the leaves of their graphs.
_MOST_SEARCHES = 64
# So many numbers of a training are kept from one pass to the next, to see what changes without a new version.
_MOST_NUMBERS = 2**22

# Makes the recording of a training, of whose parameters the second have changed; returns the recorder and what is
# recorded, or None where nothing can be.
Begin = Callable[[Sequence[Tensor], Sequence[Tensor]], "tuple[Recorder, nn.Module] | None"]


class Handmade:
    """Parameters that backward passes have reached and that no optimizer has; they are recorded once they change.

    A row is begun at a pass, and made one when the parameters have changed since: then a step has been taken.
    """

    def __init__(self, parameters: Sequence[Tensor]):
        self._references = [weakref.ref(p) for p in parameters]
        self.account = LooseAccount(lambda: self.parameters)
        self.look: Look = self.account.look()
        self.recorder: Recorder | None = None
        self._recorded: set[int] = set()
        # Whether an optimizer has come to have parameters of it.
        self.is_taken = False
        self._is_refused = False
        self._is_row_begun = False
        self._versions: list[tuple[int, int]] = []
        self._numbers: list[Tensor] = []
        self._has_versions = False

    @property
    def parameters(self) -> list[Tensor]:
        """The parameters, those of them that are still there."""
        return [p for reference in self._references if (p := reference()) is not None]

    @property
    def held(self) -> set[int]:
        """The identities of the parameters, and of all that are recorded with them."""
        return self._recorded | {id(p) for p in self.parameters}

    @property
    def is_over(self) -> bool:
        """Whether nothing is to come of it: the script has let go of it, or an optimizer has it."""
        return not self.parameters or (self.is_taken and self.recorder is None)

    def begin_row(self) -> None:
        """Note the present state, as that of a pass which has reached the parameters."""
        if self._is_row_begun or self._is_refused:
            return
        parameters = self.parameters
        self._versions = [_version(p) for p in parameters]
        self._numbers = [] if self._has_versions else _sample(parameters)
        if self.recorder is not None:
            self.recorder.begin()
        self._is_row_begun = True

    def settle(self, begin: Begin) -> None:
        """Complete the row of the last pass if the parameters have changed since; the first makes the recording."""
        self._leave_out_what_is_gone()
        changed = self._changed() if self._is_row_begun and not self.is_over else []
        if not changed:
            return
        self._is_row_begun = False
        if self.recorder is None and not self._start(begin, changed):
            return
        loss = self.account.loss
        if self.recorder is not None:
            self.recorder.complete(**({"loss": loss} if is_known(loss) else {}))

    def steps_within(self, done: Pass, begin: Begin) -> bool:
        """Whether a pass has changed the parameters by itself, as its hooks may; completes the row if so."""
        if not self._is_row_begun or self.is_over or not self._changed():
            return False
        self.account.take(done.loss, (done.number, done.number))
        self.settle(begin)
        return True

    def _leave_out_what_is_gone(self) -> None:
        """Go on without tensors that the script has let go of, as inputs of which it wanted the gradient."""
        is_there = [reference() is not None for reference in self._references]
        if not all(is_there):
            self._references = list(compress(self._references, is_there))
            self._versions = list(compress(self._versions, is_there))
            self._numbers = list(compress(self._numbers, is_there))

    def _changed(self) -> list[Tensor]:
        parameters = self.parameters
        versions = zip(parameters, self._versions, strict=True)
        changed = [p for p, version in versions if _version(p) != version]
        if changed:
            self._has_versions = True
            return changed
        # What is written by way of p.data keeps its version.
        self._has_versions = False
        present = _sample(parameters)
        numbers = zip(parameters, self._numbers or present, present, strict=True)
        self._numbers = self._numbers or present
        return [p for p, then, now in numbers if not torch.equal(then, now)]

    def _start(self, begin: Begin, changed: Sequence[Tensor]) -> bool:
        """Make the recording, and begin its first row with the numbers that were kept; whether there is such a row."""
        parameters = self.parameters
        made = begin(parameters, changed)
        if made is None:
            self._is_refused = True
            return False
        self.recorder, model = made
        self._recorded = {id(p) for p in model.parameters()}
        if sum(p.numel() for p in parameters) > _MOST_NUMBERS:
            return False
        before = zip(parameters, self._numbers, strict=True)
        with _put(model, {id(p): numbers.view(p.shape) for p, numbers in before}):
            self.recorder.begin()
        return True


class Workshop:
    """Finds the handmade trainings of a process, as the onlooker of a ledger; *begin* makes their recordings.

    *accounts* returns those of the optimizers.
    """

    def __init__(self, accounts: Callable[[], Collection[Account]], begin: Begin):
        self._accounts = accounts
        self._begin = begin
        self._trainings: list[Handmade] = []
        self._searches = _MOST_SEARCHES

    def before_pass(self) -> None:
        """Complete the rows of trainings that have changed since their last pass."""
        if not self._trainings:
            return
        self._trainings = [each for each in self._trainings if not each.is_over]
        for training in self._trainings:
            training.settle(self._begin)
            training.look = training.account.look()

    def after_pass(self, done: Pass, reached: Collection[Account]) -> None:
        """Begin the rows of the trainings that a pass has reached, which may be one that nobody knew."""
        if not self._trainings and (reached or not self._searches):
            return
        mine = [each for each in self._trainings if each.steps_within(done, self._begin)]
        mine += [each for each in self._trainings if each.account.add(done.loss, each.look, done.number)]
        if not reached and self._searches:
            self._searches -= 1
            mine += self._search(done, mine)
        for training in mine:
            training.begin_row()

    def account_of(self, parameters: Sequence[Tensor]) -> Account | None:
        """Return the account of the training whose parameters come to have an optimizer."""
        wanted = {id(p) for p in parameters}
        for training in self._trainings:
            if not wanted.isdisjoint(map(id, training.parameters)):
                training.is_taken = True
                return training.account
        return None

    def reached_with(self, parameter: Tensor) -> list[Tensor]:
        """Return the parameters that a pass has reached together with this one, before they had an optimizer."""
        sets = [each.parameters for each in self._trainings]
        return next((each for each in sets if any(p is parameter for p in each)), [])

    def settle(self) -> None:
        """Complete the last rows."""
        for training in self._trainings:
            training.settle(self._begin)

    def hand_over(self, recorder: "Recorder") -> None:
        """Complete the last row of a training, of which an optimizer takes the next step."""
        for training in [each for each in self._trainings if each.recorder is recorder]:
            training.settle(self._begin)
            self._trainings.remove(training)

    def _search(self, done: Pass, known: Sequence[Handmade]) -> list[Handmade]:
        """Follow a pass that has reached no optimizer's witnesses; return the training that was found, if any."""
        leaves = done.leaves()
        found = {id(leaf) for leaf in leaves}
        blind = [account for account in self._accounts() if not found.isdisjoint(map(id, account.parameters))]
        for account in blind:
            account.add_unseen(done.loss, done.number, [p for p in account.parameters if id(p) in found])
        held = {key for training in self._trainings for key in training.held}
        new = [leaf for leaf in leaves if id(leaf) not in held]
        # An optimizer that takes no step lets others do it, as those do that step within the pass.
        if not new or any(account.log is not None for account in blind):
            return []
        # What has not changed yet may be more of one training than its first pass has reached.
        pending = [each for each in known if each.recorder is None]
        training = Handmade([*(p for each in pending for p in each.parameters), *new])
        training.account.take(pending[0].account.loss if pending else done.loss, (done.number, done.number))
        self._trainings = [*(each for each in self._trainings if each not in pending), training]
        return [training]


@contextmanager
def _put(model: nn.Module, numbers: Mapping[int, Tensor]) -> Iterator[None]:
    """Have *model* hold other tensors in the place of its parameters, by identity; none of these is touched."""
    owners = [cast(dict[str, Any], module._parameters) for module in model.modules()]
    places = [(owner, key) for owner in owners for key in owner]
    kept = [(owner, key, p) for owner, key in places if (p := owner[key]) is not None and id(p) in numbers]
    try:
        for owner, key, p in kept:
            then = numbers[id(p)]
            owner[key] = nn.Parameter(then, p.requires_grad) if isinstance(p, nn.Parameter) else then
        yield
    finally:
        for owner, key, p in kept:
            owner[key] = p


def _version(parameter: Tensor) -> tuple[int, int]:
    return parameter._version, parameter.data_ptr()


def _sample(parameters: Sequence[Tensor]) -> list[Tensor]:
    """Return copies of all numbers of the parameters, or of as many as may be kept, spread over all of them."""
    stride = -(-sum(p.numel() for p in parameters) // _MOST_NUMBERS) or 1
    return [p.detach().reshape(-1)[::stride].clone() for p in parameters]
