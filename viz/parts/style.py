"""One look for every picture: colours that the colour-blind and a grey printer can tell apart, and quiet axes."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...recorders.reading.selection import Selection

# Below this dimensionality a feature counts as not represented.
REPRESENTED = 0.1

# Okabe and Ito's palette, then Paul Tol's muted one; ordered so that neighbours differ in lightness too.
PALETTE = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#D55E00",
    "#56B4E9",
    "#332288",
    "#999933",
    "#882255",
    "#44AA99",
)
MARKERS = ("o", "s", "^", "D", "v", "P")
INK = "#222222"
FAINT = "#B8B8B8"
LINE = "#DDDDDD"

_RC: dict[Any, Any] = {
    "axes.edgecolor": "#666666",
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "figure.facecolor": "white",
    "font.size": 9,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "savefig.dpi": 160,
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
}


def style() -> AbstractContextManager[None]:
    """Return the context in which the toolkit's figures are made."""
    return matplotlib.rc_context(_RC)


def unhinted() -> AbstractContextManager[None]:
    """Return the context in which letters keep their shapes: fitted to few pixels, the dots of a colon become a bar."""
    return matplotlib.rc_context({"text.hinting": "no_hinting"})


def escaped(text: str) -> str:
    """Return *text* as matplotlib shows it letter by letter: a dollar sign in a file's name is no formula."""
    return text.replace("$", r"\$")


def palette(count: int) -> list[str]:
    """Return *count* colours, repeating when there are more than the palette has."""
    return [PALETTE[k % len(PALETTE)] for k in range(count)]


def spread(positions: Sequence[float], gap: float) -> list[float]:
    """Return *positions* moved as little as it takes to lie *gap* apart, in the same order; for labels on a margin."""
    order = sorted(range(len(positions)), key=lambda k: positions[k])
    clusters: list[list[int]] = []
    centres: list[float] = []
    for k in order:
        cluster, centre = [k], positions[k]
        # Labels that would touch are set as one block, centred on what they name.
        while clusters and centre - centres[-1] < gap * (len(cluster) + len(clusters[-1])) / 2:
            cluster = clusters.pop() + cluster
            centres.pop()
            centre = sum(positions[j] for j in cluster) / len(cluster)
        clusters.append(cluster)
        centres.append(centre)
    places = list(positions)
    for cluster, centre in zip(clusters, centres, strict=True):
        for row, k in enumerate(cluster):
            places[k] = centre + gap * (row - (len(cluster) - 1) / 2)
    return places


def new_panels(heights: Sequence[float], size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels one above the other on a shared horizontal axis."""
    figure, panels = plt.subplots(
        len(heights), 1, sharex=True, squeeze=False, figsize=size, height_ratios=heights, layout="constrained"
    )
    return figure, list(panels[:, 0])


def feature_colours(selection: Selection, final: np.ndarray) -> list[str]:
    """Return a colour for each feature: its set's, or its own if it ends represented, a faint one otherwise.

    Shapes: final (n,), the dimensionalities of the last row.
    """
    if selection.sets is not None:
        return [palette(int(selection.sets.max()) + 1)[k] for k in selection.sets]
    represented = final > REPRESENTED
    own = iter(palette(int(represented.sum())))
    return [next(own) if shown else FAINT for shown in represented]
