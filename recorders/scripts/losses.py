"""Which loss an optimizer's step follows, learned from the calls of ``backward()``."""

import functools
import math
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Self

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

Number = float | Tensor

# So many of an optimizer's gradients are looked at before and after each backward pass, spread over all of them.
_WITNESSES = 8


class Account:
    """The loss whose gradient the parameters of an optimizer hold at present; NaN where it is not known.

    Gradients add up from one backward pass to the next, and so do the losses they belong to: it is the sum over the
    passes that reached the parameters since their gradients were cleared or a step was taken. Both are seen on a few
    gradients, the witnesses, by their identity and version.
    """

    def __init__(self, optimizer: Optimizer):
        self.loss: Number = math.nan
        self.log: Callable[[Number], None] | None = None
        self._optimizer = weakref.ref(optimizer)
        self._witnesses: list[Tensor] = []
        self._watch([p for p in _parameters(optimizer) if p.requires_grad])
        self._last: list[tuple[int, int] | None] = []
        self._reached = False
        self._stepping = False

    def look(self) -> list[tuple[int, int] | None]:
        """Return what a backward pass or a clearing changes."""
        grads = [p.grad for p in self._witnesses]
        return [None if grad is None else (id(grad), grad._version) for grad in grads]

    def add(self, loss: Number, before: list[tuple[int, int] | None]) -> None:
        """Take in a backward pass from *loss*, if it reached; *before* is what look() said ahead of it."""
        after = self.look()
        if after != before:
            grows = self._reached and before == self._last
            self.loss = self.loss + loss if grows else loss
            self._last, self._reached = after, True
            # Between steps the loss may yet grow or be cleared; from within one, a closure, it is now or never.
            if self._stepping:
                self.publish()

    def begin_step(self, recent: Number) -> None:
        """Say that a step begins; *recent* is its loss where the witnesses have been blind."""
        if not self._reached:
            self.loss = recent if self._was_blind() else math.nan
        self._reached, self._stepping = False, True

    def end_step(self) -> None:
        """Say that the step is over; what a closure has reached within it was for this step."""
        self._reached = self._stepping = False

    def publish(self) -> None:
        """Log the loss, if it is known and there is a log."""
        if self.log is not None and (isinstance(self.loss, Tensor) or not math.isnan(self.loss)):
            self.log(self.loss)

    def _was_blind(self) -> bool:
        """Return whether others than the witnesses have gradients, and take the witnesses from those."""
        optimizer = self._optimizer()
        if optimizer is None or any(self.look()):
            return False
        moved = [p for p in _parameters(optimizer) if p.grad is not None]
        self._watch(moved or self._witnesses)
        return bool(moved)

    def _watch(self, parameters: Sequence[Tensor]) -> None:
        self._witnesses = list(parameters[:: -(-len(parameters) // _WITNESSES) or 1])


class Ledger:
    """Keeps an account for each optimizer, and enters the losses from which backward() is called.

    Use it in a ``with`` block, which puts back what it has replaced in torch. Nothing it does can fail a training: a
    loss that cannot be read is NaN.
    """

    def __init__(self) -> None:
        self._accounts: dict[int, Account] = {}
        self._unscaled: dict[int, tuple[weakref.ref[Tensor], Number]] = {}
        self._factor: Number = 1.0
        self._recent: Number = math.nan
        self._after_step = True
        self._patches = ExitStack()

    def __enter__(self) -> Self:
        self._patches.enter_context(replaced(torch.autograd, "backward", self._watching_backward))
        self._patches.enter_context(replaced(GradScaler, "scale", self._watching_scale))
        return self

    def __exit__(self, *_: object) -> None:
        self._patches.close()
        self._accounts.clear()

    def account(self, optimizer: Optimizer) -> Account:
        """Return the account of *optimizer*, which lasts as long as the optimizer."""
        key = id(optimizer)
        if key not in self._accounts:
            self._accounts[key] = Account(optimizer)
            weakref.finalize(optimizer, self._accounts.pop, key, None).atexit = False
        return self._accounts[key]

    def begin_step(self, optimizer: Optimizer) -> Account:
        """Say that *optimizer* begins a step, and return its account, which knows the loss of the step."""
        account = self.account(optimizer)
        account.begin_step(self._recent)
        self._after_step, self._factor = True, 1.0
        return account

    def _watching_backward(self, original: Callable[..., None]) -> Any:
        def backward(tensors: Any, grad_tensors: Any = None, *args: Any, **options: Any) -> None:
            # Checkpointing runs a backward pass within another; its roots are no losses.
            if torch._C._current_graph_task_id() != -1:
                return original(tensors, grad_tensors, *args, **options)
            before = []
            with suppress(Exception):
                before = [(account, account.look()) for account in tuple(self._accounts.values())]
            original(tensors, grad_tensors, *args, **options)
            with suppress(Exception):
                self._enter(self._value(tensors, grad_tensors), before)
            return None

        # Where a whole step is compiled, this runs outside of what is compiled.
        return torch.compiler.disable(backward)

    def _enter(self, loss: Number, before: Iterable[tuple[Account, Any]]) -> None:
        self._recent = loss if self._after_step else self._recent + loss
        self._after_step = False
        for account, look in before:
            account.add(loss, look)

    def _value(self, tensors: Any, grad_tensors: Any) -> Number:
        """Return the number whose gradient the pass computed, NaN where a root is more than one number."""
        roots = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        weights = [grad_tensors] * len(roots) if isinstance(grad_tensors, Tensor | None) else list(grad_tensors)
        total: Number = 0.0 if roots else math.nan
        for root, weight in zip(roots, weights, strict=True):
            if not isinstance(root, Tensor) or root.numel() != 1:
                return math.nan
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


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


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
