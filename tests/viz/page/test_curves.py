"""The curves of a page: few points, and the axis that shows them."""

import numpy as np

from dyn.viz.page.curves import dimensionality_curves, loss_curves


def test_the_minibatch_loss_is_shown_by_its_mean_and_a_wide_range_on_a_log_axis():
    step = np.arange(10_000)
    noise = np.where(step % 2, 0.5, -0.5)
    loss = 10.0 ** (-step / 5000)
    curves = loss_curves(step, {"expected_loss": loss, "loss": loss + noise})
    assert curves.names == ("expected loss", "minibatch loss, mean of 100 rows")
    # The mean of an even number of alternating values is free of them; what is left is the slope over half a window.
    np.testing.assert_allclose(curves.values[1][50:-50], curves.values[0][50:-50], rtol=0.05)
    assert curves.is_log
    # The first twentieth of the run may leave the panel at the top.
    assert curves.range[0] < loss[-1] < loss[500] < curves.range[1]
    assert loss_curves(step, {"loss": None}).names == ()


def test_a_spike_of_one_row_is_kept_early_and_late():
    D = np.zeros((100_000, 2), dtype=np.float32)
    D[[40, 77_777], [0, 1]] = 1
    curves = dimensionality_curves(np.arange(len(D)), D)
    assert curves.values.shape[1] <= 2000
    for feature, row in ((0, 40), (1, 77_777)):
        spike = curves.step[curves.values[feature].argmax()]
        # A thousand bins, half of them by steps and half by their logarithm: at most 200 steps late in the run, at its
        # begin a few.
        assert abs(spike - row) <= (2 if feature == 0 else 100)
        assert curves.values[feature].max() == 1
