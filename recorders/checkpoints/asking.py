"""A function of a model asked of many of its states: many at once where that is right and quicker, else one by one."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from ...dynamics.errors import SettingError
from .footprint import Footprint
from .states import States

# What the function may take for its intermediate results.
_ROOM_BYTES = 2**26
# So many states are tried at once first, and then so many times more.
_GROWTH = 4
# A size that is so much slower than the best is the last that is tried.
_SLOWER = 1.25

Function = Callable[[Any], Any]


class Question:
    """A function of a model, and its answers for each state that it was asked of.

    The first state is asked alone, and then again among others: if the answers differ by more than rounding does, or
    the function cannot be asked so, all are asked one by one, and ``reason`` says why.
    """

    def __init__(self, name: str, function: Function, model: nn.Module):
        self.name = name
        self.reason = ""
        self._asked = _Asked(model, function)
        self._requires_grad = {name for name, p in model.named_parameters(remove_duplicate=False) if p.requires_grad}
        self._answers: list[np.ndarray] = []
        self._shape: torch.Size | None = None
        self._pace = _Pace(1)
        # What the function changes is copied before it is called.
        self._changed: set[str] = set()

    def ask(self, states: States, steps: np.ndarray, done: Callable[[int], None]) -> None:
        """Ask of each of these states, which are of these steps; *done* is told after how many more."""
        start = 0
        if self._shape is None:
            self._begin(states, int(steps[0]), len(steps))
            start = 1
            done(1)
        while start < len(steps):
            size = min(self._pace.size(), len(steps) - start)
            part, began = states[start : start + size], perf_counter()
            answers = self._many(part) if size > 1 else None
            if answers is None:
                size = 1
                answers = self._one(states, start, int(steps[start]))[None]
            self._pace.note(size, (perf_counter() - began) / size)
            self._keep(answers, int(steps[start]))
            start += size
            done(size)

    def result(self) -> np.ndarray:
        """Return the answers, (states, *shape)."""
        return np.concatenate(self._answers)

    def _begin(self, states: States, step: int, count: int) -> None:
        """Ask of the first state, see what that takes, and whether it can be asked of several at once."""
        answer = self._one(states, 0, step, first=True)
        with Footprint() as footprint:
            self._one(states, 0, step)
        began = perf_counter()
        self._one(states, 0, step)
        seconds = perf_counter() - began
        self._shape = answer.shape
        self._keep(answer[None], step)
        most = min(_ROOM_BYTES // max(1, footprint.peak), count)
        if most >= _GROWTH and self._agrees(states, answer):
            self._pace = _Pace(most)
            self._pace.note(1, seconds)

    def _agrees(self, states: States, answer: Tensor) -> bool:
        together = self._many(states[0:_GROWTH])
        if together is not None and not _is_close(together[0], answer):
            self.reason = "asked of several states at once it answers something else"
        return not self.reason

    def _keep(self, answers: Tensor, step: int) -> None:
        if answers.shape[1:] != self._shape:
            raise SettingError(
                f"{self.name} has the shape {tuple(answers.shape[1:])} at step {step} and {tuple(self._shape or ())} "
                "before; let it have one shape for all"
            )
        self._answers.append(_as_array(answers))

    def _one(self, states: States, k: int, step: int, *, first: bool = False) -> Tensor:
        """Return the answer for the k-th state, asked alone."""
        changing = {name: values[k] for name, values in states.changing.items()}
        tensors = self._copied({**changing, **states.constant}, every=first)
        for name in self._requires_grad & tensors.keys():
            tensors[name] = tensors[name].detach().requires_grad_()
        before = {name: tensor._version for name, tensor in tensors.items()}
        try:
            answer = self._asked.of(tensors, states.aliases)
        except Exception as error:
            said = " ".join(str(error).split()) or "no reason given"
            raise SettingError(f"{self.name} failed at step {step}: {type(error).__name__}: {said}") from error
        if first:
            self._changed = {name for name, tensor in tensors.items() if tensor._version != before[name]}
        return answer

    def _many(self, states: States) -> Tensor | None:
        """Return the answers for these states, asked at once, None where that cannot be."""
        changing, constant = self._copied(states.changing), self._copied(states.constant)
        ask = vmap(lambda own: self._asked.of({**constant, **own}, states.aliases), randomness="error")
        try:
            with warnings.catch_warnings():
                # It is slow only, and then others are quicker.
                warnings.filterwarnings("ignore", message=r"[\s\S]*performance drop")
                return ask(changing)
        except Exception as error:
            # The first sentence; what torch asks for besides is not meant for who asks here.
            self.reason = (str(error).splitlines() or [type(error).__name__])[0].partition(". ")[0].removesuffix(".")
            self._pace = _Pace(1)
            return None

    def _copied(self, tensors: Mapping[str, Tensor], *, every: bool = False) -> dict[str, Tensor]:
        return {name: each.clone() if every or name in self._changed else each for name, each in tensors.items()}


class _Asked(nn.Module):
    """A function of a model as a module around that model, in which functional_call() puts other tensors."""

    def __init__(self, model: nn.Module, function: Function):
        super().__init__()
        self.model = model
        # No part of it, even if it is a module.
        self._holder = (function,)

    def forward(self) -> Tensor:
        return _as_answer(self._holder[0](self.model))

    def of(self, tensors: Mapping[str, Tensor], aliases: Mapping[str, str]) -> Tensor:
        """Return the answer for a model of these tensors."""
        named = {**tensors, **{alias: tensors[name] for alias, name in aliases.items()}}
        return functional_call(self, {f"model.{name}": tensor for name, tensor in named.items()}, ())


class _Pace:
    """How many states are asked at once: more and more, up to the most, and from then on as many as went fastest."""

    def __init__(self, most: int):
        self._most = most
        self._seconds: dict[int, float] = {}
        self._next = min(_GROWTH, most)

    def size(self) -> int:
        """Return how many to ask next."""
        return self._next

    def note(self, size: int, seconds: float) -> None:
        """Take in how long one of so many took."""
        self._seconds[size] = min(seconds, self._seconds.get(size, seconds))
        if size != self._next:
            return
        best = min(self._seconds, key=lambda each: self._seconds[each])
        grows = size == max(self._seconds) < self._most
        if grows and (size <= _GROWTH or seconds <= _SLOWER * self._seconds[best]):
            self._next = min(size * _GROWTH, self._most)
        else:
            self._next = best


def _as_answer(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, bool | int | float | np.number | np.bool_):
        return torch.tensor(float(value), dtype=torch.float64)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        return torch.from_numpy(value.copy())
    raise TypeError(f"it returned {type(value).__name__}; let it return a number or a tensor")


def _as_array(answers: Tensor) -> np.ndarray:
    """Return answers as they are kept: numbers in float64, and what NumPy or NaN lack a dtype for too."""
    if answers.dtype in (torch.bfloat16, torch.float16):
        answers = answers.float()
    array = answers.cpu().resolve_conj().resolve_neg().numpy()
    is_kept = array.dtype.kind in "fc" and array.ndim > 1
    # One row of many would keep all of them in memory.
    return array.copy() if is_kept else array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def _is_close(one: Tensor, other: Tensor) -> bool:
    """Return whether two answers are the same but for rounding: half of the digits agree, as sums of many lose some."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    a, b = one.to(torch.complex128), other.to(torch.complex128)
    scale = float(b.abs().nan_to_num(0.0, 0.0).max()) if b.numel() else 0.0
    eps = torch.finfo(one.dtype).eps if one.dtype.is_floating_point or one.is_complex() else torch.finfo().eps
    return bool(torch.isclose(a, b, rtol=0.0, atol=scale * eps**0.5, equal_nan=True).all())


@contextmanager
def left_as_it_was(model: nn.Module) -> Iterator[None]:
    """Give back to all parts of a model, afterwards, what a function put in the place of their attributes."""
    before = [(module, dict(vars(module))) for module in model.modules()]
    try:
        yield
    finally:
        for module, attributes in before:
            vars(module).clear()
            vars(module).update(attributes)


def reasons(questions: Iterable[Question]) -> Iterator[str]:
    """Give, of each function that was asked one by one, why."""
    for each in questions:
        if each.reason:
            yield f"{each.name} was asked of one state after another, since many at once cannot be: {each.reason}"
