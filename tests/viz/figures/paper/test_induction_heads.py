"""The figure of induction heads: losses and scores as recorded, patterns of the heads that are named."""

import numpy as np
import pytest

from dyn.dynamics.errors import SettingError
from dyn.viz import plot_induction_heads
from dyn.viz.figures.paper.induction_heads import _became


@pytest.fixture(scope="module")
def attention(record_short):
    with record_short("induction-heads", steps=20, n_hidden=16, batch_size=8) as recording:
        yield recording


def test_losses_are_those_recorded(attention):
    upper = plot_induction_heads(attention).axes[0]
    for line, name in zip(upper.lines, ("loss_repeated", "loss_first", "control_loss_repeated"), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), attention.scalars[name][:])


def test_patterns_are_causal_and_of_the_head_that_is_named(attention):
    figure = plot_induction_heads(attention)
    shown = [ax for ax in figure.axes if ax.images]
    assert len(shown) == 4
    for ax in shown:
        pattern = np.asarray(ax.images[0].get_array())
        assert np.triu(pattern, 1).max() == 0
        # Single precision.
        np.testing.assert_allclose(pattern.sum(-1), 1, rtol=1e-5)
    scores = attention.probes["prefix_score"][-1]
    layer, head = np.unravel_index(scores.argmax(), scores.shape)
    assert shown[3].get_title(loc="left").startswith(f"induction, head {layer}.{head}\nstep 20: {scores.max():.2f}")


def test_heads_are_named_where_they_became_something():
    none = np.zeros((2, 2, 4))
    previous, prefix = none.copy(), none.copy()
    previous[-1, 0, 2], prefix[-1, 1, 3] = 0.97, 0.5
    assert _became(previous, prefix) == "In the end: head 0.2 previous token (0.97); head 1.3 induction (0.50)."
    assert _became(none, none) == "No head has become either."


def test_another_training_is_named(geometry):
    with pytest.raises(SettingError, match="'induction-heads' shows"):
        plot_induction_heads(geometry)
