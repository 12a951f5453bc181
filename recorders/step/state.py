"""What a recorder's step touches, and its quick way through the usual step where the extension in C was built."""

from collections import deque
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from ..model.device_copies import DeviceScalar, Flight
from .compiling import uncompiled


class Phase(Enum):
    """Where the training is: between steps, or in one that is recorded, or not, or belongs to the row before."""

    BETWEEN = auto()
    RECORDING = auto()
    SKIPPING = auto()
    JOINING = auto()


class PythonHotPath:
    """The state of a step, and no quick way: whoever asks for it does the work in Python.

    The functions of the one in C return whether they did the whole of what their caller is about to do. They take
    steps that are like those before them, of few small parameters on the CPU, and numbers with known names.
    """

    __slots__ = (
        "_base",
        "_began",
        "_blank",
        "_deferred",
        "_due",
        "_flights",
        "_from_closure",
        "_head",
        "_is_listening",
        "_is_plain",
        "_limit",
        "_numbers",
        "_optimizers",
        "_phase",
        "_places",
        "_rates",
        "_recorded_last",
        "_row",
        "_seconds",
        "_step",
        "_steps",
    )

    _base: int
    _began: float
    _blank: list[float]
    _deferred: dict[int, DeviceScalar]
    _due: float
    _flights: deque[Flight]
    _from_closure: list[str]
    _head: int
    _is_listening: bool
    _is_plain: bool
    _limit: int
    _numbers: list[float]
    _optimizers: tuple[Optimizer, ...]
    _phase: Phase
    _places: dict[str, int]
    _rates: list[Any]
    _recorded_last: bool
    _row: int
    _seconds: float
    _step: int
    _steps: int

    def _prepare(self, *_: Any) -> bool:
        """Note where rows go and what they are filled from; whether that was done."""
        return False

    @uncompiled
    def _begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:  # noqa: ARG002
        """Fill the next row; whether that was done."""
        return False

    @uncompiled
    def _end(self) -> bool:
        """Complete the row that _begin() has filled, and count the step; whether that was done."""
        return False

    @uncompiled
    def _take(self, scalars: Mapping[str, float | Tensor]) -> bool:  # noqa: ARG002
        """Put what was logged into the next row; whether that was done."""
        return False


try:
    from ._hotpath import HotPath
except ImportError:
    HotPath = PythonHotPath
