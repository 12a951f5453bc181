"""The grokking figure: first a network remembers sums, then its neurons turn into waves and it can add."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ....dynamics.phenomena.waves import wave_shares
from ....recorders.reading.recording import Recording
from ....recorders.reading.selection import Selection, select
from ...kinds import check_fits
from ...parts.panels import canvas, write_notes, write_title
from ...parts.style import INK, PALETTE, style

_SIZE = (8.6, 5.4)
# The neurons are looked at in so many rows.
_ROWS = 200
_CAPTION = (
    "Upper left: train loss, test loss and test accuracy: of the sums that are trained on, and of the others. Lower "
    "left: which share of a neuron's weights is a wave of one frequency over the numbers; the median and the middle "
    "half of the neurons. Right: the share of each frequency in each neuron, before and after; dark is all of it."
)


def plot_grokking(recording: Recording, ax: Axes | None = None, *, instance: int | None = None) -> Figure:
    """Plot a network that learns modular addition: its losses, its accuracy, and the waves that its neurons become.

    A neuron's share in a wave is that of dynamics.fourier.wave_shares(), over the numbers' embedding E. Given *ax*, the
    panels take its place.

    instance: which member of an ensemble, by default the first. Raises SettingError where the recording is of another
    kind, as is one of an even modulus, or has no such instance.
    Source: Gromov 2023, "Grokking modular arithmetic", arXiv 2301.02679.
    """
    check_fits(recording, "grokking")
    selection = select(recording, "E", instance)
    rows = np.unique(np.linspace(0, len(selection.step) - 1, _ROWS).astype(int))
    E = np.concatenate([selection.weights_at(slice(row, row + 1)) for row in rows])
    shares = wave_shares(E)
    with style():
        figure, host = canvas(ax, _SIZE)
        write_title(host, selection.heading, _SIZE[0])
        grid = host.add_gridspec(2, 3, width_ratios=(2.6, 1, 1), height_ratios=(1.3, 1))
        upper = host.add_subplot(grid[0, 0])
        lower = host.add_subplot(grid[1, 0], sharex=upper)
        upper.set_xlim(selection.step[0], max(selection.step[-1], 1))
        _draw_losses(upper, selection)
        _draw_waves(lower, selection.step[rows], shares.max(-1))
        maps = [host.add_subplot(grid[:, k]) for k in (1, 2)]
        scale = _draw_maps(maps, shares, selection.step)
        host.colorbar(scale, ax=maps, label="share of a neuron's weights", location="bottom", aspect=30)
        if ax is None:
            write_notes(figure, [_CAPTION])
    return figure


def _draw_losses(ax: Axes, selection: Selection) -> None:
    """Draw both losses on a logarithmic axis, and the accuracy on another one."""
    for name, label, colour in (("loss", "train loss", "#9A9A9A"), ("test_loss", "test loss", INK)):
        values = selection.loss(name)
        if values is not None:
            ax.plot(selection.step, values, label=label, color=colour)
    ax.set_yscale("log")
    ax.set_ylabel("loss")
    ax.tick_params(labelbottom=False)
    accuracy = selection.loss("test_accuracy")
    if accuracy is not None:
        right = ax.twinx()
        right.plot(selection.step, accuracy, color=PALETTE[4], linestyle="--")
        right.set_ylim(0, 1.03)
        right.set_ylabel("test accuracy")
        right.spines["right"].set_visible(True)
        ax.plot([], [], color=PALETTE[4], linestyle="--", label="test accuracy")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=8)


def _draw_waves(ax: Axes, step: np.ndarray, strongest: np.ndarray) -> None:
    """Draw the share of the strongest wave of the neurons, (T, m)."""
    low, middle, high = np.percentile(strongest, (25, 50, 75), axis=1)
    ax.fill_between(step, low, high, color=PALETTE[0], alpha=0.2, linewidth=0)
    ax.plot(step, middle, color=PALETTE[0])
    ax.set_ylim(0, 1.03)
    ax.set_ylabel("share of one frequency")
    ax.set_xlabel("steps")


def _draw_maps(axes: list[Axes], shares: np.ndarray, step: np.ndarray) -> ScalarMappable:
    """Draw the shares of all waves at the beginning and the end, the neurons in the order of their last waves."""
    order = np.lexsort((-shares[-1].max(-1), shares[-1].argmax(-1)))
    waves = shares.shape[-1]
    scale = Normalize(0, 1)
    for ax, each, when in zip(axes, shares[[0, -1]], step[[0, -1]], strict=True):
        box = (0.5, waves + 0.5, len(order) - 0.5, -0.5)
        ax.imshow(each[order], "Greys", scale, aspect="auto", interpolation="nearest", extent=box)
        ax.set_title(f"step {when}", fontsize=9)
        ax.set_xlabel("frequency")
        ax.set_yticks([])
    axes[0].set_ylabel("neuron")
    return ScalarMappable(scale, "Greys")
