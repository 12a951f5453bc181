"""Labels on a margin stay legible and near what they name."""

from itertools import pairwise

import pytest

from dyn.viz.parts.style import palette, spread


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        ([0.0, 0.5, 1.0], [0.0, 0.5, 1.0]),
        ([0.4, 0.375], [0.4125, 0.3625]),
        ([0.0, 0.0, 0.0], [-0.05, 0.0, 0.05]),
        ([], []),
    ],
)
def test_spread(positions, expected):
    assert spread(positions, 0.05) == pytest.approx(expected)


def test_spread_keeps_the_gap_and_the_order_when_blocks_meet():
    positions = [0.10, 0.11, 0.13, 0.14, 0.16, 0.9]
    placed = spread(positions, 0.05)
    gaps = [b - a for a, b in pairwise(placed)]
    # 1e-12: the rounding of a few sums.
    assert min(gaps) >= 0.05 - 1e-12
    assert placed[-1] == 0.9


def test_palette_repeats():
    assert len(set(palette(10))) == 10
    assert palette(11)[10] == palette(1)[0]
