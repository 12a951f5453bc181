"""RecorderCallback for Lightning's Trainer."""

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.optim import Optimizer
from typing_extensions import override

from ...dynamics.errors import MissingExtraError
from .callback import RecordsTraining

if TYPE_CHECKING:
    from pytorch_lightning import Callback, LightningModule, Trainer


def _find_callback_class() -> type:
    """Return Callback from the package in use: Lightning comes as lightning.pytorch and as pytorch_lightning."""
    packages = [name for name in ("lightning", "pytorch_lightning") if find_spec(name)]
    if not packages:
        raise MissingExtraError.for_feature("the Lightning callback", "lightning")
    package = next((name for name in packages if name in sys.modules), packages[0])
    return import_module({"lightning": "lightning.pytorch"}.get(package, package)).Callback


if not TYPE_CHECKING:
    Callback = _find_callback_class()


class RecorderCallback(RecordsTraining, Callback):
    """Record a training by Lightning: ``Trainer(callbacks=[RecorderCallback("run.h5", every=10)])``.

    *path* and the options are those of :func:`dyn.attach`. Process 0 records, from the state in which fit() begins to
    train until it ends, or raises, which leaves the status "aborted". ``recorder`` is the :class:`~dyn.Recorder`
    meanwhile, on which to log further numbers.

    ``loss`` is the sum of what was back-propagated for the step: divided by accumulate_grad_batches, as the gradients
    are, but without the scale of a gradient scaler. With several optimizers a row is a round of their steps, and
    ``loss_1`` is what was back-propagated for the second of them.

    Raises SettingError for an option that attach() does not take, and from fit() whatever attach() raises.
    """

    @override
    def on_train_start(self, trainer: "Trainer", pl_module: "LightningModule") -> None:
        """Attach; the optimizers are configured, a checkpoint is loaded, the sanity check is over."""
        if trainer.is_global_zero:
            optimizers = trainer.optimizers
            self._begin(pl_module, optimizers[0] if len(optimizers) == 1 else optimizers)

    @override
    def on_before_backward(self, trainer: "Trainer", pl_module: "LightningModule", loss: Tensor) -> None:
        """Take the loss of a micro-batch."""
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        # A scaler tells its scale as a number only, for which the device would have to be waited for.
        self._add_loss(loss if scaler is None else loss.detach() / scaler.scale(torch.ones_like(loss)))

    @override
    def on_before_optimizer_step(self, trainer: "Trainer", pl_module: "LightningModule", optimizer: Optimizer) -> None:
        """Log the loss; Lightning calls this within the step, or right before one with a gradient scaler."""
        k = next((k for k, each in enumerate(trainer.optimizers) if each is optimizer), 0)
        self._log_loss(f"loss_{k}" if k else "loss")

    @override
    def on_train_end(self, trainer: "Trainer", pl_module: "LightningModule") -> None:
        """Close the recording."""
        self._end()

    @override
    def on_exception(self, trainer: "Trainer", pl_module: "LightningModule", exception: BaseException) -> None:
        """Close the recording as aborted."""
        self._end(exception)
