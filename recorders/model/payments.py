"""What the step just taken brought, to first order: gradient times motion, one number a feature and one a parameter."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import LBFGS, SGD, Optimizer

from ...dynamics.errors import SettingError
from ..ring.channels import Channel, feature_channels
from ..ring.ring import Ring
from .parameters import Place


def payment_channel(channel: Channel) -> Channel:
    """Return where the shares of a parameter are recorded: one for each of its features, or one for all of it."""
    dtype = np.dtype(np.float32)
    if channel.features is None:
        return Channel("probes", f"allocation/{channel.name}", (), dtype, dtype, ())
    like = feature_channels(channel)[0]
    return Channel("features", f"{channel.name}/allocation", like.shape, dtype, dtype, like.axes)


def check_optimizers(optimizers: Sequence[Optimizer]) -> None:
    """Raise SettingError where the gradients that a step used, or what it moved, cannot be had after it."""
    why = ""
    if len(optimizers) != 1:
        why = f"takes one optimizer, whose steps the rows are, not {len(optimizers)}"
    elif isinstance(optimizers[0], LBFGS):
        why = "takes one gradient a step, and a step of LBFGS has several"
    elif isinstance(optimizers[0], SGD) and any(_loses_gradient(group) for group in optimizers[0].param_groups):
        why = "needs the gradient, which SGD(nesterov=True, foreach=True) overwrites; use foreach=False"
    if why:
        raise SettingError(f"gradients='allocation' {why}")


def _loses_gradient(group: dict[str, Any]) -> bool:
    return bool(group.get("nesterov") and group.get("foreach"))


class Payment:
    """Puts Σ g (θ_{k+1} - θ_k) of one parameter into row k after step k, when its gradient is what the step used.

    Source: Lan et al. 2019, "LCA: Loss Change Allocation for Neural Network Training", arXiv 1909.01440.
    """

    def __init__(self, place: Place, channel: Channel, ring: Ring):
        parameter = place.parameter()
        if parameter.device.type == "cuda" or hasattr(parameter, "placements"):
            raise SettingError(
                f"gradients='allocation' takes parameters in the memory of this process, and {place.name} is on "
                f"{parameter.device}; leave it out with select, or record without"
            )
        self._place, self._view = place, channel.view if channel.features else None
        self._path = payment_channel(channel).path
        self.source = channel.path
        self._before = ring.rows[channel.path]
        self._target = ring.rows[self._path]
        self._start = ring.layout.starts[self._path]
        self.plain = self._plain(channel)

    def copy(self, slot: int) -> None:
        """Put the shares of the step that was taken since the row in that slot was filled into it."""
        self._target[slot] = self._shares(slot)

    def _shares(self, slot: int) -> np.ndarray | float:
        parameter = self._place.parameter()
        if parameter.grad is None:
            return 0.0
        now, gradient = parameter.detach().cpu(), parameter.grad.detach()
        before = torch.from_numpy(self._before[slot]).view(now.dtype)
        move = _widened(now) - _widened(before)
        gradient = _widened(gradient.to_dense() if gradient.layout != torch.strided else gradient)
        product = (gradient.cpu().conj() * move).real if move.is_complex() else gradient.cpu() * move
        # A step that was skipped because its gradient was infinite moved nothing.
        shares = torch.where(move == 0, 0.0, product).numpy()
        return shares.sum() if self._view is None else self._view.matrices(shares).sum(-2)

    def _plain(self, channel: Channel) -> tuple[int, int, int, int] | None:
        """Return where shares go and as which (A, B, C) the parameter is seen, shares (A, C) being sums over B.

        None where it takes Python to compute them.
        """
        shape = channel.shape
        size = int(np.prod(shape))
        if channel.dtype not in (np.float32, np.float64) or not size:
            return None
        if self._view is None:
            return self._start, 1, size, 1
        if self._view.is_pattern:
            return None
        rows, columns = shape[-2:]
        outer = size // (rows * columns)
        return (self._start, outer, rows, columns) if channel.features == "columns" else (
            self._start, outer * rows, columns, 1,
        )  # fmt: skip


def _widened(values: Tensor) -> Tensor:
    """Return values in a precision in which small motions are not lost."""
    return values if values.dtype in (torch.float32, torch.float64) or values.is_complex() else values.float()
