"""The rows of a run that a page can show, and the polyhedron in each."""

from dataclasses import dataclass

import numpy as np

from ...dynamics.geometry.hull import Hull, convex_hull
from ..playback.clock import steps_of_frames
from ..playback.footage import Footage

# So many rows are shown of a run, fewer where all their features together would be more than a page should carry.
_MOST_ROWS, _MOST_POINTS = 1000, 250_000

# The line of the first of several features in one dimension, in lengths of the longest one.
_HIGHEST = 0.8


@dataclass(frozen=True)
class Keyframes:
    """What the polyhedron shows: *rows* (K,) of the recording, the features' *points* (K, n, 3) in them, their hulls.

    Points are in units of the longest feature of the run.
    """

    rows: np.ndarray
    points: np.ndarray
    hulls: list[Hull]


def keyframes(run: Footage) -> Keyframes:
    """Return the rows to show: all where they are few, otherwise evenly in the time of a movie.

    The ends of every regime and jump are among them. What is not finite is at the origin.
    """
    rows = _key_rows(run)
    points = np.array([run.points(run.weights(step)) for step in run.step[rows]]) / run.radius
    points = np.nan_to_num(points, posinf=0.0, neginf=0.0)
    if run.m == 1:
        # In one dimension they would all lie on each other: each has a line of its own, and there is no hull.
        points[..., 1] = np.linspace(_HIGHEST, -_HIGHEST, run.n)
        return Keyframes(rows, points, [convex_hull(each) for each in points[:, :0]])
    return Keyframes(rows, points, [convex_hull(each) for each in points])


def _key_rows(run: Footage) -> np.ndarray:
    most = min(_MOST_ROWS, max(2, _MOST_POINTS // run.n))
    if len(run.step) <= most:
        return np.arange(len(run.step))
    told = [*(run.story.regimes or ()), *run.story.jumps]
    ends = [float(step) for each in told for step in (each.start, each.end)]
    steps = np.concatenate([steps_of_frames([run], most), ends])
    return np.unique(np.searchsorted(run.step, steps).clip(0, len(run.step) - 1))
