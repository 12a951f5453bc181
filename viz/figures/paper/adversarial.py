"""The adversarial figure: what an attack costs models, beside how many features they keep in a dimension."""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ....dynamics.phenomena.adversarial import adversarial_increase
from ....dynamics.training.feature_data import FeatureDistribution
from ....recorders.reading.recording import Recording
from ....recorders.reading.selection import select
from ...kinds import check_fits
from ...parts.members import DrawnMember, members
from ...parts.panels import canvas, write_notes, write_title
from ...parts.style import INK, PALETTE, style
from .uniform import scale_sparsity

_SIZE = (7.0, 4.8)
# So many inputs are attacked at each density.
_SAMPLES = 512
_CAPTION = (
    "Above, how much the worst small push to the input raises the loss, in units of the push's squared length: 1 is "
    "what it costs a model that repeats its input. Below, how many features share a hidden dimension. Models with more "
    "features in superposition are easier to attack."
)


def plot_adversarial(recording: Recording, ax: Axes | None = None) -> Figure:
    """Plot the vulnerability to adversarial attacks, and the features per dimension |W|_F² / m, over 1 / (1 - S).

    One point for each density, at the end of training; of repeats the one with the least loss. The attacks are those
    of adversarial_increase(), on 512 inputs. Given *ax*, the panels take its place.

    Raises SettingError where the recording is of another kind.
    Source: Toy Models of Superposition, "Superposition and Adversarial Robustness".
    """
    check_fits(recording, "adversarial")
    shown = members(recording)
    sparsity = np.array([1 / (member.density or np.nan) for member in shown])
    with style():
        figure, host = canvas(ax, _SIZE)
        write_title(host, select(recording).heading, _SIZE[0])
        upper, lower = host.subplots(2, 1, sharex=True)
        upper.plot(sparsity, vulnerability(shown), "o-", color=PALETTE[4], markersize=4)
        upper.set_ylabel("vulnerability")
        lower.plot(sparsity, [np.square(each.W).sum() / len(each.W) for each in shown], "s-", color=INK, markersize=4)
        lower.set_ylabel("features per dimension")
        for panel in (upper, lower):
            panel.set_ylim(bottom=0)
            panel.grid(axis="y", color="#EEEEEE")
        scale_sparsity(lower)
        if ax is None:
            write_notes(figure, [_CAPTION])
    return figure


def vulnerability(shown: list[DrawnMember]) -> np.ndarray:
    """Return the vulnerability of each model to attacks on inputs of its own density; (models,)."""
    W = np.array([member.W for member in shown])
    b = np.array([member.b for member in shown], dtype=float)
    density = tuple(float(member.density or np.nan) for member in shown)
    inputs = FeatureDistribution(W.shape[-1], density).sample((len(W), _SAMPLES), torch.Generator().manual_seed(0))
    return adversarial_increase(W, b, inputs.double().numpy()).vulnerability
