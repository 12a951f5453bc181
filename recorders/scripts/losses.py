"""Which loss an optimizer's step follows, learned from the calls of ``backward()``."""

import functools
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

from ..ring.layout import NAN
from ..step.compiling import set_apart
from .accounts import Account, Look, Number

# No graph is looked at further than this, about a second.
_MOST_NODES = 2**18


@dataclass(slots=True)
class Pass:
    """A backward pass under way: its number, its loss, where it begins and what the accounts saw ahead of it."""

    number: int
    loss: Number
    roots: Any
    inputs: Any
    looks: dict[int, tuple[Account, Look]]
    has_stepped: bool = False

    def leaves(self) -> list[Tensor]:
        """Return the tensors whose gradients it computes."""
        return leaves(self.roots, self.inputs)


class Onlooker(Protocol):
    """Whoever is to know of each backward pass."""

    def before_pass(self) -> None:
        """Note that a pass begins."""

    def after_pass(self, done: Pass, reached: Collection[Account]) -> None:
        """Note that a pass is over, which has reached these accounts."""

    def account_of(self, parameters: Sequence[Tensor]) -> Account | None:
        """Return who has kept account of parameters before they had an optimizer."""


class Ledger:
    """Keeps an account for each optimizer, and enters the losses from which backward() is called.

    Use it in a ``with`` block, which puts back what it has replaced in torch. Nothing it does can fail a training: a
    loss that cannot be read is NaN.
    """

    def __init__(self, onlooker: Onlooker | None = None) -> None:
        self._onlooker = onlooker
        self._accounts: dict[int, Account] = {}
        self._optimizers = weakref.WeakValueDictionary[int, Optimizer]()
        self._unscaled: dict[int, tuple[weakref.ref[Tensor], Number]] = {}
        self._factor: Number = 1.0
        self._recent: Number = NAN
        self._after_step = True
        self._pass: Pass | None = None
        self.passes = 0
        self._patches = ExitStack()

    def __enter__(self) -> Self:
        self._patches.enter_context(replaced(torch.autograd, "backward", self._watching_backward))
        self._patches.enter_context(replaced(GradScaler, "scale", self._watching_scale))
        return self

    def __exit__(self, *_: object) -> None:
        self._patches.close()
        self._accounts.clear()

    @property
    def accounts(self) -> list[Account]:
        """The accounts of all optimizers that there are."""
        return list(self._accounts.values())

    @property
    def optimizers(self) -> list[tuple[Optimizer, Account]]:
        """The optimizers that there are, with their accounts."""
        return [(optimizer, self._accounts[key]) for key, optimizer in self._optimizers.items()]

    @property
    def present(self) -> Pass | None:
        """The backward pass from within which this is called."""
        return self._pass if torch._C._current_graph_task_id() != -1 else None

    def account(self, optimizer: Optimizer) -> Account:
        """Return the account of *optimizer*, which lasts as long as the optimizer."""
        key = id(optimizer)
        if key not in self._accounts:
            self._accounts[key] = account = Account(_parameters_of(optimizer))
            self._optimizers[key] = optimizer
            weakref.finalize(optimizer, self._accounts.pop, key, None).atexit = False
            self._enter_earlier_passes(account)
        return self._accounts[key]

    def begin_step(self, optimizer: Optimizer) -> Account:
        """Say that *optimizer* begins a step, and return its account, which knows the loss of the step."""
        account = self.account(optimizer)
        if (present := self.present) is not None:
            present.has_stepped = True
            _, before = present.looks.pop(id(optimizer), (account, None))
            # Who steps in the midst of a pass follows it, whatever the witnesses have seen by then.
            if before is None or not account.add(present.loss, before, present.number):
                account.take(present.loss, (present.number, present.number))
        account.begin_step(self._recent)
        self._after_step, self._factor = True, 1.0
        return account

    def _enter_earlier_passes(self, account: Account) -> None:
        """Enter the passes whose gradients the parameters have had before they had an optimizer."""
        parameters = account.parameters
        earlier = None if self._onlooker is None else self._onlooker.account_of(parameters)
        if earlier is not None:
            account.take_over(earlier)
        elif not self._after_step and any(p.grad is not None for p in parameters):
            account.take(self._recent, (self.passes, self.passes))

    def _watching_backward(self, original: Callable[..., None]) -> Any:
        def backward(tensors: Any, grad_tensors: Any = None, *args: Any, **options: Any) -> None:
            # Checkpointing runs a backward pass within another; its roots are no losses.
            if torch._C._current_graph_task_id() != -1:
                return original(tensors, grad_tensors, *args, **options)
            present = self._begin_pass(tensors, grad_tensors, options.get("inputs"))
            try:
                original(tensors, grad_tensors, *args, **options)
            finally:
                self._pass = None
            if present is not None:
                with suppress(Exception):
                    self._enter(present)
            return None

        # Where a whole step is compiled, this runs outside of what is compiled.
        return set_apart(backward)

    def _begin_pass(self, tensors: Any, grad_tensors: Any, inputs: Any) -> Pass | None:
        try:
            if self._onlooker is not None:
                self._onlooker.before_pass()
            self.passes += 1
            looks = {key: (account, account.look()) for key, account in list(self._accounts.items())}
            self._pass = Pass(self.passes, self._value(tensors, grad_tensors), tensors, inputs, looks)
        except Exception:
            # Whatever it is, it is not the training's fault.
            self._pass = None
        return self._pass

    def _enter(self, done: Pass) -> None:
        self._recent = done.loss if self._after_step else self._recent + done.loss
        self._after_step = done.has_stepped
        # Those that have stepped within the pass have had it.
        reached = [account for account, before in done.looks.values() if account.add(done.loss, before, done.number)]
        if self._onlooker is not None and not done.has_stepped:
            self._onlooker.after_pass(done, reached)

    def _value(self, tensors: Any, grad_tensors: Any) -> Number:
        """Return the number whose gradient the pass computed, NaN where a root is more than one number."""
        roots = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        weights = [grad_tensors] * len(roots) if isinstance(grad_tensors, Tensor | None) else list(grad_tensors)
        total: Number = 0.0 if roots else NAN
        for root, weight in zip(roots, weights, strict=True):
            if not isinstance(root, Tensor) or root.numel() != 1:
                return NAN
            number = self._unscaled_number(root)
            total = total + (number if weight is None else number * _number(weight))
        return total

    def _unscaled_number(self, root: Tensor) -> Number:
        noted = self._unscaled.get(id(root))
        # What a scaled loss was turned into, by dividing it once more, say, is as much too large as the loss was.
        return noted[1] if noted is not None and noted[0]() is root else _number(root) / self._factor

    def _watching_scale(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def scale(scaler: GradScaler, outputs: Any) -> Any:
            scaled = original(scaler, outputs)
            with suppress(Exception):
                self._note_unscaled(scaled, outputs)
            return scaled

        return scale

    def _note_unscaled(self, scaled: Any, outputs: Any) -> None:
        pairs = [(scaled, outputs)] if isinstance(outputs, Tensor) else zip(scaled, outputs, strict=True)
        for product, loss in pairs:
            if product is not loss and loss.numel() == 1:
                key = id(product)
                reference = weakref.ref(product, lambda _, key=key: self._unscaled.pop(key, None))
                self._unscaled[key] = reference, _number(loss)
                self._factor = _number(product) / _number(loss)


def parameters_of(optimizer: Optimizer | None) -> list[Tensor]:
    """Return all parameters of an optimizer."""
    return [] if optimizer is None else [p for group in optimizer.param_groups for p in group["params"]]


def leaves(roots: Any, inputs: Any = None) -> list[Tensor]:
    """Return the tensors whose gradients a backward pass from *roots* computes, all or those among *inputs*."""
    if inputs is not None:
        among = inputs.values() if isinstance(inputs, Mapping) else inputs
        return [each for each in ([among] if isinstance(among, Tensor) else among) if isinstance(each, Tensor)]
    given = [each for each in ([roots] if isinstance(roots, Tensor) else roots) if isinstance(each, Tensor)]
    found = {id(each): each for each in given if each.is_leaf and each.requires_grad}
    # The nodes are kept, since another one could get the identity of one that is let go of.
    nodes = {id(each.grad_fn): each.grad_fn for each in given if each.grad_fn is not None}
    left: list[Any] = list(nodes.values())
    while left and len(nodes) < _MOST_NODES:
        node = left.pop()
        if (leaf := getattr(node, "variable", None)) is not None:
            found[id(leaf)] = leaf
        for following, _ in node.next_functions:
            if following is not None and id(following) not in nodes:
                nodes[id(following)] = following
                left.append(following)
    return list(found.values())


def _parameters_of(optimizer: Optimizer) -> Callable[[], list[Tensor]]:
    reference = weakref.ref(optimizer)
    return lambda: parameters_of(reference())


def _number(tensor: Tensor) -> Number:
    """Return the value without the graph; from another device as a copy there, so that nothing waits for it."""
    tensor = tensor.detach()
    return tensor.item() if tensor.is_cpu else tensor.clone()


@contextmanager
def replaced(owner: Any, name: str, replace: Callable[[Any], Any]) -> Iterator[None]:
    """Put what *replace* makes of an attribute in its place, and at the end the attribute again."""
    original = getattr(owner, name)
    replacement = functools.wraps(original)(replace(original))
    setattr(owner, name, replacement)
    try:
        yield
    finally:
        # Where somebody has put something around it since, that stays, and this passes everything on.
        if getattr(owner, name) is replacement:
            setattr(owner, name, original)
