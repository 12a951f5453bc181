"""How the command line speaks: one line for an error and a code for its kind, progress on a terminal only."""

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.shell_completion import CompletionItem

from ..dynamics.errors import DynError, SettingError

if TYPE_CHECKING:
    from ..recorders.reading.recording import Recording

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


class OneLineErrors(click.Group):
    """A command group that says what is wrong in one line on stderr, and maps errors to exit codes."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run the command line and exit."""
        extra["standalone_mode"] = False
        try:
            result = super().main(*args, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            sys.exit(EXIT_USAGE)
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else "dyn"
            complain(f"{error.format_message().rstrip('.')}; see {command} --help", EXIT_USAGE)
        except SettingError as error:
            complain(error, EXIT_USAGE)
        except (click.ClickException, DynError, OSError) as error:
            complain(error, EXIT_FAILED)
        except (click.Abort, KeyboardInterrupt):
            complain("interrupted", EXIT_INTERRUPTED)
        except (MemoryError, RuntimeError) as error:
            # torch has no error of its own for this.
            if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
                raise
            complain("there is not enough memory for these settings; make the model or the batch smaller", EXIT_FAILED)
        if callable(result):
            sys.exit(result())
        # Asked for --help or --version, click hands back the exit code instead of raising.
        sys.exit(result if isinstance(result, int) else 0)


def complain(error: BaseException | str, code: int) -> NoReturn:
    """Say what is wrong in one line on stderr, and exit."""
    message = error.format_message() if isinstance(error, click.ClickException) else str(error)
    click.echo(f"dyn: {' '.join(message.split())}", err=True)
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


def advise(recording: "Recording") -> None:
    """Say on stderr what would make the analysis of a large recording quick."""
    from ..recorders.rewriting.advice import advice

    if said := advice(recording):
        click.echo(f"dyn: {said}", err=True)


@contextmanager
def say_warnings() -> Iterator[None]:
    """Say what is warned of in one line each, without the place in the code."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        click.echo(f"dyn: {warning.message}", err=True)
