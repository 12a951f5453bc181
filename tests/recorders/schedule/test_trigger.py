"""The trigger: what is a drop of the loss and what is none, and which rows are kept around one."""

import math

import numpy as np
import pytest

from dyn.dynamics.errors import SettingError
from dyn.recorders.schedule.trigger import DropDetector, Trigger, TriggerFilter


def drops(losses, *, drop: float = 0.05, span: int = 100) -> list[int]:
    detector = DropDetector(drop=drop, span=span)
    return [step for step, loss in enumerate(np.asarray(losses, float).tolist()) if detector.update(loss)]


def fall(share: float, *, at: int, width: int = 1, steps: int = 4000) -> np.ndarray:
    """A loss of one that falls by *share* within *width* steps, straight in its logarithm."""
    return (1 - share) ** np.clip((np.arange(steps) - at + 1) / width, 0, 1)


def noise(scatter: float, steps: int, seed: int = 0) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal(0, scatter, steps))


@pytest.mark.parametrize("width", [1, 50, 100])
@pytest.mark.parametrize("scatter", [0, 0.02, 0.1])
@pytest.mark.parametrize("scale", [1e-12, 1, 1e9])
def test_a_planted_drop_is_noticed_soon_and_not_for_long(width, scatter, scale):
    noticed = drops(scale * fall(0.25, at=2000, width=width) * noise(scatter, 4000))
    assert 2000 <= noticed[0] < 2000 + width + 100
    assert noticed[-1] < 2000 + width + 200


@pytest.mark.parametrize("drop", [0.01, 0.05, 0.5])
def test_a_drop_is_a_fall_by_the_share_and_no_less(drop):
    # A fall by exactly the share shows in full only when one window lies before it and the next after it.
    assert drops(fall(drop, at=1000, steps=2000), drop=drop) == [1099]
    assert drops(fall(0.95 * drop, at=1000, steps=2000), drop=drop) == []


def test_a_fall_over_many_spans_is_no_drop_and_a_longer_span_makes_it_one():
    slow = fall(0.25, at=2000, width=600)
    assert drops(slow) == []
    assert drops(slow, span=400)


@pytest.mark.parametrize("scatter", [0.01, 0.1, 1.0])
def test_noise_is_no_drop(scatter):
    assert drops(noise(scatter, 50_000)) == []


@pytest.mark.parametrize("seed", range(3))
def test_noise_with_outliers_is_no_drop(seed):
    generator = np.random.default_rng(seed)
    assert drops(np.exp(0.1 * generator.standard_t(3, 20_000))) == []
    assert drops(generator.chisquare(1, 20_000)) == []


STEPS = np.arange(20_000)
SMOOTH = {
    "exponential": np.exp(-STEPS / 200) + 0.01,
    "exponential, steep": np.exp(-STEPS / 5) + 1e-3,
    "power law": 1 / (1 + STEPS),
    "power law to a floor": (1 + STEPS) ** -0.5 + 0.1,
    "drift": 1 - STEPS / 30_000,
    "rising": 1 + STEPS / 100,
}


@pytest.mark.parametrize("decay", SMOOTH)
@pytest.mark.parametrize("scatter", [0, 0.05])
def test_a_smooth_decay_is_no_drop_however_steep(decay, scatter):
    assert drops(SMOOTH[decay] * noise(scatter, len(STEPS))) == []


def test_a_drop_within_a_decay_is_noticed():
    noticed = drops(SMOOTH["power law to a floor"] * fall(0.3, at=6000, steps=len(STEPS)) * noise(0.05, len(STEPS)))
    assert 6000 <= noticed[0] < 6100
    assert noticed[-1] < 6200


@pytest.mark.parametrize("outlier", [0.0, 1e-9, 10.0, 1e300])
def test_a_single_outlier_is_no_drop(outlier):
    losses = noise(0.02, 2000)
    losses[1000] = outlier
    assert drops(losses) == []


def test_the_return_from_a_short_bump_is_no_drop():
    losses = noise(0.02, 3000)
    losses[1000:1010] *= 2
    assert drops(losses) == []


@pytest.mark.parametrize("missing", [math.nan, math.inf, -math.inf])
def test_losses_that_are_not_finite_are_left_out(missing):
    losses = fall(0.25, at=2000) * noise(0.02, 4000)
    with_gaps = np.full(8000, missing)
    with_gaps[::2] = losses
    assert drops(with_gaps) == [2 * step for step in drops(losses)] != []


def test_a_loss_below_zero_falls_where_its_magnitude_grows():
    assert drops(-10 / fall(0.25, at=1000, steps=2000))
    assert drops(-10 * fall(0.25, at=1000, steps=2000)) == []
    assert drops(np.where(np.arange(2000) < 1000, 1.0, -1.0))
    assert drops(np.random.default_rng(0).normal(0, 1, 20_000)) == []


