"""The animation: a run's features as a polyhedron, dimensionality and loss beside it with a moving cursor."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..dynamics.errors import SettingError
from ..dynamics.projection import projection
from ..recorders.recording import Recording
from ..recorders.selection import Selection, select
from .colours import REPRESENTED, feature_colours
from .levels import draw_levels, draw_loss
from .movie import MOVIE_SUFFIXES, check_movie, open_movie
from .output import check_output, replaced_when_done
from .polyhedron import Polyhedron
from .style import INK, escaped, style

_DPI = 100
# The camera turns by this much over the whole movie: enough to see depth, too little to be what moves.
_TURN = np.radians(60)
_FIRST_AZIMUTH = np.radians(-55)
# So many looks at a run tell when its features move; closer ones would only see the noise of the minibatches.
_PACE_LOOKS = 240
# This much of the movie's time follows the way that the features go, the rest the steps: nothing happens in a blink,
# and plateaus pass quickly.
_MOTION_SHARE = 0.7


def animate(
    recording: Recording,
    path: str | os.PathLike[str],
    *,
    fps: int = 30,
    seconds: float = 12.0,
    size: tuple[int, int] = (1280, 720),
    parameter: str | None = None,
    instance: int | None = None,
    overwrite: bool = False,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Path:
    """Write a run as a movie, mp4 or gif by the suffix of *path*, and return that path.

    The polyhedron is the convex hull of the features, each drawn as a vector in the colour of its set, in the hidden
    space itself or, beyond three dimensions, in the projection that the picture states. Time runs faster where little
    moves; the cursor shows the step. *size* is in pixels. parameter and instance choose as in plot_levels().
    *progress* wraps the frames' rows, such as tqdm.

    Raises SettingError for a size, rate or suffix that cannot be had, MissingExtraError for mp4 without the extra
    [video], OutputExistsError for an existing file, RecordingError where there is nothing to show.
    """
    path = check_output(path, MOVIE_SUFFIXES, overwrite=overwrite)
    check_movie(path.suffix.lower(), fps, size)
    if not 2 <= seconds * fps < 10**6:
        raise SettingError(f"seconds={seconds:g} at fps={fps} make no movie of 2 to a million frames")
    scene = Scene(select(recording, parameter, instance), size)
    rows = scene.rows_of_frames(round(seconds * fps))
    with replaced_when_done(path) as draft, open_movie(draft, fps, size) as write:
        for k, row in enumerate(progress(rows)):
            write(scene.draw(row, k / len(rows)))
    return path


class Scene:
    """The three panels. What stands still is drawn once; a frame redraws what moves."""

    def __init__(self, selection: Selection, size: tuple[int, int]):
        self._selection = selection
        self._step = selection.step
        W, D = selection.weights, selection.dimensionality
        basis = projection(W, D)
        self._is_flat = W.shape[1] < 3
        self._points = np.einsum("am,tmn->tna", basis.astype(np.float32), W.astype(np.float32, copy=False))
        with style(), matplotlib.rc_context({"font.size": 10 * size[1] / 720}):
            self._build(size, feature_colours(selection, D[-1]), W.shape[1])
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(self._figure.bbox)

    def rows_of_frames(self, frames: int) -> list[int]:
        """Return which row each frame shows, evenly in a clock that runs with the steps and with the features' way."""
        sampled = np.unique(np.linspace(0, len(self._points) - 1, _PACE_LOOKS).astype(int))
        if len(sampled) < 2:
            return [0] * frames
        moves = np.linalg.norm(np.diff(self._points[sampled].astype(float), axis=0), axis=(1, 2))
        # A run that diverges goes no way that could be followed.
        moves = np.where(np.isfinite(moves), moves, 0.0)
        # What a typical stretch of the run moves is jitter; the way that counts is what goes beyond it.
        travelled = np.concatenate([[0.0], np.cumsum(np.maximum(moves - np.median(moves), 0))])
        by_step = (self._step[sampled] - self._step[0]) / max(self._step[-1] - self._step[0], 1)
        by_motion = travelled / travelled[-1] if travelled[-1] > 0 else by_step
        clock = (1 - _MOTION_SHARE) * by_step + _MOTION_SHARE * by_motion
        return np.interp(np.linspace(0, 1, frames), clock, sampled).round().astype(int).tolist()

    def draw(self, row: int, done: float) -> np.ndarray:
        """Return the frame of *row*, (height, width, 4) uint8, with the camera where it is at *done* of the movie."""
        if self._is_flat:
            # A plane is looked at straight on: from the side its angles would lie.
            self._polyhedron.move(self._points[row], 0.0, np.pi / 2)
        else:
            self._polyhedron.move(self._points[row], _FIRST_AZIMUTH + _TURN * done)
        step = self._step[row]
        for cursor in self._cursors:
            cursor.set_xdata([step, step])
        self._clock.set_text(f"step {step:,}".replace(",", " "))
        self._canvas.restore_region(self._background)
        for artist in self._moving:
            self._figure.draw_artist(artist)
        return np.asarray(self._canvas.buffer_rgba())

    def _build(self, size: tuple[int, int], colours: Sequence[str], m: int) -> None:
        selection = self._selection
        self._figure = Figure(figsize=(size[0] / _DPI, size[1] / _DPI), dpi=_DPI)
        self._canvas = FigureCanvasAgg(self._figure)
        space = self._figure.add_axes((0.0, 0.04, 0.5, 0.86))
        upper = self._figure.add_axes((0.565, 0.40, 0.325, 0.50))
        lower = self._figure.add_axes((0.565, 0.10, 0.325, 0.25), sharex=upper)
        self._figure.text(0.02, 0.945, escaped(selection.title), fontsize=12 * size[1] / 720, weight="bold", color=INK)
        self._figure.text(0.02, 0.025, _caption(m, selection), fontsize=9 * size[1] / 720, color="#666666")
        draw_levels(upper, selection)
        draw_loss(lower, selection)
        upper.tick_params(labelbottom=False)
        lower.set_xlabel("optimizer steps")
        self._polyhedron = Polyhedron(space, colours, self._sets(len(colours)), self._radius())
        self._cursors = [ax.axvline(0, color="#C00000", linewidth=1.1) for ax in (upper, lower)]
        self._clock = self._figure.text(0.02, 0.895, "", fontsize=11 * size[1] / 720, color="#444444")
        self._moving: list[Artist] = [*self._polyhedron.artists, *self._cursors, self._clock]
        for artist in self._moving:
            artist.set_animated(True)

    def _sets(self, n: int) -> Sequence[int]:
        return [0] * n if self._selection.sets is None else self._selection.sets.tolist()

    def _radius(self) -> float:
        lengths = np.linalg.norm(self._points, axis=-1)
        finite = lengths[np.isfinite(lengths)]
        return float(finite.max()) if finite.size and finite.max() > 0 else 1.0


def _caption(m: int, selection: Selection) -> str:
    what = "features by set" if selection.sets is not None else f"coloured: features that end with D > {REPRESENTED:g}"
    space = f"the {m} hidden dimensions" if m <= 3 else f"3 of {m} hidden dimensions: along the features that move most"
    return f"{space}; {what}"
