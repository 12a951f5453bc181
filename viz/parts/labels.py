"""Texts of a movie: drawn once and then stamped, because setting letters costs more than drawing a polyhedron."""

import math
from typing import Any, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import IdentityTransform

from .style import unhinted

# Letters reach beyond the box that matplotlib reckons for them by a pixel or two.
_MARGIN = 2
# The width of the space between thousands, as a share of that of a digit.
_SPACE = 0.4


class _Stamp(NamedTuple):
    """The pixels of a text, and where their lower left corner is as seen from the text's place."""

    x: float
    y: float
    pixels: np.ndarray


class Label(Text):
    """A text as any other, which remembers its pixels; in a vector graphic it stays a text."""

    def __init__(self, *args: Any, **look: Any):
        super().__init__(*args, **look)
        self._stamps: dict[Any, _Stamp] = {}

    def draw(self, renderer: RendererBase) -> None:
        """Stamp the text on pixels, or draw it on whatever else there is."""
        if not isinstance(renderer, RendererAgg):
            super().draw(renderer)
        elif self.get_visible() and self.get_text():
            key = (self.get_text(), self.get_fontsize(), self.get_color(), renderer.dpi)
            stamp = self._stamps.get(key) or self._stamps.setdefault(key, self._make(renderer))
            x, y = self._place()
            graphics = renderer.new_gc()
            renderer.draw_image(graphics, round(x + stamp.x), round(y + stamp.y), stamp.pixels)
            graphics.restore()
        self.stale = False

    def _place(self) -> tuple[float, float]:
        x, y = self.get_transform().transform(self.get_position())
        return float(x), float(y)

    def _make(self, renderer: RendererAgg) -> _Stamp:
        box = self.get_window_extent(renderer)
        x, y = box.x0 - self._place()[0] - _MARGIN, box.y0 - self._place()[1] - _MARGIN
        canvas = RendererAgg(math.ceil(box.width) + 2 * _MARGIN, math.ceil(box.height) + 2 * _MARGIN, renderer.dpi)
        twin = Text(-x, -y, self.get_text())
        twin.update_from(self)
        twin.set_transform(IdentityTransform())
        twin.set_clip_on(False)
        figure = self.get_figure(root=True)
        assert figure is not None
        twin.set_figure(figure)
        with unhinted():
            twin.draw(canvas)
        # Images are drawn from their lowest row upwards.
        return _Stamp(x, y, np.asarray(canvas.buffer_rgba())[::-1].copy())


class Counter:
    """A number that changes with every frame: each of its digits is a stamp, so none is ever set twice."""

    def __init__(self, figure: Figure, x: float, y: float, most: int, **look: Any):
        ruler = figure.text(x, y, "0", **look)
        self._width = ruler.get_window_extent().transformed(figure.transFigure.inverted()).width
        ruler.remove()
        self._x = x
        self._digits = [Label(x, y, "", transform=figure.transFigure, **look) for _ in _spaced(most)]
        for digit in self._digits:
            figure.add_artist(digit)

    @property
    def artists(self) -> list[Artist]:
        """The digits, the first one first."""
        return list(self._digits)

    @property
    def text(self) -> str:
        """What is to be read."""
        return "".join(digit.get_text() or " " for digit in self._digits).strip()

    def show(self, number: int) -> None:
        """Set the digits, from the left."""
        x = self._x
        for digit, letter in zip(self._digits, _spaced(number).ljust(len(self._digits)), strict=True):
            digit.set_text(letter.strip())
            digit.set_x(x)
            x += self._width * (1.0 if letter.strip() else _SPACE)


def _spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")
