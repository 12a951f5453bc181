"""Running a script as ``python`` would: its arguments, folder, ``__main__``, exit code and traceback."""

import builtins
import os
import runpy
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType, TracebackType

from ...dynamics.errors import SettingError
from ...dynamics.experiments import EXPERIMENTS

ExceptHook = Callable[[type[BaseException], BaseException, TracebackType | None], object]

_DISABLE = str(Path("torch", "_dynamo", "eval_frame.py"))
# Where our frames lie. A checkout's root is not ours as a whole: an environment may lie in it.
_OURS = tuple(str(Path(__file__).parents[2] / folder) + os.sep for folder in ("recorders", "dynamics", "commands"))


@dataclass(frozen=True)
class Script:
    """A script, or with is_module the name of a module, and the arguments that it is given."""

    target: str
    arguments: Sequence[str] = ()
    is_module: bool = False

    @property
    def default_output(self) -> Path:
        """Return where its recording goes unless told: into the present folder, under its name."""
        name = self.target.rpartition(".")[2] if self.is_module else Path(self.target).stem
        return Path(f"{name}.h5")

    def check(self, *, settings: Sequence[str] = (), dry_run: bool = False) -> None:
        """Raise SettingError where there is no such script, and for options that only an experiment has.

        A module is looked for when it is run, as python does.
        """
        way_out = "name a Python file, or a module with -m"
        if not self.is_module and Path(self.target).is_dir():
            raise SettingError(f"the script {self.target!r} is a directory; {way_out}")
        if not self.is_module and not Path(self.target).is_file():
            raise SettingError(f"there is no script {self.target!r}; {way_out}")
        if settings:
            raise SettingError(
                f"{', '.join(settings)}: --steps, --seed, --device and --set are for the catalogue's experiments; "
                f"give {self.target} its own arguments after --"
            )
        if dry_run:
            raise SettingError(
                f"--dry-run: what {self.target} trains is known at its first step only; "
                "record it, and the first line says what a row takes"
            )

    def run(self) -> None:
        """Run it as ``__main__``, and raise what it raises.

        sys.argv, sys.path and ``__main__`` are the script's from then on, since its threads, its atexit handlers and
        what it pickles may need them to the end of the process.
        """
        main = sys.modules["__main__"] = ModuleType("__main__")
        vars(main).update(__builtins__=builtins, __annotations__={})
        if not sys.flags.safe_path:
            # What stands there belongs to the command that brought us here.
            sys.path[0] = str(Path.cwd() if self.is_module else Path(self.target).resolve().parent)
        if self.is_module:
            sys.argv[:] = ["-m", *self.arguments]
            # What python -m itself calls, so that the traceback is the same.
            runpy._run_module_as_main(self.target)  # pyright: ignore[reportAttributeAccessIssue]
        else:
            sys.argv[:] = [self.target, *self.arguments]
            # A Path would lose a leading "./", which python keeps.
            file = os.path.join(Path.cwd(), self.target)  # noqa: PTH118
            loader = SourceFileLoader("__main__", file)
            vars(main).update(__file__=file, __cached__=None, __loader__=loader)
            exec(compile(Path(file).read_bytes(), file, "exec", dont_inherit=True), vars(main))


def is_script(target: str) -> bool:
    """Return whether *target* names a file rather than an experiment of the catalogue."""
    if target in EXPERIMENTS:
        return False
    return target.endswith(".py") or os.sep in target or Path(target).is_file()


def trimmed(hook: ExceptHook) -> ExceptHook:
    """Return sys.excepthook *hook* for an exception from a script: without the frames that python would not have.

    These are the frames down to Script.run(), and the recorders' among the script's own.
    """

    def show(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
        _trim(error, set())
        hook(kind, error, error.__traceback__)

    return show


def never_began(error: BaseException) -> bool:
    """Return whether python ended before it ran any line of a module, as where there is none of that name."""
    if not isinstance(error, SystemExit) or not isinstance(error.code, str):
        return False
    files = {frame.tb_frame.f_code.co_filename for frame in _script_frames(error.__traceback__)}
    return files <= {"<frozen runpy>", runpy.__file__}


def _trim(error: BaseException, seen: set[int]) -> None:
    seen.add(id(error))
    error.__traceback__ = _chain(_script_frames(error.__traceback__))
    for other in (error.__cause__, error.__context__, *getattr(error, "exceptions", ())):
        if isinstance(other, BaseException) and id(other) not in seen:
            _trim(other, seen)


def _script_frames(traceback: TracebackType | None) -> list[TracebackType]:
    kept: list[TracebackType] = []
    after_ours = False
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code is Script.run.__code__:
            kept.clear()
        elif code.co_filename.startswith(_OURS):
            after_ours = True
            while kept and _leads_to_us(kept[-1]):
                kept.pop()
        elif not (after_ours and _leads_to_us(traceback)):
            kept.append(traceback)
            after_ours = False
        traceback = traceback.tb_next
    return kept


def _leads_to_us(traceback: TracebackType) -> bool:
    """Return whether a frame beside ours is there because of ours.

    Python hides the frames of an import unless there are others between them, and what torch.compile is told to leave
    alone is called by way of a frame of its own.
    """
    file = traceback.tb_frame.f_code.co_filename
    return file.startswith("<frozen importlib") or file.endswith(_DISABLE)


def _chain(frames: Sequence[TracebackType]) -> TracebackType | None:
    for frame, following in zip(frames, [*frames[1:], None], strict=False):
        frame.tb_next = following
    return frames[0] if frames else None
