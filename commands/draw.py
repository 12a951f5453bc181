"""The commands that draw: figures, films and pages."""

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..dynamics.errors import unknown_name
from ..viz.kinds import KINDS, default_kind
from .options import FILES, FORCE, INSTANCE, PARAMETER, RECORDING
from .streams import echo
from .terminal import Size, advise, progress, tell_divergence

if TYPE_CHECKING:
    from ..recorders.reading.recording import Recording

FIGURE_KINDS = tuple(KINDS)


def _drawable(file: Path, *, moving: bool = False) -> AbstractContextManager["Recording"]:
    """Open a recording, or the result of a sweep as one."""
    from ..recorders.sweeps.as_recording import recording_of

    return recording_of(file, moving=moving, progress=progress("copying", "block"))


@click.command()
@RECORDING
@click.argument("kind", required=False, metavar=f"[{'|'.join(FIGURE_KINDS)}]")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="png, svg or pdf [default: FILE-KIND.png].")
@click.option("--log-steps", is_flag=True, help="Draw the steps on a logarithmic axis.")
@click.option("--signal", metavar="GLOB", help="Which scalars and probes an overview draws [default: all with room].")
@click.option("--with", "other", metavar="B", type=click.Path(path_type=Path), help="What a comparison compares with.")
@PARAMETER
@INSTANCE
@FORCE
def plot(file: Path, kind: str | None, output: Path | None, force: bool, **options: Any) -> None:
    """Draw a figure of a recording, by default the kind that shows best what it is about."""
    if kind is not None and kind not in FIGURE_KINDS:
        raise unknown_name("kind of figure", kind, FIGURE_KINDS)
    # The first member, 0, is an option like any other.
    given = {name: value for name, value in options.items() if value is not None and value is not False}

    from ..recorders.outputs import check_output
    from ..viz.output import FIGURE_SUFFIXES, save_figure

    with _drawable(file) as recording:
        chosen = default_kind(recording, given) if kind is None else KINDS[kind]
        path = output or Path(f"{file.stem}-{chosen.name}.png")
        check_output(path, FIGURE_SUFFIXES, overwrite=force)
        advise(recording)
        figure = chosen.draw(recording, **given)
        tell_divergence(file, recording.diverged_at)
    echo(save_figure(figure, path, overwrite=force))


@click.command()
@FILES
@click.option("-o", "--output", type=click.Path(path_type=Path), help="mp4, webm, gif, N-%04d.png, html [FILE.gif].")
@click.option("--fps", type=int, default=30, show_default=True, help="Frames per second.")
@click.option("--seconds", type=float, default=12.0, show_default=True, help="How long the movie lasts.")
@click.option("--size", type=Size(), default="1280x720", show_default=True, help="Width and height in pixels.")
@click.option("--clock", default="motion", show_default=True, help="What time goes by: motion, step or log.")
@click.option("--turn", type=float, default=60.0, show_default=True, help="Degrees that the camera goes around.")
@click.option("--project", default="moving", show_default=True, help="Beyond 3 dimensions: moving, pca, or I,J,K.")
@click.option("--workers", type=int, default=1, show_default=True, help="How many processes draw.")
@click.option("--instance", type=int, multiple=True, metavar="K", help="Which members of an ensemble; repeatable.")
@PARAMETER
@FORCE
def animate(files: tuple[Path, ...], output: Path | None, force: bool, **options: Any) -> None:
    """Draw recordings as moving polyhedra, with dimensionality and loss beside them, and what happens in words."""
    from ..viz.animation import animate as write_animation

    path = output or Path(f"{files[0].stem}.gif")
    with ExitStack() as stack:
        recordings = [stack.enter_context(_drawable(file, moving=True)) for file in files]
        write_animation(recordings, path, **options, overwrite=force, progress=progress("drawing", "frame"))
        for file, recording in zip(files, recordings, strict=True):
            tell_divergence(file, recording.diverged_at)
    echo(path)


@click.command()
@RECORDING
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The page [default: FILE.html].")
@PARAMETER
@INSTANCE
@FORCE
def report(file: Path, output: Path | None, force: bool, **options: Any) -> None:
    """Write a page to share: one HTML file in which any browser, also offline, turns, plays and explains the run."""
    from ..viz.page import write_page

    with _drawable(file, moving=True) as recording:
        path = write_page(recording, output or Path(f"{file.stem}.html"), **options, overwrite=force)
        tell_divergence(file, recording.diverged_at)
    echo(path)
