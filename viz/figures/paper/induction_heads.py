"""The figure of induction heads: when repeated tokens become foreseeable, and which head attends to what for it."""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ....dynamics.experiments.experiment import Experiment
from ....dynamics.training.attention import AttentionOnly, InductionModels, evaluation_sequences
from ....recorders.checkpoints.restore import load_into
from ....recorders.reading.opening import catalogue_entry
from ....recorders.reading.recording import Recording
from ....recorders.stories.signals import tell_signal
from ...kinds import check_fits
from ...parts.panels import canvas, write_notes, write_title
from ...parts.style import FAINT, INK, PALETTE, style

_SIZE = (9.0, 5.2)
# A head with less of a score than this has become neither.
_HAS_BECOME = 0.25
_KINDS = {"previous_token_score": "previous token", "prefix_score": "induction"}
_CAPTION = (
    "Upper left: the loss of tokens that follow one seen before, of new ones, and of the network of one layer. Lower "
    "left: how much each head attends to the token before (dashed) and to what followed the last time (solid). Right: "
    "what two heads attend to on one sequence, before and after; rows are queries. Dotted: a jump of the loss on "
    "repeated tokens begins or ends."
)


def plot_induction_heads(recording: Recording, ax: Axes | None = None) -> Figure:
    """Plot a network of two attention layers that learns to foresee repeated tokens, and the heads by which it does.

    Losses and scores are those that the experiment records (Olsson et al. 2022); the heads that are shown are the one
    that attends most to the token before in the end, and the one that attends most to what followed the last time.
    Given *ax*, the panels take its place. Raises SettingError where the recording is of another kind.
    """
    check_fits(recording, "induction-heads")
    step = recording.step[:]
    previous, prefix = (recording.probes[name][:] for name in _KINDS)
    jumps = tell_signal(recording, "loss_repeated").jumps
    with style():
        figure, host = canvas(ax, _SIZE)
        write_title(host, f"{recording.path.stem}: two layers of attention, and one beside them", _SIZE[0])
        grid = host.add_gridspec(2, 3, width_ratios=(2.1, 1, 1))
        upper = host.add_subplot(grid[0, 0])
        lower = host.add_subplot(grid[1, 0], sharex=upper)
        upper.set_xlim(step[0], max(step[-1], 1))
        _draw_losses(upper, recording)
        _draw_scores(lower, step, previous, prefix)
        for each in (upper, lower):
            for jump in jumps:
                for at in (jump.start, jump.end):
                    each.axvline(at, color=INK, linewidth=0.8, linestyle=":")
        for row, (scores, kind) in enumerate(zip((previous, prefix), _KINDS.values(), strict=True)):
            panels = [host.add_subplot(grid[row, 1 + k]) for k in (0, 1)]
            _draw_patterns(panels, recording, scores, kind)
        if ax is None:
            write_notes(figure, [_CAPTION, _became(previous, prefix)])
    return figure


def _draw_losses(ax: Axes, recording: Recording) -> None:
    lines = (
        ("loss_repeated", "repeated tokens", PALETTE[0], "-"),
        ("loss_first", "new tokens", FAINT, "-"),
        ("control_loss_repeated", "repeated, one layer", PALETTE[4], "--"),
    )
    for name, label, colour, line in lines:
        ax.plot(recording.step[:], recording.scalars[name][:], label=label, color=colour, linestyle=line)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("loss in nats")
    ax.tick_params(labelbottom=False)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=7.5)


def _draw_scores(ax: Axes, step: np.ndarray, previous: np.ndarray, prefix: np.ndarray) -> None:
    """Draw the scores of all heads (T, layers, heads), those that became something in colour."""
    colour = 0
    for scores, kind, line in zip((previous, prefix), _KINDS.values(), ("--", "-"), strict=True):
        for layer, head in np.ndindex(scores.shape[1:]):
            became = scores[-1, layer, head] >= _HAS_BECOME
            ax.plot(
                step,
                scores[:, layer, head],
                color=PALETTE[colour % len(PALETTE)] if became else FAINT,
                linestyle=line,
                linewidth=1.4 if became else 0.7,
                zorder=2 + became,
                label=f"{kind}, {_named(layer, head)}" if became else None,
            )
            colour += bool(became)
    ax.set_ylim(0, 1.02)
    ax.set_ylabel("score of a head")
    ax.set_xlabel("steps")
    if colour:
        ax.legend(fontsize=7, loc="upper left")


def _draw_patterns(panels: list[Axes], recording: Recording, scores: np.ndarray, kind: str) -> None:
    """Draw the pattern of the head with the greatest score in the end, in the first row and the last."""
    layer, head = np.unravel_index(scores[-1].argmax(), scores.shape[1:])
    for ax, row in zip(panels, (0, -1), strict=True):
        step = int(recording.step[row])
        ax.imshow(_pattern(recording, step)[layer, head], "Greys", vmin=0, vmax=1, interpolation="nearest")
        ax.set_title(f"{kind}, {_named(layer, head)}\nstep {step:,}: {scores[row, layer, head]:.2f}", fontsize=8)
        ax.set_xticks([])
        ax.set_yticks([])


def _pattern(recording: Recording, step: int) -> np.ndarray:
    """Return the attention patterns on the first of the sequences of evaluation, (layers, heads, t, t)."""
    experiment = Experiment(**catalogue_entry(recording.config))
    model = InductionModels(experiment.n_features, experiment.n_hidden)
    load_into(recording, model, step)
    tokens, _ = evaluation_sequences(experiment)
    with torch.inference_mode():
        return AttentionOnly.patterns(model, tokens[:1])[0].numpy()


def _became(previous: np.ndarray, prefix: np.ndarray) -> str:
    """Say which heads have become what in the end."""
    found = [
        f"{_named(layer, head)} {kind} ({scores[-1, layer, head]:.2f})"
        for scores, kind in zip((previous, prefix), _KINDS.values(), strict=True)
        for layer, head in np.ndindex(scores.shape[1:])
        if scores[-1, layer, head] >= _HAS_BECOME
    ]
    return f"In the end: {'; '.join(found)}." if found else "No head has become either."


def _named(layer: int, head: int) -> str:
    return f"head {layer}.{head}"
