"""Keeping torch.compile out of the hooks: a compiled training step that meets them shall call them as they are.

``torch.compiler.disable`` would do, but its wrappers cost a toy training's step as much as copying its parameters.
"""

import functools
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")

_CALLED_EACH_STEP: list[Callable[..., Any]] = []


def uncompiled(function: Callable[P, T]) -> Callable[P, T]:
    """Mark a function of the hot path, which costs its calls nothing.

    A function that it calls in turn has to be marked too, or be :func:`set_apart`.
    """
    # What torch.compiler.disable() sets: a compiled function calls this one and does not look into it.
    function._torchdynamo_disable = True  # pyright: ignore[reportFunctionMemberAccess]
    _CALLED_EACH_STEP.append(function)
    return function


def set_apart(function: Callable[P, T]) -> Callable[P, T]:
    """Return *function* so that neither it nor anything that it calls is compiled; for what few steps call."""
    disabled: list[Any] = []

    @functools.wraps(function)
    def apart(*args: P.args, **kwargs: P.kwargs) -> T:
        if not disabled:
            # The compiler takes seconds to load, and where it is not loaded nothing is compiled.
            if "torch._dynamo" not in sys.modules:
                return function(*args, **kwargs)
            disabled.append(torch.compiler.disable(function))
        return disabled[0](*args, **kwargs)

    return uncompiled(apart)


def keep_compiler_out() -> None:
    """Have the compiler, if it is loaded, leave alone what was marked; call it before a recording begins."""
    if "torch._dynamo" in sys.modules:
        from torch._dynamo.decorators import skip

        for function in _CALLED_EACH_STEP:
            skip(function)