def test_nothing_is_noticed_before_the_windows_are_full():
    assert drops(fall(0.5, at=150, steps=2000)) == []
    assert drops(fall(0.5, at=290, steps=2000))


def losses_with_drops(steps: int, seed: int) -> np.ndarray:
    """A noisy loss that falls at random steps, with gaps."""
    generator = np.random.default_rng(seed)
    falls = generator.random(steps) < 8 / steps
    losses = 0.5 ** np.cumsum(falls) * np.exp(generator.normal(0, 0.05, steps))
    losses[generator.random(steps) < 0.05] = math.nan
    return losses


def kept_by_definition(trigger: Trigger, steps: np.ndarray, losses: np.ndarray) -> list[int]:
    """All rows looked at one by one, with the whole run at hand."""
    noticed = [int(steps[row]) for row in drops(losses, drop=trigger.drop, span=trigger.span)]
    return [
        row
        for row, step in enumerate(steps.tolist())
        if step % trigger.sparse == 0
        or any(t - trigger.before <= step <= t + trigger.after for t in noticed)
        or row == len(steps) - 1
    ]


def kept_in_blocks(trigger: Trigger, steps: np.ndarray, losses: np.ndarray, sizes: np.ndarray) -> list[int]:
    """Rows offered block by block, as the writer does: those that are not decided again with the next."""
    kept, start = [], 0
    selection = TriggerFilter(trigger)
    stops = np.minimum(np.cumsum(sizes), len(steps))
    for stop in stops.tolist():
        rows, decided = selection.split(steps[start:stop], losses[start:stop])
        assert rows.size == 0 or rows.max() < decided
        kept += (start + rows).tolist()
        start += decided
        assert stop - start <= max(trigger.before, 1)
    rows, decided = selection.split(steps[start:], losses[start:], final=True)
    assert decided == len(steps) - start
    return kept + (start + rows).tolist()


@pytest.mark.parametrize("seed", range(20))
def test_the_rows_are_those_of_the_definition_however_they_are_split(seed):
    generator = np.random.default_rng(seed)
    sparse, before, after = (int(generator.integers(*limits)) for limits in ((1, 60), (0, 90), (0, 90)))
    trigger = Trigger(sparse=sparse, before=before, after=after, drop=0.1, span=int(generator.integers(10, 30)))
    losses = losses_with_drops(800, seed)
    # Some steps are missing, as after a pause.
    steps = np.cumsum(np.where(generator.random(800) < 0.02, 40, 1)) - 1
    expected = kept_by_definition(trigger, steps, losses)
    for largest in (1, 7, 200, 5000):
        sizes = generator.integers(1, largest + 1, 800)
        assert kept_in_blocks(trigger, steps, losses, sizes) == expected


def test_the_planted_drops_are_there_to_be_kept():
    assert sum(bool(drops(losses_with_drops(800, seed), drop=0.1, span=20)) for seed in range(20)) > 15


def test_rows_around_a_drop_by_hand():
    trigger = Trigger(sparse=1000, before=3, after=2, drop=0.5, span=10)
    steps = np.arange(100)
    # A fall by exactly the share is noticed at one step, the last of the ten after it.
    rows, decided = TriggerFilter(trigger).split(steps, np.where(steps < 50, 1.0, 0.5))
    assert rows.tolist() == [0, 56, 57, 58, 59, 60, 61]
    assert decided == 97


def test_the_final_row_is_kept_even_if_it_is_known_to_be_that_later():
    selection = TriggerFilter(Trigger(sparse=1000, before=0))
    rows, decided = selection.split(np.arange(10), np.ones(10))
    assert (rows.tolist(), decided) == ([0], 9)
    rows, decided = selection.split(np.array([9]), np.ones(1), final=True)
    assert (rows.tolist(), decided) == ([0], 1)


def test_no_rows_are_no_trouble():
    selection = TriggerFilter(Trigger())
    none = np.empty(0)
    for final in (False, True):
        rows, decided = selection.split(none.astype(np.int64), none, final=final)
        assert (rows.tolist(), decided) == ([], 0)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"sparse": 0}, "Trigger(sparse=0) is not a whole number of steps, 1 or more"),
        ({"before": -1}, "Trigger(before=-1) is not a whole number of steps, 0 or more"),
        ({"after": 1.5}, "Trigger(after=1.5)"),
        ({"after": True}, "Trigger(after=True)"),
        ({"span": 9}, "Trigger(span=9) is not a whole number of steps, 10 or more"),
        ({"drop": 0}, "Trigger(drop=0) is not a share between 0 and 1"),
        ({"drop": 1.0}, "Trigger(drop=1.0)"),
        ({"drop": math.nan}, "Trigger(drop=nan)"),
        ({"drop": "5 %"}, "Trigger(drop='5 %')"),
    ],
)
def test_a_trigger_that_cannot_be_used_says_so(setting, words):
    with pytest.raises(SettingError) as caught:
        Trigger(**setting)
    assert words in str(caught.value)
