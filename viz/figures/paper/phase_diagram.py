"""The phase figure: how trained models represent an extra feature, beside what theory says of it."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from ....dynamics.errors import SettingError
from ....dynamics.phenomena.phase_diagram import PhaseTable, phase_table, theoretical_phase
from ....dynamics.theory.extra_feature import TRIPLE_POINT, phase_boundary
from ....recorders.reading.recording import Recording
from ....recorders.reading.selection import select
from ...kinds import check_fits
from ...parts.members import final_losses
from ...parts.panels import canvas
from ...parts.style import INK, style

# Of the phases in the order of PHASES; they differ in lightness, so that they do in grey too.
_COLOURS = np.array([to_rgb(name) for name in ("#FFFFFF", "#F0A830", "#1F4E8C")])
# Of a point at which every model failed.
_FAILED = 0.6
_NAMES = ("not represented", "has a dimension of its own", "in superposition")
_SIZE = (8.4, 4.2)
_BOUNDARY: dict[str, Any] = {"color": INK, "linewidth": 1.2, "linestyle": "--"}
_FINE = 400


def plot_phase(recording: Recording, ax: Axes | None = None) -> Figure:
    """Plot the phase diagram of an extra feature, trained models at the left and theory at the right.

    Of the models of each point the worst is left out, and the rest averaged: white where the extra feature is not
    represented, |W_n| = 0, and for |W_n| = 1 from the colour of a dimension of its own to that of superposition as
    Σ_{j≠n} (Ŵ_n · W_j)² goes from 0 to 1. The curve is the theoretical boundary. Given *ax*, the panels take its place.

    Raises SettingError where the recording is of another kind, or has no loss of its members.
    Source: Toy Models of Superposition, "Superposition as a Phase Change".
    """
    check_fits(recording, "phase")
    settings = select(recording).experiment
    size = settings["n_features"], settings["n_hidden"]
    density, importance = np.array(settings["density"]), np.array(settings["importance_extra"])
    losses = final_losses(recording)
    if losses is None:
        raise SettingError(f"{recording.path} has no loss of its members to leave out the worst by; record it again")
    grid = len(density), len(importance), settings["repeat"]
    W, losses = recording.parameters["W"][-1].reshape(*grid, *size[::-1]), losses.reshape(grid)
    # Cells have borders between neighbours, whichever order the values were given in.
    rising = np.ix_(density.argsort(), importance.argsort())
    density, importance = np.sort(density), np.sort(importance)
    table = phase_table(W[rising], losses[rising])
    with style():
        figure, host = canvas(ax, _SIZE)
        host.suptitle(
            f"An extra feature among {size[0]} in {size[1]} dimension{'s' * (size[1] > 1)}", x=0.01, ha="left"
        )
        trained, theory = host.subplots(1, 2, sharex=True, sharey=True)
        trained.pcolormesh(_edges(importance), _edges(density), _shade(table), rasterized=True)
        trained.set_title(f"trained: {losses.size} models")
        _draw_theory(theory, size, density, importance)
        for panel in (trained, theory):
            _draw_boundary(panel, size, importance)
            panel.set_xlabel("importance of the extra feature, relative to the others")
        trained.set_ylabel("density $p = 1 - S$")
        _finish(trained, _edges(importance), _edges(density))
        host.legend(handles=_handles(), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _shade(table: PhaseTable) -> np.ndarray:
    """Return the colour of each point, (..., 3)."""
    norm, mixed = (np.clip(values, 0, 1)[..., None] for values in (table.norm, table.superposition))
    represented = (1 - mixed) * _COLOURS[1] + mixed * _COLOURS[2]
    return np.nan_to_num((1 - norm) * _COLOURS[0] + norm * represented, nan=_FAILED)


def _draw_theory(ax: Axes, size: tuple[int, int], density: np.ndarray, importance: np.ndarray) -> None:
    p, r = (np.geomspace(edges[0], edges[-1], _FINE + 1) for edges in (_edges(density), _edges(importance)))
    middles = [np.sqrt(each[1:] * each[:-1]) for each in (np.minimum(p, 1), r)]
    phase = theoretical_phase(*size, middles[0][:, None], middles[1])
    ax.pcolormesh(r, p, _COLOURS[phase], rasterized=True)
    ax.set_title("theory: the best of the natural solutions")


def _draw_boundary(ax: Axes, size: tuple[int, int], importance: np.ndarray) -> None:
    edges = _edges(importance)
    r = np.geomspace(edges[0], edges[-1], _FINE)
    ax.plot(r, phase_boundary(*size, r), **_BOUNDARY)
    # At equal importance a phase and its mirror image meet: above the triple point, and of three features below it.
    start = 0.0 if size[0] == 3 else TRIPLE_POINT[1]
    ax.plot([TRIPLE_POINT[0]] * 2, [max(start, 1e-6), 1.0], **_BOUNDARY)


def _finish(ax: Axes, x: np.ndarray, y: np.ndarray) -> None:
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(x[0], x[-1])
    ax.set_ylim(y[0], y[-1])
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())


def _edges(values: np.ndarray) -> np.ndarray:
    """Return the borders of cells around logarithmically spaced values, in rising order."""
    inner = np.sqrt(values[1:] * values[:-1])
    return np.concatenate([[values[0] ** 2 / inner[0]], inner, [values[-1] ** 2 / inner[-1]]])


def _handles() -> list[Patch | Line2D]:
    patches = [
        Patch(facecolor=colour.tolist(), edgecolor="#888888", linewidth=0.6, label=name)
        for colour, name in zip(_COLOURS, _NAMES, strict=True)
    ]
    return [*patches, Line2D([], [], label="boundary in theory", **_BOUNDARY)]
