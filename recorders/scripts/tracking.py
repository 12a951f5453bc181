"""A recording for every optimizer that a process steps, made at its first step."""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

import torch
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from ...dynamics.errors import SettingError
from ..ring.paths import free_path
from ..writing.cost import price_is_told, room_for_rows
from .losses import Account, Ledger, replaced

if TYPE_CHECKING:
    from ..reading.recording import Recording
    from ..step.recorder import Recorder

# A recording keeps its model in memory until the end; a script that trains one model after another must not run out.
_MOST = 32
_OPTIMIZER_FILE = sys.modules[Optimizer.__module__].__file__


class Tracking:
    """Records every optimizer that takes a step, from that step on; use it in a ``with`` block.

    The first gets the file *path*, each further one a file beside it that bears the name of what it trains. *options*
    are those of attach(). *report* is told in words what is recorded and what is not. Whatever goes wrong with a
    recording, the training goes on; has_refused says that an optimizer is not recorded for that.
    """

    def __init__(self, path: Path, options: Mapping[str, Any], report: Callable[[str], None]):
        self._path = path
        # The script may change its folder.
        self._folder = Path.cwd()
        self._options = options
        self._report = report
        self._recorders: dict[Path, Recorder] = {}
        self._is_elsewhere = False
        self.has_refused = False
        self._process = os.getpid()
        self._ledger = Ledger()
        self._patches = ExitStack()
        self._armed = False

    def __enter__(self) -> Self:
        # Copying and unpickling make an optimizer by way of its state.
        for name in ("__init__", "__setstate__"):
            self._patches.enter_context(replaced(Optimizer, name, self._watching))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._patches.close()
        for path, recorder in self._recorders.items():
            try:
                recorder.__exit__(kind, error, traceback)
            except Exception as failure:
                self._say(f"{path} was not closed: {failure}")

    def summary(self) -> list[str]:
        """Return a line for each recording that was made, here or on another rank; they must be closed."""
        from ..reading.recording import open_recording

        lines = ["recorded by another rank"] if self._is_elsewhere and not self._recorders else []
        for path, recorder in self._recorders.items():
            try:
                with open_recording(recorder.path) as recording:
                    lines.append(f"{path}: {len(recording):,} rows, {recording.status}{_divergence(recording)}")
            except OSError as error:
                lines.append(str(error))
        return lines

    def _watching(self, original: Callable[..., None]) -> Callable[..., None]:
        def make(optimizer: Optimizer, *args: Any, **options: Any) -> None:
            original(optimizer, *args, **options)
            with suppress(Exception):
                self._arm()
                self._ledger.account(optimizer)

        return make

    def _arm(self) -> None:
        """Begin to listen, with the first optimizer: torch has loaded its compiler by then, which is slow to load."""
        if not self._armed:
            self._armed = True
            self._patches.enter_context(self._ledger)
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
            account.publish()
        except Exception as error:
            self.has_refused = True
            self._say(f"the {type(optimizer).__name__} optimizer is not recorded: {error}")

    def _after_step(self, optimizer: Optimizer, *_: Any) -> None:
        self._ledger.account(optimizer).end_step()

    def _begin(self, optimizer: Optimizer, account: Account) -> None:
        from ..attaching import attach
        from .ownership import ownership

        owned = ownership(optimizer, vars(sys.modules["__main__"]))
        if owned.is_elsewhere:
            self._is_elsewhere = True
            return
        if len(self._recorders) == _MOST:
            raise SettingError(f"there are {_MOST} recordings already; record the trainings in several runs")
        path = self._free_path(owned.label)
        about = {"optimizer": type(optimizer).__name__, "trains": owned.label}
        options = {**self._options, "config": {**self._options.get("config", {}), **about}}
        options["select"] = options.get("select") or owned.select
        # torch comes to the optimizer's own hooks after the global ones: the recorder's fire in this very step.
        with price_is_told():
            recorder = attach(owned.model, optimizer, self._folder / path, **options)
        self._recorders[path] = recorder
        account.log = lambda loss: recorder.log(loss=loss)
        size = room_for_rows(recorder.bytes_per_row, recorder.path.parent)
        self._say(f"{path}: recording {owned.label} ({about['optimizer']}), {size}")

    def _say(self, message: str) -> None:
        with suppress(Exception):
            self._report(message)

    def _free_path(self, label: str) -> Path:
        if not self._recorders:
            return self._path
        beside = self._path.with_name(f"{self._path.stem}.{label}{self._path.suffix}")
        overwrite = self._options.get("overwrite", False)
        return free_path(beside, folder=self._folder, taken=self._recorders, overwrite=overwrite)


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
