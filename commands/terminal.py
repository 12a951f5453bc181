"""How the command line speaks: one line for an error and a code for its kind, progress on a terminal only."""

import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.shell_completion import CompletionItem

from ..dynamics.errors import DynError, OutputExistsError, SettingError, unknown_name
from .streams import echo, of_any_encoding, settle

if TYPE_CHECKING:
    from ..recorders.reading.recording import Recording

# What lies beside a file for a while: its ring and its journal, and drafts that take its place.
_BESIDE = re.compile(r"(\.ring|\.journal)?\.new(?=[:\s]|$)|(\.ring|\.journal)(?=: )")
_DRAFT = re.compile(r"(?<=/)\.([^/]+)\.[0-9a-f]{32}(\.\w+)?(\.old)?\b")
EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


class OneLineErrors(click.Group):
    """A command group that says what is wrong in one line on stderr, and maps errors to exit codes."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run the command line and exit."""
        extra["standalone_mode"] = False
        with of_any_encoding():
            try:
                result = super().main(*args, **extra)
            except BaseException as error:
                settle()
                _end(error)
            if (error := settle()) is not None:
                _end(error)
        if callable(result):
            sys.exit(result())
        # Asked for --help or --version, click hands back the exit code instead of raising.
        sys.exit(result if isinstance(result, int) else 0)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the words given, and help whoever asks for it."""
        with _readers_may_leave():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _readers_may_leave():
            return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; one that is not there is answered with those that are near."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise click.UsageError(str(unknown_name("command", args[0], self.list_commands(ctx))), ctx)
        return super().resolve_command(ctx, args)


@contextmanager
def _readers_may_leave() -> Iterator[None]:
    """End in order when a pipe has no reader any more; click would exit with a code of its own."""
    try:
        yield
    except BrokenPipeError:
        settle()
        raise click.exceptions.Exit(0) from None


def _end(error: BaseException) -> NoReturn:
    """Exit as an error asks for; raises it where it is nobody's mistake but ours."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        echo(error.format_message())
        sys.exit(EXIT_USAGE)
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "dyn"
        complain(f"{_usage(error).rstrip('.')}; see {command} --help", EXIT_USAGE)
    if isinstance(error, SettingError):
        complain(error, EXIT_USAGE)
    if isinstance(error, BrokenPipeError):
        # Whoever read, such as head, has what was wanted.
        sys.exit(0)
    if isinstance(error, click.ClickException | DynError | OSError):
        complain(error, EXIT_FAILED)
    if isinstance(error, click.Abort | KeyboardInterrupt):
        complain("interrupted", EXIT_INTERRUPTED)
    # torch has no error of its own for this.
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "allocate memory" in str(error)):
        complain("there is not enough memory for these settings; make the model or the batch smaller", EXIT_FAILED)
    raise error


def _usage(error: click.UsageError) -> str:
    """Return what was wrong with the words given; of an option that is not there, which are near."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return error.format_message()
    known = [name for each in error.ctx.command.get_params(error.ctx) for name in each.opts if name.startswith("--")]
    return str(unknown_name("option", error.option_name, known))


def complain(error: BaseException | str, code: int) -> NoReturn:
    """Say what is wrong in one line on stderr, and exit."""
    message = error.format_message() if isinstance(error, click.ClickException) else str(error)
    if isinstance(error, OSError) and error.strerror and not isinstance(error, DynError):
        name = error.filename
        message = f"{os.fsdecode(name) if isinstance(name, str | bytes) else 'the output'}: {error.strerror}"
    message = _DRAFT.sub(r"\1\2", _BESIDE.sub("", message))
    if isinstance(error, OutputExistsError):
        message = message.replace("overwrite=True", "--force")
    # Nobody may be there to hear it.
    with suppress(OSError):
        echo(f"dyn: {' '.join(message.split())}", err=True)
    settle()
    sys.exit(code)


class Size(click.ParamType):
    """A frame size such as 1280x720."""

    name = "WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Read the two numbers."""
        width, cross, height = str(value).lower().partition("x")
        if not (cross and width.isdecimal() and height.isdecimal()):
            self.fail(f"{value!r} is not a size; write WIDTHxHEIGHT, such as 1280x720", param, ctx)
        return int(width), int(height)


def complete_target(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the experiments that begin so, and whatever files do, for the shell."""
    from ..dynamics.experiments import EXPERIMENTS

    names = [CompletionItem(name) for name in EXPERIMENTS if name.startswith(incomplete)]
    return [*names, CompletionItem(incomplete, type="file")]


def progress(what: str, unit: str) -> Callable[[Iterable[Any]], Iterable[Any]]:
    """Return a progress bar that shows on a terminal and nowhere else."""
    from tqdm import tqdm

    return partial(tqdm, desc=what, unit=unit, disable=None, leave=False)


def reporter() -> Callable[[str], None]:
    """Return what says a line on the present stderr, whatever a script makes of stderr later, and never fails."""
    stream = sys.stderr

    def report(message: str) -> None:
        with suppress(OSError, ValueError):
            print(f"dyn: {' '.join(message.split())}", file=stream, flush=True)

    return report


def tell_divergence(path: Path, step: int | None) -> None:
    """Say on stderr where the recording at *path* diverged, if it did."""
    if step is not None:
        echo(f"dyn: {path} diverged at step {step:,}", err=True)


def advise(recording: "Recording") -> None:
    """Say on stderr what would make the analysis of a large recording quick."""
    from ..recorders.rewriting.advice import advice

    if said := advice(recording):
        echo(f"dyn: {said}", err=True)


@contextmanager
def say_warnings() -> Iterator[None]:
    """Say what is warned of in one line each, without the place in the code."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        echo(f"dyn: {warning.message}", err=True)
