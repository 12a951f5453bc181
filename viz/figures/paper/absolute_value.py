"""The absolute-value figure: which features each neuron is for, as bars stacked from its weights."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch

from ....dynamics.phenomena.absolute_value import neuron_purity
from ....recorders.reading.recording import Recording
from ....recorders.reading.selection import select
from ...kinds import check_fits
from ...parts.members import DrawnMember, members
from ...parts.panels import canvas, write_notes, write_title
from ...parts.style import INK, PALETTE, style

_WIDTH, _ROW, _FEWEST_INCHES = 8.0, 1.1, 3.4
# A neuron for one feature has this share of its squared weights for it.
_PURE = 0.9
# Up to so many neurons have their feature and its sign written under them.
_MOST_NAMED = 24
_PURE_BAND = "#EFEFEF"
_CAPTION = (
    "Each bar is one hidden neuron, stacked from its weights, up for positive ones and down for negative ones, in the "
    "colour of the feature. On grey the neurons that serve one feature (90 % or more of the squared weights), beside "
    "them those that several features share."
)


def plot_absolute_value(recording: Recording, ax: Axes | None = None, *, parameter: str | None = None) -> Figure:
    """Plot each neuron's weights of models that compute |x|, as a bar stacked from the weight of each feature.

    Neurons for one feature come first, in the order of the features, then the ones that several share, the purest
    first. One panel for each density, at the end of training; of repeats the one with the least loss is shown. Given
    *ax*, the panels take its place.

    parameter: the input weights W1, by default, or the output weights W2. Raises SettingError where the recording is
    of another kind or lacks the parameter.
    Source: Toy Models of Superposition, "Computation in Superposition".
    """
    check_fits(recording, "absolute-value")
    shown = members(recording, parameter)
    with style():
        figure, host = canvas(ax, (_WIDTH, max(_FEWEST_INCHES, 0.9 + _ROW * len(shown))))
        write_title(host, select(recording, parameter).heading, _WIDTH)
        panels = np.ravel(host.subplots(len(shown), 1, squeeze=False))
        colours = _colours(shown[0].W.shape[1])
        for panel, member in zip(panels, shown, strict=True):
            _draw_neurons(panel, member, colours)
        panels[len(panels) // 2].set_ylabel("weights of a neuron")
        panels[-1].set_xlabel("neurons")
        _explain_colours(host, panels.tolist(), colours)
        if ax is None:
            write_notes(figure, [_CAPTION])
    return figure


def _colours(n: int) -> Colormap:
    """Return the colour of each of n features: distinct ones for few, from dark to light in their order for many."""
    return ListedColormap(PALETTE[:n]) if n <= len(PALETTE) else colormaps["viridis"].resampled(n)


def _are_many(colours: Colormap) -> bool:
    return len(PALETTE) < int(colours.N)


def _draw_neurons(ax: Axes, member: DrawnMember, colours: Colormap) -> None:
    order, pure = _order(member.W)
    W = member.W[order]
    bars, features = _segments(W)
    many = _are_many(colours)
    ax.add_collection(
        PolyCollection(
            bars, facecolors=colours(features), edgecolors="none" if many else "white", linewidths=0.6,
            # Many thin bars that are smoothed each by itself would let the background shine through.
            antialiaseds=not many, rasterized=many,
        )
    )  # fmt: skip
    ax.axvspan(-0.5, pure - 0.5, facecolor=_PURE_BAND, linewidth=0, zorder=0)
    ax.axhline(0, color=INK, linewidth=0.6)
    ax.set_xlim(-0.5, len(W) - 0.5)
    reach = max(np.maximum(W, 0).sum(1).max(), np.maximum(-W, 0).sum(1).max())
    ax.set_ylim(-1.08 * reach, 1.08 * reach)
    ax.set_title(f"{member.title}: {pure} of {len(W)} neurons serve one feature each", loc="left", fontsize=9)
    ax.tick_params(labelsize=7)
    named = len(W) <= _MOST_NAMED
    ax.set_xticks(range(len(W)) if named else [], [_name(w, k < pure) for k, w in enumerate(W)] if named else [])


def _order(W: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the neurons in the order in which they are drawn, and how many of them are for one feature."""
    purity = neuron_purity(W)
    pure = purity >= _PURE
    # Of the pure ones the order of the features, of the others that of their purity.
    place = np.where(pure, abs(W).argmax(1), 1 - purity)
    return np.lexsort((place, ~pure)), int(pure.sum())


def _segments(W: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the rectangles that the bars are stacked from, each (4, 2), and which feature each one is of."""
    bars, features = [], []
    for part in (np.maximum(W, 0), np.minimum(W, 0)):
        tops = part.cumsum(1)
        for k, i in np.argwhere(part):
            top, bottom = tops[k, i], tops[k, i] - part[k, i]
            bars.append(np.array([[k - 0.4, bottom], [k + 0.4, bottom], [k + 0.4, top], [k - 0.4, top]]))
            features.append(i)
    return bars, np.array(features, dtype=int)


def _name(w: np.ndarray, is_pure: bool) -> str:
    """Return what a neuron reacts to, such as $-x_2$, and nothing where it is several features."""
    i = int(abs(w).argmax())
    return f"${'+' if w[i] > 0 else '-'}x_{{{i}}}$" if is_pure else ""


def _explain_colours(host: Figure | SubFigure, panels: Sequence[Axes], colours: Colormap) -> None:
    if _are_many(colours):
        scale = ScalarMappable(Normalize(-0.5, colours.N - 0.5), colours)
        host.colorbar(scale, ax=list(panels), label="feature $i$", aspect=40, pad=0.02)
    else:
        handles = [Patch(color=colours(i), label=f"feature {i}") for i in range(colours.N)]
        panels[0].legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
