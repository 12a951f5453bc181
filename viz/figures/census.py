"""The census figure: the commonest polytope of n equal features in m dimensions, a small picture at each size."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...dynamics.geometry.directions import principal_directions
from ...recorders.reading.recording import Recording
from ...recorders.sweeps.census import CensusPoint, census_of
from ...recorders.sweeps.sweep import Sweep
from ..kinds import check_fits
from ..parts.panels import canvas, write_notes, write_title
from ..parts.polyhedron import ELEVATION, Polyhedron
from ..parts.style import PALETTE, escaped, style

_CELL, _HEIGHT, _NARROWEST = 1.25, 1.75, 6.5
_AZIMUTH, _SMALL = np.radians(-55), 0.6
# Shorter than this, features are no corners of the polytope, and so many letters of its name go in a line.
_WEAK, _LETTERS = 0.5, 19
_CAPTION = (
    "The polytope that training led to most often, at the commonest of its minima of the population loss. Below it how "
    "many models formed the polytope, and in brackets how many came to this very minimum, where its weak features (in "
    "orange) may take several places. A star: another minimum that training reached has a lower loss. Beyond three "
    "dimensions the polytope is seen along the three in which it reaches farthest, and lines join features that share "
    "a dimension."
)


def plot_census(recording: Recording, ax: Axes | None = None) -> Figure:
    """Plot the commonest configuration at each size of a census, n to the right and m downwards, with its share.

    Rows are the other settings that vary, as m and the density do. Given *ax*, the panels take its place.

    Raises SettingError where the recording is no sweep whose models were followed to rest.
    Source: Toy Models of Superposition, "The Geometry of Superposition".
    """
    check_fits(recording, "census")
    with Sweep(recording.path) as sweep:
        census = census_of(sweep)
        name = str(sweep.experiment["name"])
    rows = _rows(census.points)
    columns = max(map(len, rows.values()))
    with style():
        width = max(_NARROWEST, _CELL * columns)
        figure, host = canvas(ax, (width, _HEIGHT * len(rows) + 0.4))
        write_title(host, f"{name}: {census.points[0].models} models at each size", width)
        panels = host.subplots(len(rows), columns, squeeze=False)
        for (words, points), line in zip(rows.items(), panels, strict=True):
            for panel in line[len(points) :]:
                panel.set_axis_off()
            for panel, point in zip(line, points, strict=False):
                _draw_point(panel, point)
            line[0].text(-0.08, 0.5, escaped(words), transform=line[0].transAxes, rotation=90, ha="right", va="center")
        if ax is None:
            write_notes(figure, [_CAPTION])
    return figure


def _rows(points: Sequence[CensusPoint]) -> dict[str, list[CensusPoint]]:
    """Return the points by their settings but for n, in words."""
    rows: dict[str, list[CensusPoint]] = {}
    for point in points:
        others = {name: value for name, value in point.settings.items() if name != "n_features"}
        rows.setdefault(_words(others), []).append(point)
    return rows


def _words(settings: dict[str, Any]) -> str:
    values = {"m" if name == "n_hidden" else name: value for name, value in settings.items()}
    return ", ".join(
        f"{name} = {value:g}" if isinstance(value, float) else f"{name} = {value}" for name, value in values.items()
    )


def _draw_point(ax: Axes, point: CensusPoint) -> None:
    ax.set_axis_off()
    common, lowest = point.commonest, point.lowest
    n = point.settings.get("n_features")
    if n is not None:
        ax.set_title(f"n = {n}", loc="center", fontsize=8)
    if common is None or lowest is None:
        ax.text(0.5, 0.5, "none", transform=ax.transAxes, ha="center", va="center", fontsize=7)
        return
    _draw_polytope(ax, common.configuration.W)
    formed = point.polytopes[common.configuration.polytope]
    share = f"{formed}" if common.count == formed else f"{formed} ({common.count})"
    better = "" if lowest is common else " *"
    lines = [*textwrap.wrap(common.configuration.name, _LETTERS)[:3], f"{share} of {point.models}{better}"]
    ax.text(0.5, 0.02, escaped("\n".join(lines)), transform=ax.transAxes, ha="center", va="top", fontsize=6)


def _draw_polytope(ax: Axes, W: np.ndarray) -> None:
    norm = np.linalg.norm(W, axis=0)
    colours = [PALETTE[0] if long else PALETTE[1] for long in norm >= _WEAK * norm.max()]
    shown = Polyhedron(ax, colours, [0] * len(norm), float(norm.max()), scale=_SMALL, names=[""] * len(norm))
    # A plane is seen from above.
    elevation = np.pi / 2 if len(W) == 2 else ELEVATION
    shown.move((principal_directions(W) @ W).T, _AZIMUTH, elevation, W=W if len(W) > 3 else None)
