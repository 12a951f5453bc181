"""Recording a script that knows nothing of it."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from .launch import Script, never_began, trimmed

if TYPE_CHECKING:
    from .tracking import Tracking

_NOTHING = "nothing was recorded"
_NO_STEP = f"{_NOTHING}: the script took no optimizer step in this process"
_WAY_OUT = (
    "the trainings of processes that it starts are not seen, nor gradients from torch.autograd.grad, nor parameters "
    "that are made anew at each step; there, use dyn.attach(model, None, path) and recorder.step() before each update"
)


def record_script(
    script: Script,
    path: Path,
    *,
    every: Any = 1,
    select: Sequence[str] | None = None,
    labels: Mapping[str, Sequence[str]] | None = None,
    overwrite: bool = False,
    checkpoint_every: int | None = None,
    summaries: bool | None = None,
    budget: str | None = None,
    steps: int | None = None,
    report: Callable[[str], None],
) -> None:
    """Run *script* as python would, in this process, and record into *path* every optimizer that it steps.

    It returns, or raises, as the script does; SystemExit(1) where the script ended well and nothing was recorded.
    *report* is told in words what is recorded. The other arguments are those of attach(). Nothing heavy is imported
    before the script does so itself, since environment variables that it sets must still count.
    """
    about = {"script": script.target, "arguments": list(script.arguments)}
    options: dict[str, Any] = {
        "every": every,
        "select": select,
        "labels": labels,
        "overwrite": overwrite,
        "config": about,
    }
    options |= {"checkpoint_every": checkpoint_every, "summaries": summaries, "budget": budget, "steps": steps}
    process = os.getpid()
    recording = _LaterTracking(path, options, report)
    outcome: BaseException | None = None
    try:
        with recording:
            script.run()
    except BaseException as error:
        outcome = error
    has_failed = outcome is not None and not (isinstance(outcome, SystemExit) and not outcome.code)
    if outcome is not None and script.is_module and never_began(outcome):
        # Python says in its own words that there is no such module.
        raise outcome
    # A child that the script forked may come by here too; it has nothing to say.
    if os.getpid() == process and not recording.tell() and not has_failed:
        outcome = SystemExit(1)
    if outcome is not None:
        sys.excepthook = trimmed(sys.excepthook)
        raise outcome


class _LaterTracking:
    """A tracking that begins once torch has been imported."""

    def __init__(self, path: Path, options: Mapping[str, Any], report: Callable[[str], None]):
        self._arguments = path, options, report
        self._report = report
        self._tracking: Tracking | None = None
        self._finder = _AfterImport("torch", self._begin)

    def __enter__(self) -> Self:
        if "torch" in sys.modules:
            self._begin()
        else:
            sys.meta_path.insert(0, self._finder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(ValueError):
            sys.meta_path.remove(self._finder)
        if self._tracking is not None:
            left_in_order = isinstance(error, SystemExit) and not error.code
            self._tracking.__exit__(*((None, None, None) if left_in_order else (kind, error, traceback)))

    def tell(self) -> bool:
        """Say what was recorded, and return whether anything was, here or on another rank."""
        lines = [] if self._tracking is None else self._tracking.summary()
        has_refused = self._tracking is not None and self._tracking.has_refused
        seen = "torch was not imported" if self._tracking is None else self._tracking.seen()
        for line in lines or [_NOTHING if has_refused else f"{_NO_STEP} ({seen}); {_WAY_OUT}"]:
            self._report(line)
        return bool(lines)

    def _begin(self) -> None:
        try:
            from .tracking import Tracking

            self._tracking = Tracking(*self._arguments).__enter__()
        except Exception as error:
            # The script is importing torch at this moment, and shall not fail for our sake.
            self._report(f"nothing can be recorded: {error}")


class _AfterImport(MetaPathFinder):
    """Calls *action* once the module *name* has been imported."""

    def __init__(self, name: str, action: Callable[[], None]):
        self._name = name
        self._action = action

    def find_spec(self, fullname: str, *_: Any) -> ModuleSpec | None:
        """Find the module as it would be found without this, and have its loader call the action."""
        if fullname != self._name:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            self._watch(spec.loader)
        return spec

    def _watch(self, loader: Any) -> None:
        def exec_module(module: ModuleType) -> None:
            del loader.exec_module
            loader.exec_module(module)
            self._action()

        loader.exec_module = exec_module
