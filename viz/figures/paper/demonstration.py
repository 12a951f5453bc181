"""The demonstration figure: what models of one density after the other learn, and what is in superposition."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure

from ....dynamics.geometry.measures import gram, interference, norms
from ....recorders.reading.recording import Recording
from ....recorders.reading.selection import select
from ...kinds import check_fits
from ...parts.members import DrawnMember, density_note, members
from ...parts.panels import canvas, write_notes, write_title
from ...parts.style import LINE, style

# Negative elements are light and positive ones dark, so that they differ in grey too; zero is white.
_ELEMENTS = LinearSegmentedColormap.from_list("elements", ["#E69F00", "#FFFFFF", "#0B2545"])
# Dark where a feature is alone, lighter where others share its dimension.
_SUPERPOSITION = LinearSegmentedColormap.from_list("superposition", colormaps["viridis"](np.linspace(0.05, 0.92, 64)))
# The column of b has this fraction of the width of W^T W.
_BIAS_WIDTH = 12
_COLUMN, _HEIGHT = 1.3, 4.0
_GAPS_UP_TO = 40
_CAPTION = (
    "Above, what each output takes from each input: the diagonal is the feature itself, the rest is interference. "
    "Below, the length of each feature, dark where it has a dimension to itself, light where others share it."
)


def plot_demonstration(recording: Recording, ax: Axes | None = None, *, parameter: str | None = None) -> Figure:
    """Plot W^T W, the bias b and the norms |W_i| of each model of an ensemble at the end of its training.

    The bars are |W_i|, coloured by superposition Σ_{j≠i} (Ŵ_i · W_j)²: dark for a feature that is orthogonal to all
    others, light at 1, where others activate it as strongly as it does itself. One column for each density; of
    repeats the one with the least loss is shown. Given *ax*, the panels take its place.

    parameter: whose features, by default the first that has any. Raises SettingError where the recording is of another
    kind or lacks the parameter.
    Source: Toy Models of Superposition, "Demonstrating Superposition", basic results.
    """
    check_fits(recording, "demonstration")
    shown, selection = members(recording, parameter), select(recording, parameter)
    with style():
        width = 1.3 + _COLUMN * max(len(shown), 3)
        figure, host = canvas(ax, (width, _HEIGHT))
        write_title(host, selection.heading, width)
        panels = host.subplots(2, len(shown), squeeze=False)
        largest = max(1.0, *(float(abs(gram(member.W)).max()) for member in shown))
        longest = max(float(norms(member.W).max()) for member in shown)
        scale = TwoSlopeNorm(0, -largest, largest)
        elements = ScalarMappable(scale, _ELEMENTS)
        superposition = ScalarMappable(Normalize(0, 1), _SUPERPOSITION)
        for (upper, lower), member in zip(panels.T, shown, strict=True):
            _draw_matrix(upper, member, scale)
            _draw_norms(lower, member, superposition, longest)
        panels[1, 0].set_ylabel("feature $i$")
        host.colorbar(elements, ax=panels[0].tolist(), label="elements of $W^TW$ and $b$", aspect=14)
        host.colorbar(superposition, ax=panels[1].tolist(), label="superposition", extend="max", aspect=14)
        if ax is None:
            write_notes(figure, [f"{_CAPTION} {density_note(selection)}".strip()])
    return figure


def _draw_matrix(ax: Axes, member: DrawnMember, scale: Normalize) -> None:
    """Draw W^T W, and b as a column to the right of it."""
    G = gram(member.W)
    n = len(G)
    if member.b is not None:
        width = max(1, n // _BIAS_WIDTH)
        G = np.column_stack([G, np.full((n, width), np.nan), np.repeat(member.b[:, None], width, axis=1)])
        ax.annotate("$b$", (G.shape[1] - (1 + width) / 2, n), fontsize=8, ha="center", va="top", annotation_clip=False)
    ax.imshow(G, cmap=_ELEMENTS, norm=scale, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set(visible=True, color=LINE)
    ax.set_title(member.title, fontsize=9)


def _draw_norms(ax: Axes, member: DrawnMember, colours: ScalarMappable, longest: float) -> None:
    """Draw a bar for each feature, the first one on top as in the matrix above."""
    length = norms(member.W)
    # Gaps between a hundred bars would be thinner than a pixel, and make stripes.
    height = 0.85 if len(length) <= _GAPS_UP_TO else 1.0
    ax.barh(np.arange(len(length)), length, height=height, color=colours.to_rgba(interference(member.W)))
    ax.set_xlim(0, 1.05 * longest or 1.0)
    ax.set_ylim(len(length) - 0.5, -0.5)
    ax.set_yticks([])
    ax.set_xlabel("$|W_i|$", fontsize=8)
    ax.tick_params(labelsize=7)
