"""Where a figure of several panels is drawn: on a figure of its own, or in the place of one axes."""

import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from ...dynamics.errors import SettingError
from .style import escaped

# How many letters of a title an inch holds, and of the notes under a figure; the height of their lines in inches.
_LETTERS, _NOTE_LETTERS = 12, 18.5
_LINE_HEIGHT = 0.145


def canvas(ax: Axes | None, size: tuple[float, float]) -> tuple[Figure, Figure | SubFigure]:
    """Return the figure, and what to put panels in: a new figure of this *size*, or the place of *ax*, which is hidden.

    Raises SettingError for an axes that lies in no grid, such as one of Figure.add_axes().
    """
    if ax is None:
        figure = plt.figure(figsize=size, layout="constrained")
        return figure, figure
    place, figure = ax.get_subplotspec(), ax.get_figure(root=True)
    if place is None or figure is None:
        raise SettingError("ax lies in no grid that panels could take the place of; use one of plt.subplots()")
    ax.set_axis_off()
    return figure, figure.add_subfigure(place)


def write_title(host: Figure | SubFigure, text: str, width: float) -> None:
    """Write the title over all panels, at the left, in as many lines as a *width* in inches takes."""
    host.suptitle(escaped(textwrap.fill(text, int(width * _LETTERS))), x=0.01, ha="left", fontsize=11)


def write_notes(figure: Figure, notes: Sequence[str]) -> None:
    """Write notes under everything else, as wide as the figure, which grows by their height.

    A note that begins with its number is indented.
    """
    width, height = figure.get_size_inches()
    indents = ["      " if note[:1].isdigit() else "" for note in notes]
    wrapped = "\n".join(
        textwrap.fill(note, int(width * _NOTE_LETTERS), subsequent_indent=indent)
        for note, indent in zip(notes, indents, strict=True)
    )
    figure.set_size_inches(width, height + _LINE_HEIGHT * (wrapped.count("\n") + 1))
    figure.supxlabel(escaped(wrapped), x=0.01, ha="left", fontsize=7.5, color="#444444", linespacing=1.35)
