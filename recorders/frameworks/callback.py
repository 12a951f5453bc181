"""What the callbacks of all frameworks share: when a recording begins, which loss goes into a row, how it ends."""

import atexit
import os
from collections.abc import Sequence
from inspect import Parameter, signature
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from ...dynamics.errors import unknown_name
from ..attaching import attach
from ..step.recorder import Recorder

_OPTIONS = [name for name, each in signature(attach).parameters.items() if each.kind is Parameter.KEYWORD_ONLY]


class RecordsTraining:
    """A training that is recorded from its begin to its end, to be mixed into a framework's callback.

    *path* and the options are those of :func:`dyn.attach`. While the training runs, ``recorder`` is its
    :class:`~dyn.Recorder`, on which to log further numbers; otherwise, and in processes that do not record, it is None.

    Raises SettingError for an option that attach() does not take.
    """

    def __init__(self, path: str | os.PathLike[str], **options: Any):
        for name in options:
            if name not in _OPTIONS:
                raise unknown_name("option of attach()", name, _OPTIONS)
        self.path = path
        self.options = options
        self.recorder: Recorder | None = None
        self._loss: Tensor | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Launchers pickle callbacks, and users keep them; a file that is being written goes with neither.
        return {**vars(self), "recorder": None, "_loss": None}

    def _begin(self, model: nn.Module, optimizer: Optimizer | Sequence[Optimizer]) -> None:
        # Whatever is recorded still belongs to a training that raised, and of which nobody said so.
        self._abort()
        self._loss = None
        self.recorder = attach(model, optimizer, self.path, **self.options)
        # Called before the recorder's own, which would take the end of the interpreter for that of the training.
        atexit.register(self._abort)

    def _add_loss(self, loss: Tensor) -> None:
        """Add the loss of a micro-batch to those whose gradients the next step takes."""
        if self.recorder is not None:
            loss = loss.detach()
            self._loss = loss if self._loss is None else self._loss + loss

    def _log_loss(self, name: str = "loss") -> None:
        """Put the sum of the losses into the row of the step that is about to be taken."""
        if self.recorder is not None and self._loss is not None:
            self.recorder.log(**{name: self._loss})
        self._loss = None

    def _end(self, error: BaseException | None = None) -> None:
        if self.recorder is None:
            return
        atexit.unregister(self._abort)
        recorder, self.recorder = self.recorder, None
        recorder.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)

    def _abort(self) -> None:
        self._end(RuntimeError("the training did not come to its end"))
