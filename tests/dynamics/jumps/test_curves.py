"""Smooth curves that look like jumps are told from jumps."""

import numpy as np
import pytest

from dyn.dynamics.jumps.curves import is_curve
from dyn.dynamics.jumps.track import Track

ROWS = np.arange(500)
LOG = np.geomspace(1, 1e6, 500)


def curved(y: np.ndarray, step: np.ndarray, span: tuple[int, int], noise: float = 0.01) -> bool:
    track = Track(y, y, 1, step, step, noise)
    bounds = (0, len(y) - 1)
    return is_curve(track, span, bounds, track.sides(span, bounds))


def test_a_cubic_is_a_curve_and_a_ramp_is_none():
    t = np.clip((ROWS - 200) / 60, 0, 1)
    assert not curved(t, ROWS, (200, 260))
    # From one plateau to another without a corner, across the whole run.
    assert curved(1.5 * ((ROWS - 250) / 250) - 0.5 * ((ROWS - 250) / 250) ** 3, ROWS, (220, 280))


@pytest.mark.parametrize("seed", range(5))
def test_half_a_wave_over_steps_that_grow_is_a_curve_and_a_step_is_none(seed):
    noise = 0.04 * np.random.default_rng(seed).normal(size=500)
    wave = 0.1 * (1 - np.cos(np.pi * LOG / LOG[-1])) / 2
    assert curved(wave + noise, LOG, (462, 486), 0.04)
    # As late as the wave rises, and five times as high as the noise.
    assert not curved(0.2 * (ROWS >= 470) + noise, LOG, (469, 470), 0.04)
