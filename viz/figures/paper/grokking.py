"""The grokking figure: first a network remembers sums, then its embedding turns into waves and it can add."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ....dynamics.phenomena.waves import key_frequencies, wave_power, wave_shares
from ....recorders.reading.recording import Recording
from ....recorders.reading.selection import Selection, select
from ...kinds import check_fits
from ...parts.panels import canvas, write_notes, write_title
from ...parts.style import FAINT, INK, PALETTE, style

_SIZE = (8.6, 5.4)
# The embedding is looked at in so many rows, and so many key frequencies have a colour.
_ROWS, _NAMED = 200, 6
_ROOM = 1.2
_LOSSES = (
    ("loss", "train loss", "#9A9A9A", "-"),
    ("test_loss", "test loss", INK, "-"),
    ("restricted_loss", "restricted", PALETTE[0], "-."),
    ("excluded_loss", "excluded", PALETTE[1], "-."),
)
_CAPTION = (
    "Upper left: the loss of the sums that are trained on and of the others; of the others through the key frequencies "
    "alone (restricted), and of those trained on without them (excluded); dashed: accuracy on the others. Lower left: "
    "the power of the numbers' embedding at each frequency; key frequencies, beyond noise in the end, have colours. "
    "Right: the share of each frequency in each neuron's weights over the numbers, before and after; dark is all of it."
)


def plot_grokking(recording: Recording, ax: Axes | None = None, *, instance: int | None = None) -> Figure:
    """Plot a network that learns modular addition: its losses, its accuracy, and the waves that it turns into.

    Power and key frequencies are those of wave_power() and key_frequencies() of the numbers' embedding E, the share of
    a wave in a neuron that of wave_shares(). Given *ax*, the panels take its place.

    instance: which member of an ensemble, by default the first. Raises SettingError where the recording is of another
    kind, as is one of an even modulus, or has no such instance.
    Source: Nanda et al. 2023, "Progress measures for grokking via mechanistic interpretability", arXiv 2301.05217.
    """
    check_fits(recording, "grokking")
    selection = select(recording, "E", instance)
    rows = np.unique(np.linspace(0, len(selection.step) - 1, _ROWS).astype(int))
    E = np.concatenate([selection.weights_at(slice(row, row + 1)) for row in rows])
    with style():
        figure, host = canvas(ax, _SIZE)
        write_title(host, selection.heading, _SIZE[0])
        grid = host.add_gridspec(2, 3, width_ratios=(2.6, 1, 1), height_ratios=(1.3, 1))
        upper = host.add_subplot(grid[0, 0])
        lower = host.add_subplot(grid[1, 0], sharex=upper)
        upper.set_xlim(selection.step[0], max(selection.step[-1], 1))
        _draw_losses(upper, selection)
        _draw_power(lower, selection.step[rows], E)
        maps = [host.add_subplot(grid[:, k]) for k in (1, 2)]
        scale = _draw_maps(maps, wave_shares(_neurons(selection, E[[0, -1]])), selection.step)
        host.colorbar(scale, ax=maps, label="share of a neuron's weights", location="bottom", aspect=30)
        if ax is None:
            write_notes(figure, [_CAPTION])
    return figure


def _neurons(selection: Selection, E: np.ndarray) -> np.ndarray:
    """Return what each neuron reads of each number in the first row and the last, V E; of older recordings E itself."""
    if "V" not in selection.recording.parameters:
        return E
    V = selection.recording.parameters["V"]
    ends = np.stack([V[0], V[-1]])
    return (ends if selection.instance is None else ends[:, selection.instance]) @ E


def _draw_losses(ax: Axes, selection: Selection) -> None:
    """Draw the losses on a logarithmic axis, and the accuracy on another one."""
    for name, label, colour, line in _LOSSES:
        values = selection.loss(name)
        if values is not None:
            known = np.isfinite(values)
            ax.plot(selection.step[known], values[known], label=label, color=colour, linestyle=line)
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
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5, fontsize=7.5, columnspacing=1.2)


def _draw_power(ax: Axes, step: np.ndarray, E: np.ndarray) -> None:
    """Draw the power of the embedding (T, m, p) at each frequency, those that are key in the end in colour."""
    power, key = wave_power(E), key_frequencies(E[-1])
    strongest = key[np.argsort(-power[-1, key - 1])]
    for k in range(1, power.shape[-1] + 1):
        place = int(np.flatnonzero(strongest == k)[0]) if k in strongest else _NAMED
        is_named = place < _NAMED
        ax.plot(
            step,
            power[:, k - 1],
            color=PALETTE[place] if is_named else FAINT,
            linewidth=1.4 if k in strongest else 0.6,
            zorder=3 if is_named else 2,
            label=f"k = {k}" if is_named else None,
        )
    # Above is room for the legend.
    ax.set_ylim(0, _ROOM * max(np.nanmax(power), np.finfo(float).tiny))
    ax.set_ylabel("power of the embedding")
    ax.set_xlabel("steps")
    if len(strongest):
        ax.legend(fontsize=7, loc="upper center", ncols=_NAMED, columnspacing=1.0, handlelength=1.2)


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
