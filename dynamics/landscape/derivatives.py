"""The gradient and the Hessian of any loss that torch can differentiate twice."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Loss = Callable[..., "Tensor"]


@runtime_checkable
class ExpandableLoss(Protocol):
    """A loss that knows a cheaper function with the same value, gradient and Hessian at one point."""

    def expanded(self, *parameters: "Tensor") -> Loss:
        """Return that function."""
        ...


class LossPoint:
    """A loss at one point θ: its value, gradient and Hessian, all parameters flattened one after the other.

    loss takes one float64 tensor for each array of *parameters* and returns a scalar tensor; a loss over data has to be
    over the same data at every call. The products H v come from differentiating the gradient along v, at about the
    price of two more gradients each; the graph of the gradient is kept for them.

    Raises ValueError where the loss is not one finite number.
    """

    def __init__(self, loss: Loss, parameters: Sequence[Any]):
        import torch

        self._theta = [torch.tensor(np.asarray(p, dtype=np.float64)).requires_grad_() for p in parameters]
        if isinstance(loss, ExpandableLoss):
            loss = loss.expanded(*[p.detach() for p in self._theta])
        with torch.enable_grad():
            value = loss(*self._theta)
            if value.numel() != 1 or not value.isfinite().all():
                raise ValueError(f"the loss must be one finite number, got {value.detach().numpy()}; check parameters")
            self._slope = self._flat_gradient(value.reshape(()), differentiable=True)
        self.loss = float(value.detach())
        self.gradient = self._slope.detach().numpy().copy()

    @property
    def size(self) -> int:
        """The number of parameters."""
        return len(self.gradient)

    @property
    def scale(self) -> float:
        """The length of θ."""
        return float(np.sqrt(sum(float(p.detach().square().sum()) for p in self._theta)))

    def product(self, v: np.ndarray) -> np.ndarray:
        """Return H v; shapes (N,) -> (N,)."""
        import torch

        # The gradient of a loss that is linear in θ has no graph.
        if not self._slope.requires_grad:
            return np.zeros(self.size)
        along = torch.from_numpy(np.ascontiguousarray(v, dtype=np.float64))
        return self._flat_gradient(self._slope @ along).numpy()

    def hessian(self) -> np.ndarray:
        """Return H, made symmetric to the last bit; shape (N, N), at the price of N products."""
        H = np.stack([self.product(unit) for unit in np.eye(self.size)])
        return (H + H.T) / 2

    def _flat_gradient(self, value: "Tensor", *, differentiable: bool = False) -> "Tensor":
        import torch

        # Materialised: a parameter that the value does not depend on has the gradient 0.
        parts = torch.autograd.grad(
            value,
            self._theta,
            retain_graph=True,
            create_graph=differentiable,
            allow_unused=True,
            materialize_grads=True,
        )
        return torch.cat([part.reshape(-1) for part in parts])


def shifted(parameters: Sequence[Any], step: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return θ + step in the shapes of *parameters*; step (N,)."""
    arrays = [np.asarray(p, dtype=np.float64) for p in parameters]
    pieces = np.split(step, np.cumsum([p.size for p in arrays])[:-1])
    return tuple(p + piece.reshape(p.shape) for p, piece in zip(arrays, pieces, strict=True))
