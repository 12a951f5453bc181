"""The introduction's figure: the features of a model in a plane, at one density after the other."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ....dynamics.geometry.measures import norms
from ....recorders.reading.recording import Recording
from ....recorders.reading.selection import select
from ...kinds import check_fits
from ...parts.members import density_note, members
from ...parts.panels import canvas, write_notes, write_title
from ...parts.plane import draw_plane
from ...parts.style import palette, style

_COLUMN, _HEIGHT = 2.2, 2.7
_CAPTION = (
    "Each arrow is the direction that a feature gets in the hidden plane; a feature at the middle is not represented, "
    "and one at the dotted circle has length 1."
)


def plot_intro(recording: Recording, ax: Axes | None = None, *, parameter: str | None = None) -> Figure:
    """Plot the features of each model of an ensemble in its two hidden dimensions, at the end of its training.

    An arrow is W_i, the polygon the convex hull, and the dotted circle the length 1. One panel for each density; of
    repeats the one with the least loss is shown. Features of a set share a colour. Given *ax*, the panels take its
    place.

    parameter: whose features, by default the first that has any. Raises SettingError where the recording is of another
    kind or lacks the parameter.
    Source: Toy Models of Superposition, the figure of the introduction.
    """
    check_fits(recording, "intro")
    shown, selection = members(recording, parameter), select(recording, parameter)
    radius = max(1.0, *(float(norms(member.W).max()) for member in shown))
    sets, n = selection.sets, shown[0].W.shape[1]
    colours = palette(n) if sets is None else [palette(n)[k] for k in sets]
    with style():
        width = _COLUMN * max(len(shown), 2)
        figure, host = canvas(ax, (width, _HEIGHT))
        write_title(host, selection.heading, width)
        panels = np.ravel(host.subplots(1, len(shown), squeeze=False))
        for panel, member in zip(panels, shown, strict=True):
            draw_plane(panel, member.W, colours, radius, sets, labels=selection.labels)
            panel.set_title(member.title, loc="center", fontsize=10)
        if ax is None:
            write_notes(figure, [f"{_CAPTION} {density_note(selection)}".strip()])
    return figure
