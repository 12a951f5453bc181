"""RecorderCallback for the Trainer of Hugging Face's transformers."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from importlib import import_module
from typing import Any

from torch import Tensor
from typing_extensions import override

from ...dynamics.errors import MissingExtraError
from .callback import RecordsTraining

try:
    # Without it there is a Trainer that cannot train.
    import_module("accelerate")
    from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
except ModuleNotFoundError as error:
    raise MissingExtraError.for_feature("the callback for transformers", "transformers") from error


class RecorderCallback(RecordsTraining, TrainerCallback):
    """Record a training by a Trainer: ``Trainer(..., callbacks=[RecorderCallback("run.h5", every=10)])``.

    *path* and the options are those of :func:`dyn.attach`. Process 0 records, from the state in which train() begins
    until its last step. A train() that raises leaves the status "aborted": at once where training_step raised,
    otherwise when the next train() begins or the interpreter exits. ``recorder`` is the :class:`~dyn.Recorder`
    meanwhile, on which to log further numbers.

    ``loss`` is the sum of what training_step returned for the micro-batches of the step; in a single process the
    Trainer prints the same with logging_steps=1.

    Raises SettingError for an option that attach() does not take, and from train() whatever attach() raises.
    """

    _unwatch: Callable[[], None] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_unwatch": None}

    @override
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **parts: Any
    ) -> None:
        """Attach; the optimizer is made and prepared, a checkpoint is loaded."""
        if state.is_world_process_zero:
            self._begin(parts["model"], parts["optimizer"])
            trainer = _calling_trainer()
            if trainer is not None:
                self._watch(trainer)

    @override
    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **parts: Any
    ) -> None:
        """Log the loss."""
        self._log_loss()

    @override
    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **parts: Any) -> None:
        """Close the recording once the training is summed up: the Trainer may load its best model after that."""
        if "train_runtime" in parts["logs"]:
            self._end()

    @override
    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **parts: Any) -> None:
        """Close the recording."""
        self._end()

    def _watch(self, trainer: Trainer) -> None:
        """See what no event tells: the losses of *trainer* as training_step returns them, and that it is over.

        Before release 5 the best model is loaded first and the training summed up afterwards.
        """
        training_step = trainer.training_step
        # No method that is promised; where there is none the sum of the training comes first.
        load_best_model = getattr(trainer, "_load_best_model", lambda: None)

        @wraps(training_step)
        def watched(*args: Any, **kwargs: Any) -> Tensor:
            try:
                loss = training_step(*args, **kwargs)
            except BaseException as error:
                self._end(error)
                raise
            self._add_loss(loss)
            return loss

        @wraps(load_best_model)
        def ended(*args: Any, **kwargs: Any) -> None:
            self._end()
            load_best_model(*args, **kwargs)

        undo = ExitStack()
        undo.callback(_put_over(trainer, "training_step", watched))
        undo.callback(_put_over(trainer, "_load_best_model", ended))
        self._unwatch = undo.close

    @override
    def _end(self, error: BaseException | None = None) -> None:
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        super()._end(error)


def _put_over(trainer: Trainer, name: str, method: Callable[..., Any]) -> Callable[[], None]:
    """Put a method over that of *trainer*, on the object alone; return what undoes it.

    No other Trainer notices. What somebody else has put over it meanwhile stays, and calls a method that sees nobody to
    tell.
    """
    before = vars(trainer).get(name)
    vars(trainer)[name] = method

    def undo() -> None:
        if vars(trainer).get(name) is method:
            delattr(trainer, name)
            if before is not None:
                vars(trainer)[name] = before

    return undo


def _calling_trainer() -> Trainer | None:
    """Return the Trainer that is running its callbacks; it is not among what it hands them."""
    frame = sys._getframe(1)
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, Trainer):
            return caller
        frame = frame.f_back
    return None
