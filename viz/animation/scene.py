"""The scene of a movie: one run with all its panels, or several runs in a grid."""

import math
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..parts.labels import Counter
from ..parts.style import INK, REPRESENTED, escaped, style, unhinted
from ..playback.captions import Narrator
from ..playback.footage import Footage
from .cell import Cell, Places
from .grid import grid_places, titles

# How many letters of a caption have room in half of the width.
_LETTERS = 90
# At this size a movie has the sizes of letters and lines that the figures have; another one is scaled as a whole.
_WIDTH, _HEIGHT, _DPI = 1280, 720, 100
_FIRST_AZIMUTH = np.radians(-55)
_ONE = Places((0.0, 0.2, 0.5, 0.69), (0.565, 0.42, 0.325, 0.47), (0.565, 0.10, 0.325, 0.27), (0.02, 0.185), 1.0)


class Take(NamedTuple):
    """What is filmed of a scene: the step of each frame (frames,), how far the camera goes in degrees, and how."""

    steps: np.ndarray
    size: tuple[int, int]
    fps: int = 30
    turn: float = 60.0
    log_steps: bool = False


class Scene:
    """Draws the frames of a movie: what stands still once, what is named when it changes, what moves every time."""

    def __init__(self, runs: Sequence[Footage], take: Take):
        self._take, size = take, take.size
        self._narrators = [Narrator(run.story, take.steps, take.fps) for run in runs]
        self._named: list[object] = []
        dpi = _DPI * min(size[0] / _WIDTH, size[1] / _HEIGHT)
        with style():
            # A hundredth of a pixel more, since matplotlib rounds down.
            self._figure = Figure(figsize=((size[0] + 0.01) / dpi, (size[1] + 0.01) / dpi), dpi=dpi)
            self._canvas = FigureCanvasAgg(self._figure)
            places = [_ONE] if len(runs) == 1 else grid_places(len(runs), size)
            self._cells = [
                Cell(self._figure, run, place, log_steps=take.log_steps)
                for run, place in zip(runs, places, strict=True)
            ]
            self._counter = self._write(runs)
        self._moving: list[Artist] = [each for cell in self._cells for each in cell.moving] + self._counter.artists
        for artist in self._moving:
            artist.set_animated(True)
        with unhinted():
            self._canvas.draw()
        self._background = self._page = self._canvas.copy_from_bbox(self._figure.bbox)

    def draw(self, frame: int) -> np.ndarray:
        """Return a frame, (height, width, 4) uint8, which holds until the next one is drawn."""
        self._turn_page(frame)
        step = float(self._take.steps[frame])
        azimuth = _FIRST_AZIMUTH + np.radians(self._take.turn) * frame / len(self._take.steps)
        for cell in self._cells:
            cell.show(step, azimuth)
        self._counter.show(math.floor(step))
        self._canvas.restore_region(self._page)
        _draw(self._moving, self._canvas)
        return np.asarray(self._canvas.buffer_rgba())

    def _turn_page(self, frame: int) -> None:
        """Draw what is named anew where it has changed."""
        chapters = [narrator.chapter(frame) for narrator in self._narrators]
        if chapters == self._named:
            return
        self._named = list(chapters)
        self._canvas.restore_region(self._background)
        for cell, chapter in zip(self._cells, chapters, strict=True):
            cell.name(chapter)
            with unhinted():
                _draw(cell.named, self._canvas)
        self._page = self._canvas.copy_from_bbox(self._figure.bbox)

    def _write(self, runs: Sequence[Footage]) -> Counter:
        """Write what stands for the whole movie, and return the counter of the steps."""
        title, names = titles(runs)
        self._figure.text(0.02, 0.955, escaped(title), fontsize=12, weight="bold", color=INK, va="center")
        for x, caption in zip((0.02, 0.53), _captions(runs), strict=True):
            self._figure.text(x, 0.012, caption, fontsize=8, color="#666666", va="bottom")
        for cell, name in zip(self._cells, names, strict=True):
            cell.entitle(escaped(name))
        self._figure.text(0.02, 0.91, "step", fontsize=12, color=INK, va="center")
        return Counter(self._figure, 0.055, 0.91, int(self._take.steps[-1]), fontsize=12, color=INK, va="center")


def _draw(artists: Sequence[Artist], canvas: FigureCanvasAgg) -> None:
    """Draw on what is there; Figure.draw_artist() would ask for the renderer each time."""
    renderer = canvas.get_renderer()
    for artist in artists:
        if artist.get_visible():
            artist.draw(renderer)


def _captions(runs: Sequence[Footage]) -> list[str]:
    """Return what space is shown and what colours and lines mean, and what the panels show."""
    run = runs[0]
    shown = run.space if len({each.space for each in runs}) == 1 else "the hidden dimensions of each run"
    colours = "colours: sets" if run.selection.sets is not None else f"coloured: D > {REPRESENTED:g} at the end"
    lines = "" if run.m == 1 else "; lines join features that share a dimension"
    haze = "; faint: what lies in the others" if run.m > 3 else ""
    space = textwrap.fill(f"Shown: {shown}{haze}; {colours}{lines}.", _LETTERS)
    regimes = "; strip: regimes" if len(runs) == 1 and run.story.regimes else ""
    terms = "D: a feature's share of a dimension. Digon: an opposite pair"
    return [space, f"{terms}. Bands: jumps{regimes}."]
