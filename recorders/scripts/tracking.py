"""A recording for every optimizer that a process steps, made at its first step."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self
from weakref import ref

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from ...dynamics.errors import SettingError, unknown_name
from ..model.parameters import clean_name, unwrap
from ..ring.paths import free_path
from ..writing.cost import price_is_told, room_for_rows
from .accounts import Account
from .handmade import Workshop
from .losses import Ledger, parameters_of, replaced
from .ownership import Ownership, ownership
from .trainings import RecordedTraining, company

if TYPE_CHECKING:
    from ..reading.recording import Recording
    from ..step.recorder import Recorder

    Made = tuple[Recorder, nn.Module]

# A recording keeps its model in memory until the end; a script that trains one model after another must not run out.
_MOST = 32
# So many optimizers of one training tell their learning rates.
_MOST_AT_ONCE = 8
_OPTIMIZER_FILE = sys.modules[Optimizer.__module__].__file__


class Tracking:
    """Records every training of a process, from its first step on; use it in a ``with`` block.

    The first gets the file *path*, each further one a file beside it that bears the name of what it trains. *options*
    are those of attach(). *report* is told in words what is recorded and what is not. Whatever goes wrong with a
    recording, the training goes on; has_refused says that a training is not recorded for that.
    """

    def __init__(self, path: Path, options: Mapping[str, Any], report: Callable[[str], None]):
        self._path = path
        # The script may change its folder.
        self._folder = Path.cwd()
        self._options = options
        self._report = report
        self._trainings: dict[Path, RecordedTraining] = {}
        self._is_elsewhere = False
        self.has_refused = False
        self._process = os.getpid()
        self._workshop = Workshop(lambda: self._ledger.accounts, self._begin_handmade)
        self._ledger = Ledger(self._workshop)
        self._made: set[str] = set()
        self._patches = ExitStack()
        self._armed = False
        self._stateful: list[ref[Any]] = []

    def __enter__(self) -> Self:
        self._patches.enter_context(self._ledger)
        # Copying and unpickling make an optimizer by way of its state.
        for name in ("__init__", "__setstate__"):
            self._patches.enter_context(replaced(Optimizer, name, self._watching))
        for kind in (LRScheduler, torch.amp.GradScaler):
            self._patches.enter_context(replaced(kind, "__init__", self._noting))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(Exception):
            self._workshop.settle()
        self._patches.close()
        for path, training in self._trainings.items():
            try:
                training.recorder.__exit__(kind, error, traceback)
            except Exception as failure:
                self._say(f"{path} was not closed: {failure}")

    def summary(self) -> list[str]:
        """Return a line for each recording that was made, here or on another rank; they must be closed."""
        from ..reading.recording import open_recording

        lines = ["recorded by another rank"] if self._is_elsewhere and not self._trainings else []
        for path, training in self._trainings.items():
            try:
                with open_recording(training.recorder.path) as recording:
                    lines.append(f"{path}: {len(recording):,} rows, {recording.status}{_divergence(recording)}")
            except OSError as error:
                lines.append(str(error))
        return lines

    def seen(self) -> str:
        """Say what was seen of a training, where nothing was recorded."""
        count = self._ledger.passes
        passes = f"{count:,} call{'s' * (count != 1)} of backward()"
        if self._made:
            return f"{passes}; optimizers that took no step: {', '.join(sorted(self._made))}"
        if count:
            return f"{passes}; no optimizer of torch's, and no parameter that had changed at the next call"
        return "no optimizer of torch's, and no call of backward()"

    def _watching(self, original: Callable[..., None]) -> Callable[..., None]:
        def make(optimizer: Optimizer, *args: Any, **options: Any) -> None:
            original(optimizer, *args, **options)
            with suppress(Exception):
                self._arm()
                self._ledger.account(optimizer)
                self._made.add(type(optimizer).__name__)

        return make

    def _noting(self, original: Callable[..., None]) -> Callable[..., None]:
        def make(stateful: Any, *args: Any, **options: Any) -> None:
            original(stateful, *args, **options)
            if all(stateful is not each() for each in self._stateful):
                self._stateful.append(ref(stateful))

        return make

    def _kept_with(self, optimizers: Sequence[Optimizer]) -> list[Any]:
        """Return the schedulers and scalers that a training of these optimizers has with it."""
        made = [each for made in self._stateful if (each := made()) is not None]
        theirs = [each for each in made if getattr(each, "optimizer", optimizers[0]) in optimizers]
        # One that steps others keeps their states too.
        inner = {id(each) for outer in theirs for each in getattr(outer, "_schedulers", ())}
        return [each for each in theirs if id(each) not in inner]

    def _arm(self) -> None:
        """Begin to listen, with the first optimizer: torch has loaded its compiler by then, which is slow to load."""
        if not self._armed:
            self._armed = True
            # Where a whole step is compiled, the hooks run outside of what is compiled.
            before: Any = torch.compiler.disable(self._before_step)
            after: Any = torch.compiler.disable(self._after_step)
            self._patches.callback(register_optimizer_step_pre_hook(before).remove)
            self._patches.callback(register_optimizer_step_post_hook(after).remove)

    def _before_step(self, optimizer: Optimizer, *_: Any) -> None:
        try:
            account = self._ledger.begin_step(optimizer)
            is_mine = account.log is None and os.getpid() == self._process
            # An optimizer that steps others (SAM, ZeRO) is recorded, those within it are not.
            if is_mine and not _is_nested(sys._getframe()):
                # Now or never.
                account.log = _ignore
                self._begin(optimizer, account)
            if account.turn is not None:
                account.turn()
            account.publish()
        except Exception as error:
            self.has_refused = True
            self._say(f"the {type(optimizer).__name__} optimizer is not recorded: {error}")

    def _after_step(self, optimizer: Optimizer, *_: Any) -> None:
        self._ledger.account(optimizer).end_step()

    def _begin(self, optimizer: Optimizer, account: Account) -> None:
        held = {id(p) for p in parameters_of(optimizer)}
        self._workshop.account_of(parameters_of(optimizer))
        for training in self._trainings.values():
            if held <= training.held:
                self._workshop.hand_over(training.recorder)
                training.join(optimizer, account)
                return
        together, parameters = company(optimizer, self._ledger, self._workshop, _variables())
        owned = ownership(parameters, _variables())
        if owned.is_elsewhere:
            self._is_elsewhere = True
            return
        # torch comes to the optimizer's own hooks after the global ones: the recorder's fire in this very step.
        names = ", ".join(dict.fromkeys(type(each).__name__ for each in together))
        training = self._attach(owned, together[:_MOST_AT_ONCE], names, parameters)
        training.begin([(each, self._ledger.account(each)) for each in together[:_MOST_AT_ONCE]])
        for each in together[_MOST_AT_ONCE:]:
            training.join(each, self._ledger.account(each))

    def _begin_handmade(self, parameters: Sequence[Tensor], changed: Sequence[Tensor]) -> "Made | None":
        """Make the recording of a training that no optimizer of torch's steps, without its inputs."""
        if os.getpid() != self._process:
            return None
        moved = {id(p) for p in changed}
        kept = [p for p in parameters if id(p) in moved or isinstance(p, nn.Parameter)]
        try:
            owned = ownership(kept, _variables())
            if owned.is_elsewhere:
                self._is_elsewhere = True
                return None
            # What a pass has not reached, as it leaves branches out, is trained as well.
            training = self._attach(replace(owned, select=None), [], "none of torch's", kept)
        except Exception as error:
            self.has_refused = True
            self._say(f"a training without an optimizer of torch's is not recorded: {error}")
            return None
        return training.recorder, owned.model

    def _attach(
        self, owned: Ownership, optimizers: Sequence[Optimizer], names: str, parameters: Sequence[Tensor]
    ) -> RecordedTraining:
        from ..attaching import attach

        if len(self._trainings) == _MOST:
            raise SettingError(f"there are {_MOST} recordings already; record the trainings in several runs")
        path = self._free_path(owned.label)
        about = {"optimizer": names, "trains": owned.label}
        options = {**self._options, "config": {**self._options.get("config", {}), **about}}
        options["select"] = options.get("select") or owned.select
        options["labels"] = self._labels_of(owned)
        if not optimizers:
            # When such a training draws its data is not known.
            options["checkpoint_every"] = None
        with price_is_told():
            recorder = attach(owned.model, optimizers, self._folder / path, **options)
        if optimizers:
            recorder.find_more(lambda: self._kept_with(optimizers))
        held = [*parameters, *owned.model.parameters()] if owned.select is None else parameters
        self._trainings[path] = training = RecordedTraining(recorder, {id(p) for p in held})
        size = room_for_rows(recorder.bytes_per_row, recorder.path.parent)
        how = names if optimizers else "no optimizer of torch's: a row for each change between two calls of backward()"
        if recorder.chosen:
            self._say(f"{path}: {recorder.chosen}")
        self._say(f"{path}: recording {owned.label} ({how}), {size}")
        return training

    def _labels_of(self, owned: Ownership) -> dict[str, Sequence[str]]:
        """Return the labels of parameters that a model has; which it lacks is said, as another may have them."""
        labels, root = self._options.get("labels") or {}, unwrap(owned.model)
        known = {clean_name(name, root) for name, _ in nn.Module.named_parameters(root)}
        for name in labels.keys() - known:
            self._say(f"{owned.label} does not get the labels of {name!r}: {unknown_name('parameter', name, known)}")
        return {name: texts for name, texts in labels.items() if name in known}

    def _say(self, message: str) -> None:
        with suppress(Exception):
            self._report(message)

    def _free_path(self, label: str) -> Path:
        if not self._trainings:
            return self._path
        beside = self._path.with_name(f"{self._path.stem}.{label}{self._path.suffix}")
        overwrite = self._options.get("overwrite", False)
        return free_path(beside, folder=self._folder, taken=self._trainings, overwrite=overwrite)


def _variables() -> Mapping[str, Any]:
    return vars(sys.modules["__main__"])


def _divergence(recording: "Recording") -> str:
    from ..reading.divergence import diverged_to_the_end

    step = diverged_to_the_end(recording)
    return "" if step is None else f", diverged at step {step:,}"


def _ignore(_: Any) -> None:
    """Do nothing, for the loss of an optimizer that is not recorded."""


def _is_nested(frame: FrameType | None) -> bool:
    """Return whether the step under way in *frame* is part of another optimizer's step."""
    steps = 0
    while frame is not None:
        code = frame.f_code
        steps += code.co_filename == _OPTIMIZER_FILE and code.co_name == "wrapper"
        frame = frame.f_back
    return steps > 1
