"""One run in a scene: its features in space, the panels with their cursors, and what is happening in words."""

import math
from typing import Any, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from ...dynamics.geometry.measures import dimensionality
from ..figures.levels import draw_levels, draw_loss
from ..parts.polyhedron import Polyhedron
from ..parts.style import FAINT, INK
from ..playback.captions import BOLD_LETTERS, Chapter, head_of, tell_jump, tell_payers, tell_regime
from ..playback.footage import Footage
from .number_line import NumberLine

_ACCENT, _GREY = "#C00000", "#666666"
# Near row 0, which has to be on it, a logarithmic axis is linear.
_LINEAR_UP_TO = 10
_STRAIGHT = np.pi / 2
# Nobody can follow more dots than this on the curves of the dimensionality.
_MOST_DOTS = 40
# The strip of the regimes lies above the panel, in fractions of its height.
_STRIP: dict[str, Any] = {"ymin": 1.015, "ymax": 1.05, "clip_on": False, "linewidth": 0}
_STRIP_COLOURS = ("#D8D8D8", "#C6C6C6")
_LINE_HEIGHT = 14.0
# So many lines of words are above the notes.
_MOST_LINES = 5
# So far apart are the labels of levels at least, in inches.
_LABEL_ROOM = 0.12

Box = tuple[float, float, float, float]


class Places(NamedTuple):
    """Where a cell has its parts, in fractions of the figure; *loss* is None where there is no room for that panel.

    *words* is where the words begin, *letters* how many of them, in bold, a line holds; *scale* is the size of what is
    drawn in space.
    """

    space: Box
    levels: Box
    loss: Box | None
    words: tuple[float, float]
    scale: float
    letters: int = BOLD_LETTERS


