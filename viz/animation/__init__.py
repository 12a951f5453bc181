"""The animation: a run's features as a polyhedron, dimensionality and loss beside it, and what happens in words."""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from ...dynamics.errors import SettingError
from ...recorders.outputs import check_output
from ...recorders.reading.recording import Recording
from ...recorders.reading.selection import select
from ..playback.clock import steps_of_frames
from ..playback.footage import Footage
from .grid import MOST_RUNS
from .movie import MOVIE_SUFFIXES, check_movie, open_movie
from .scene import Take
from .stills import check_pattern
from .workers import check_workers, draw_frames

_PAGE = ".html"
_MOST_FRAMES = 10**6


def animate(
    recording: Recording | Sequence[Recording],
    path: str | os.PathLike[str],
    *,
    fps: int = 30,
    seconds: float = 12.0,
    size: tuple[int, int] = (1280, 720),
    clock: str = "motion",
    turn: float = 60.0,
    project: str | Sequence[int] = "moving",
    parameter: str | None = None,
    instance: int | Sequence[int] | None = None,
    workers: int = 1,
    overwrite: bool = False,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Path:
    """Write a run, or several side by side, as a movie or a page, by the suffix of *path*, and return that path.

    mp4, webm and gif are movies; png writes a file for each frame, whose number goes where the name says, such as
    ``frames/%04d.png``; html is one page to look at the run with. The polyhedron is the convex hull of the features,
    each a vector in the colour of its set; lines join those that share a dimension. Two hidden dimensions are seen
    straight on, one as a line for each feature. Between two rows of a recording, W goes in a straight line.

    size: width and height in pixels. clock: what the movie's time goes by, ``motion``, ``step`` or ``log``, see
    clock.steps_of_frames. turn: how many degrees the camera goes around; 0 keeps it where it is. project: which three
    of more than three hidden dimensions are shown, ``moving`` for those of the features that move most, ``pca`` for the
    principal components of the run, or features that span them, such as those of one polytope; refused where no run has
    more than three. parameter chooses as in
    plot_levels(). instance: one member of an ensemble or several; None is all of up to twelve members, or else the
    first. workers: how many processes draw; more than one may pay where there are many cores. *progress* wraps the
    numbers of the frames, such as tqdm.

    A page (html) is for one run and has a time line of its own: of these options it takes parameter and instance.
    Memory does not grow with the number of frames, nor with the size of W times the number of rows.
    Raises SettingError for what cannot be had, MissingExtraError for mp4 and webm without the extra [video],
    OutputExistsError for an existing file, RecordingError where there is nothing to show.
    """
    recordings = [recording] if isinstance(recording, Recording) else list(recording)
    path = Path(path)
    if path.suffix.lower() == ".png":
        check_pattern(path)
    path = check_output(path, (*MOVIE_SUFFIXES, _PAGE), overwrite=overwrite)
    if path.suffix.lower() == _PAGE:
        _check_page(path, fps=fps, seconds=seconds, size=size, clock=clock, turn=turn, project=project, workers=workers)
        return _write_page(recordings, path, parameter, instance, overwrite=overwrite)
    check_movie(path, fps, size, overwrite=overwrite)
    if not 2 <= seconds * fps < _MOST_FRAMES:
        raise SettingError(f"seconds={seconds:g} at fps={fps} make no movie of 2 to a million frames")
    if not math.isfinite(turn):
        raise SettingError(f"turn={turn} is no angle; give degrees")
    runs = _runs(recordings, parameter, instance, project)
    check_workers(workers, runs)
    steps = steps_of_frames(runs, round(seconds * fps), clock)
    take = Take(steps, size, fps, turn, log_steps=clock == "log")
    with open_movie(path, fps, size) as write:
        for pixels in draw_frames(runs, take, workers, progress):
            write(pixels)
    return path


def _runs(
    recordings: Sequence[Recording],
    parameter: str | None,
    instance: int | Sequence[int] | None,
    project: str | Sequence[int],
) -> list[Footage]:
    """Return what is to be shown, side by side."""
    chosen = [(each, member) for each in recordings for member in _members(each, parameter, instance)]
    if not 1 <= len(chosen) <= MOST_RUNS:
        raise SettingError(f"{len(chosen)} runs do not fit on one picture; choose 1 to {MOST_RUNS} of them")
    runs = [Footage(select(each, parameter, member), project) for each, member in chosen]
    if project != "moving" and all(run.m <= 3 for run in runs):
        whose, most = runs[0].selection.parameter, max(run.m for run in runs)
        raise SettingError(
            f"project={project!r}: {whose} has {most} hidden dimension{'s' * (most > 1)}, all shown; leave it out"
        )
    return runs


def _members(recording: Recording, parameter: str | None, instance: int | Sequence[int] | None) -> Sequence[int | None]:
    """Return which members of a recording are shown; None stands for one that is no ensemble."""
    if chosen := _numbers(instance):
        return chosen
    selection = select(recording, parameter)
    if selection.instance is None:
        return [None]
    members = recording.features[selection.parameter]["dimensionality"].shape[1]
    return range(members if members <= MOST_RUNS else 1)


def _numbers(instance: int | Sequence[int] | None) -> list[int]:
    """Return the members that were asked for, which may be NumPy's integers."""
    if instance is None:
        return []
    return [int(instance)] if isinstance(instance, int | np.integer) else [int(each) for each in instance]


def _check_page(path: Path, **options: Any) -> None:
    """Raise SettingError for what a movie takes and a page does not."""
    usual = signature(animate).parameters
    given = [f"{name}={value}" for name, value in options.items() if value != usual[name].default]
    if given:
        told = f"{', '.join(given)} {'is' if len(given) == 1 else 'are'} of no use"
        raise SettingError(f"{path}: a page has a time line of its own, where {told}; leave it out, or make an mp4")


def _write_page(
    recordings: Sequence[Recording],
    path: Path,
    parameter: str | None,
    instance: int | Sequence[int] | None,
    *,
    overwrite: bool,
) -> Path:
    members = _numbers(instance) or [None]
    if len(recordings) != 1 or len(members) != 1:
        raise SettingError(f"{path}: a page shows one run; choose one recording and one instance, or make an mp4")
    from ..page import write_page

    return write_page(recordings[0], path, parameter=parameter, instance=members[0], overwrite=overwrite)
