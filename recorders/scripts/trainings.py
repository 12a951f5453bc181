"""What belongs to one training: the optimizers that step one model in rounds, and those that follow them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.optim import Optimizer

from .accounts import Account, Number
from .handmade import Workshop
from .losses import Ledger, parameters_of
from .ownership import owners_of

if TYPE_CHECKING:
    from ..step.recorder import Recorder


@dataclass(eq=False)
class Stepper:
    """An optimizer of a training, its place among them, and whether it has followed another loss than the round's."""

    optimizer: Optimizer
    account: Account
    place: int
    has_own_loss: bool = False

    @property
    def held(self) -> set[int]:
        """The identities of what it steps."""
        return _identities(parameters_of(self.optimizer))


@dataclass(eq=False)
class RecordedTraining:
    """A recording under way: its recorder, the identities of its parameters, and the optimizers that step them.

    The loss of a round is that of its first optimizer. Another that follows another loss has one of its own, named by
    its place: ``loss_1``.
    """

    recorder: "Recorder"
    held: set[int]
    members: list[Stepper] = field(default_factory=list)
    _stepped: set[int] = field(default_factory=set)
    _first: int = 0
    _passes: tuple[int, int] | None = None

    def begin(self, members: Sequence[tuple[Optimizer, Account]]) -> None:
        """Have the accounts of its optimizers, which the recorder knows, tell their losses."""
        self.members = [Stepper(*member, place) for place, member in enumerate(members)]
        self._listen()

    def join(self, optimizer: Optimizer, account: Account) -> None:
        """Record the steps of a further optimizer; one that steps what others did takes the place of those."""
        held = _identities(parameters_of(optimizer))
        rivals = [member for member in self.members if not member.held.isdisjoint(held)]
        for rival in rivals:
            # Should it step once more, it will take its place back.
            rival.account.log = rival.account.turn = None
        place = rivals[0].place if rivals else 1 + max((member.place for member in self.members), default=-1)
        joining = Stepper(optimizer, account, place, any(rival.has_own_loss for rival in rivals[:1]))
        self.members = [*(member for member in self.members if member not in rivals), joining]
        self.recorder.follow(optimizer, instead_of=[rival.optimizer for rival in rivals])
        self._listen()

    def _listen(self) -> None:
        for member in self.members:
            if len(self.members) == 1:
                member.account.log, member.account.turn = self._log_plainly, None
            else:
                member.account.log, member.account.turn = partial(self._log, member), partial(self._turn, member)

    def _log_plainly(self, loss: Number) -> None:
        self.recorder.log(loss=loss)

    def _turn(self, member: Stepper) -> None:
        """Note that a member begins a step."""
        if not self._stepped or member.place in self._stepped:
            self._stepped, self._first, self._passes = set(), member.place, None
        self._stepped.add(member.place)

    def _log(self, member: Stepper, loss: Number) -> None:
        """Log the loss of a member's step, unless it is the one that stands in the row already."""
        passes = member.account.passes
        if member.place == self._first or self._passes is None:
            self._passes = passes
        elif passes == self._passes:
            return
        else:
            member.has_own_loss = True
        self.recorder.log(**{f"loss_{member.place}" if member.has_own_loss else "loss": loss})


def company(
    optimizer: Optimizer, ledger: Ledger, workshop: Workshop, variables: Mapping[str, Any]
) -> tuple[list[Optimizer], list[Tensor]]:
    """Return the optimizers that make one training with *optimizer*, itself first, and all parameters of it.

    They are those under the same outermost modules that have not stepped yet; and for tensors without a module, those
    that the same pass has reached. Where each parameter gets an optimizer at its first step, as Pyro's do, the
    parameters are all that the pass has reached and that no optimizer has.
    """
    mine = parameters_of(optimizer)
    reached = _reached(optimizer, ledger, workshop)
    together, parameters = [optimizer], list(mine)
    others = [each for each, account in ledger.optimizers if account.log is None and each is not optimizer]
    modules, loose = owners_of([p for each in [optimizer, *others] for p in parameters_of(each)], variables)
    held = _identities(mine)
    roofs = [_identities(list(module.parameters())) for module in modules]
    roof = set().union(*(each for each in roofs if not each.isdisjoint(held)))
    if not held.isdisjoint(_identities(loose)):
        roof |= _identities(reached) & _identities(loose)
    for other in others:
        theirs = parameters_of(other)
        if _identities(theirs) <= roof and held.isdisjoint(_identities(theirs)):
            together.append(other)
            parameters += theirs
            held |= _identities(theirs)
    if len(mine) == 1:
        taken = {id(p) for each, _ in ledger.optimizers for p in parameters_of(each)}
        parameters += [p for p in reached if id(p) not in taken]
    return together, parameters


def _reached(optimizer: Optimizer, ledger: Ledger, workshop: Workshop) -> Sequence[Tensor]:
    """Return what the pass that an optimizer steps after, or within, has reached, as far as it is known."""
    if ledger.present is not None:
        return ledger.present.leaves()
    parameters, last = parameters_of(optimizer), ledger.account(optimizer).passes[1]
    alike = [account for account in ledger.accounts if last and account.passes[1] == last]
    return [*workshop.reached_with(parameters[0]), *(p for account in alike for p in account.parameters)]


def _identities(tensors: Sequence[Tensor]) -> set[int]:
    return {id(tensor) for tensor in tensors}
