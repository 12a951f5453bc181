"""Motions in words; regimes in words are tested with the regimes."""

import numpy as np
import pytest

from dyn.dynamics.motion import transformation
from dyn.dynamics.motion.words import describe, name_features

THIRTY = np.array([[np.cos(np.pi / 6), -np.sin(np.pi / 6), 0], [np.sin(np.pi / 6), np.cos(np.pi / 6), 0], [0, 0, 1]])


def motion_of(A, features=None, shift=0.0):
    W = np.random.default_rng(0).normal(size=(len(A), 8))
    return transformation(W, A @ W + shift, features=features)


@pytest.mark.parametrize(
    ("motion", "words"),
    [
        (motion_of(THIRTY), "features 0-7: turn 30° about (0, 0, 1)"),
        (motion_of(2.1 * THIRTY, [0, 1, 2, 5]), "features 0-2, 5: turn 30° about (0, 0, 1), 2.1x as large"),
        (motion_of(-np.eye(2)), "features 0-7: turn 180°"),
        (motion_of(np.diag([-1.0, 1.0])), "features 0-7: mirrored"),
        (motion_of(np.diag([7.0, 1.0]) / 5), "features 0-7: stretched 1.40 : 0.20"),
        (motion_of(np.eye(2), shift=3.0), "features 0-7: shift by 4.2"),
        (motion_of(np.eye(2)), "features 0-7: at rest"),
    ],
)
def test_a_motion_in_words(motion, words):
    assert describe(motion) == words


def test_what_no_map_gives_is_told():
    W0, W1 = np.array([[1.0, 1.0], [0.0, 0.0]]), np.eye(2)
    # Of two features of length 1, the mean leaves each 1/√2 off.
    assert describe(transformation(W0, W1)).endswith("residual 0.71")


@pytest.mark.parametrize(
    ("features", "words"),
    [([3], "feature 3"), ([4, 3], "features 3, 4"), ([9, 0, 2, 1], "features 0-2, 9"), (range(20), "features 0-19")],
)
def test_features_are_told_as_ranges(features, words):
    assert name_features(features) == words


def test_only_motions_and_regimes_are_told():
    with pytest.raises(TypeError, match="Motion or a Regime, got int"):
        describe(3)
