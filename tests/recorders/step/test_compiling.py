"""What is kept from torch's compiler: a compiled function calls it as it is."""

import pytest
import torch

from dyn.recorders.step.compiling import keep_compiler_out, set_apart, uncompiled

CALLS: list[bool] = []


def note() -> None:
    """Note whether the compiler is tracing this."""
    CALLS.append(torch.compiler.is_compiling())


@uncompiled
def hot() -> None:
    # What it called would be compiled.
    CALLS.append(False)


@set_apart
def cold() -> None:
    note()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("function", [hot, cold])
def test_a_compiled_function_calls_it_each_time(function):
    # Loads the compiler, so that there is something to keep out.
    torch.compile(lambda x: x + 1, backend="eager")(torch.ones(2))
    keep_compiler_out()
    CALLS.clear()

    @torch.compile(backend="eager")
    def step(x: torch.Tensor) -> torch.Tensor:
        function()
        return x * 2

    for _ in range(3):
        assert step(torch.ones(2)).sum() == 4
    assert CALLS == [False] * 3


def test_what_is_set_apart_keeps_its_result_and_its_name():
    @set_apart
    def double(x: int, *, plus: int = 0) -> int:
        return 2 * x + plus

    assert (double(4, plus=1), double.__name__) == (9, "double")
