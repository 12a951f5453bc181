"""The default energy-levels run shows what the README says: late jumps, each with its drop of the loss, then digons."""

import numpy as np
import pytest

import dyn
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.recorders.experiment import record_experiment

pytestmark = pytest.mark.slow

# The paper speaks of jumps once the model has settled; the first fall of the loss is over by then.
TRANSIENT = 0.15
# A change of D counts as a jump when it is this large within this fraction of the run.
SIZE, DURATION = 0.2, 0.15


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "energy-levels.h5"
    with dyn.open(record_experiment(EXPERIMENTS["energy-levels"], path, every=2)) as recording:
        yield recording


def late_jumps(D: np.ndarray) -> list[tuple[int, int, float]]:
    """Return (row, feature, change) of the largest change of each feature that is a late jump, in order of time."""
    first, window = int(TRANSIENT * len(D)), int(DURATION * len(D))
    jumps = []
    for i, signal in enumerate(D[first:].T):
        changes = signal[window:] - signal[:-window]
        start = int(abs(changes).argmax())
        if abs(changes[start]) >= SIZE:
            middle = (signal[start] + signal[start + window]) / 2
            crossing = start + int(abs(signal[start : start + window] - middle).argmin())
            jumps.append((first + crossing, i, float(changes[start])))
    return sorted(jumps)


def test_represented_features_end_as_digons_and_the_others_at_nothing(recording):
    D = recording.features["W"]["dimensionality"][-1]
    represented = D[D > 0.1]
    assert len(represented) == 10
    np.testing.assert_allclose(represented, 1 / 2, atol=0.02)


def test_at_least_two_late_jumps_each_with_a_drop_of_the_expected_loss(recording):
    jumps = late_jumps(recording.features["W"]["dimensionality"][:])
    events = [jump for k, jump in enumerate(jumps) if not k or jump[0] - jumps[k - 1][0] > 0.05 * len(recording)]
    assert len(events) >= 2
    loss = recording.scalars["expected_loss"][:]
    reach, average = int(DURATION * len(loss)), int(0.03 * len(loss))
    for row, _, _ in events:
        before = loss[row - reach // 2 - average : row - reach // 2]
        after = loss[row + reach // 2 : row + reach // 2 + average]
        # Neighbouring rows are alike, so a mean of 90 rows is worth fewer; 10 independent ones is the cautious end.
        error = np.hypot(before.std(), after.std()) / np.sqrt(10)
        assert before.mean() - after.mean() > 5 * error


def test_expected_loss_is_recorded_for_every_row(recording):
    assert np.isfinite(recording.scalars["expected_loss"]).all()
    assert "fixed batch" in recording.scalars["expected_loss"].attrs["estimate"]