class Cell:
    """Draws one run: what stands still is on the figure, *named* changes now and then, *moving* with every frame."""

    def __init__(self, figure: Figure, run: Footage, places: Places, *, log_steps: bool):
        self._figure, self._run, self._places = figure, run, places
        self._picture = self._draw_space(figure.add_axes(places.space))
        self._panels = self._draw_panels(log_steps)
        self._mark_story()
        self._cursors = [ax.axvline(0, color=_ACCENT, linewidth=1.1) for ax in self._panels]
        coloured = [i for i, colour in enumerate(run.colours) if colour != FAINT]
        self._dotted = coloured if len(coloured) <= _MOST_DOTS else []
        self._dots = self._panels[0].scatter([], [], s=22, edgecolors="white", linewidths=0.6, zorder=5)
        self._dots.set_facecolor([run.colours[i] for i in self._dotted])
        self.moving: list[Artist] = [*self._picture.artists, *self._cursors, self._dots]
        self.named: list[Artist] = []

    def entitle(self, title: str) -> None:
        """Write what the run is called above its features."""
        x, y, width, height = self._places.space
        self._figure.text(x + width / 2, y + height, title, ha="center", va="bottom", fontsize=9.5, color=INK)

    def name(self, chapter: Chapter) -> None:
        """Set what is named: the regime and the jumps, in words and as bands on the panels."""
        for artist in self.named:
            artist.remove()
        story, top = self._run.story, self._panels[0]
        regimes = [] if chapter.regime is None else [(story.regimes or [])[chapter.regime]]
        jumps = [story.jumps[k] for k in chapter.jumps]
        self.named = [top.axvspan(each.start, each.end, facecolor=INK, **_STRIP) for each in regimes]
        for jump in jumps:
            self.named += [ax.axvspan(jump.start, jump.end, facecolor=_ACCENT, alpha=0.15) for ax in self._panels]
        lines = [(head_of(each) if self._is_large else each.kind, INK, "bold") for each in regimes]
        if self._is_large:
            lines += [
                (line, _GREY, "normal") for each in regimes for line in tell_regime(each, story.labels).splitlines()
            ]
        told = jumps if self._is_large else jumps[-1:]
        letters, labels = self._places.letters, story.labels
        lines += [(tell_jump(jump, story.loss, letters, labels=labels), _ACCENT, "bold") for jump in told]
        if chapter.jumps and self._is_large and len(lines) < _MOST_LINES:
            paid = tell_payers(story.payer_words[chapter.jumps[-1]])
            lines += [(paid, _GREY, "normal")] if paid else []
        self.named += [self._write(k, *line) for k, line in enumerate(lines)]

    def show(self, step: float, azimuth: float) -> None:
        """Move everything to a step, seen from an angle in radians."""
        W = self._run.weights(step)
        points = self._run.points(W)
        if isinstance(self._picture, NumberLine):
            self._picture.move(points)
        else:
            # A plane is looked at straight on: from the side its angles would lie.
            view = (0.0, _STRAIGHT) if self._run.m < 3 else (azimuth,)
            self._picture.move(points, *view, W=W)
        here = min(max(step, float(self._run.step[0])), float(self._run.step[-1]))
        for cursor in self._cursors:
            cursor.set_xdata([here, here])
        D = dimensionality(W)[self._dotted]
        self._dots.set_offsets(np.column_stack([np.full(len(D), here), D]))

    @property
    def _is_large(self) -> bool:
        return self._places.loss is not None

    def _draw_space(self, ax: Axes) -> Polyhedron | NumberLine:
        run, scale = self._run, self._places.scale
        if run.m == 1:
            return NumberLine(ax, run.colours, run.radius, scale=scale, names=run.names)
        if run.m == 2:
            # Where a feature has its full length.
            angle = np.linspace(0, 2 * np.pi, 181)
            x, y = np.cos(angle) / run.radius, np.sin(angle) / run.radius
            ax.plot(x, y, color="#BBBBBB", linewidth=0.8, linestyle=":", zorder=0)
        return Polyhedron(ax, run.colours, run.sets, run.radius, scale=scale, names=run.names)

    def _draw_panels(self, log_steps: bool) -> list[Axes]:
        levels = self._figure.add_axes(self._places.levels)
        if log_steps:
            levels.set_xscale("symlog", linthresh=_LINEAR_UP_TO)
        draw_levels(levels, self._run.selection, names=self._is_large)
        if self._places.loss is None:
            _thin_out(levels)
            levels.set_ylabel("$D_i$")
            levels.set_xlabel("steps")
            return [levels]
        loss = self._figure.add_axes(self._places.loss, sharex=levels)
        draw_loss(loss, self._run.selection, whole=log_steps)
        levels.tick_params(labelbottom=False)
        loss.set_xlabel("steps")
        return [levels, loss]

    def _mark_story(self) -> None:
        """Draw where the regimes and the jumps are."""
        for k, regime in enumerate(self._run.story.regimes or ()):
            self._panels[0].axvspan(regime.start, regime.end, facecolor=_STRIP_COLOURS[k % 2], **_STRIP)
        for jump in self._run.story.jumps:
            for ax in self._panels:
                ax.axvspan(jump.start, jump.end, facecolor=(0, 0, 0, 0.08), zorder=0.5, linewidth=0)

    def _write(self, line: int, text: str, colour: str, weight: str) -> Artist:
        # A dollar sign would begin a formula.
        return self._figure.axes[0].annotate(
            text.replace("$", r"\$"), self._places.words, xycoords="figure fraction",
            xytext=(0, -line * _LINE_HEIGHT), textcoords="offset points", annotation_clip=False,
            color=colour, weight=weight, fontsize=9.5, va="top", animated=True,
        )  # fmt: skip


def _thin_out(levels: Axes) -> None:
    """Take away the labels of levels that would touch the next one: a small panel has no room for all of them."""
    height = levels.get_window_extent().height
    above = math.inf
    labels = [text for text in levels.texts if isinstance(text, Annotation)]
    for text in sorted(labels, key=lambda text: -text.xy[1]):
        place = height * levels.transLimits.transform(text.xy)[1]
        if above - place < _LABEL_ROOM * levels.figure.dpi:
            text.remove()
        else:
            above = place
