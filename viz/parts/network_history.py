"""How the matrices of a network went, at a few moments of a run: what an overview draws of them."""

import math
from dataclasses import dataclass

import numpy as np

from ...dynamics.geometry import effective_rank, matrix_norm, measure, update_size
from ...recorders.reading.matrices import matrices_of, matrix_shape, rows_of, summarised_matrices
from ...recorders.reading.recording import Recording
from ...recorders.reading.series import Series

# At so many moments norms and updates are measured, and at as many or fewer the singular values: these take the time of
# so many multiplications in all, some ten seconds.
_MOMENTS, _FEWEST_MOMENTS, _MOST_WORK = 80, 4, 10**10

# Of directions at random about so many are drawn, in so many draws at most.
_RANDOM_FEATURES, _MOST_DRAWS = 1000, 20


@dataclass(frozen=True)
class NetworkHistory:
    """Of each matrix its norm beside the first (K, t), its updates (K, t), its share of the rank it could have (K, r).

    step (t,) and rank_step (r,) are the steps of the moments. An update is |W_{t+1} - W_t| / |W_t|, for one step.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, int], ...]
    step: np.ndarray
    norm: np.ndarray
    update: np.ndarray
    rank_step: np.ndarray
    rank: np.ndarray


def history_of(recording: Recording, names: tuple[str, ...] | None = None) -> NetworkHistory:
    """Return how the matrices of a recording went, those of these *names* or all.

    Of summaries an update is what their sketches say, and a rank the last that was measured, at first the next.
    """
    if recording.summaries:
        return _history_in_short(recording, names)
    series = {name: each for name, each in matrices_of(recording).items() if names is None or name in names}
    step = recording.step[:]
    rows = np.unique(np.linspace(0, len(step) - 2, _MOMENTS).astype(int))
    shapes = tuple(matrix_shape(each) for each in series.values())
    work = sum(m * n * min(m, n) for m, n in shapes)
    count = int(np.clip(_MOST_WORK // max(work, 1), _FEWEST_MOMENTS, len(rows)))
    rank_rows = np.unique(np.linspace(0, len(step) - 1, count).astype(int))
    norms, updates = _norms_and_updates(list(series.values()), rows, step)
    ranks = [_ranks(each, rank_rows) / min(shape) for each, shape in zip(series.values(), shapes, strict=True)]
    return NetworkHistory(
        names=tuple(series),
        shapes=shapes,
        step=step[rows],
        norm=norms,
        update=updates,
        rank_step=step[rank_rows],
        rank=np.array(ranks).reshape(len(series), len(rank_rows)),
    )


def _history_in_short(recording: Recording, names: tuple[str, ...] | None) -> NetworkHistory:
    known = summarised_matrices(recording)
    chosen = {name: shape for name, shape in known.items() if names is None or name in names}
    shapes = tuple((shape[0], math.prod(shape[1:])) for shape in chosen.values())
    step, kept = recording.step[:], [recording.summaries[name] for name in chosen]
    rows = np.unique(np.linspace(0, len(step) - 2, _MOMENTS).astype(int))
    first = np.array([float(each["norm"][0]) for each in kept])[:, None]
    norms = np.array([each["norm"][rows] for each in kept], dtype=np.float64)
    moved = np.array([each["update"][rows + 1] for each in kept], dtype=np.float64)
    ranks = [measured(each["effective_rank"][:])[rows] / min(shape) for each, shape in zip(kept, shapes, strict=True)]
    with np.errstate(divide="ignore", invalid="ignore"):
        return NetworkHistory(
            names=tuple(chosen),
            shapes=shapes,
            step=step[rows],
            norm=norms / np.where(first == 0, np.nan, first),
            update=np.where(moved == 0, 0.0, moved / norms) / (step[rows + 1] - step[rows]),
            rank_step=step[rows],
            rank=np.array(ranks).reshape(len(chosen), len(rows)),
        )


def measured(values: np.ndarray) -> np.ndarray:
    """Return values (T, …) with each row that was not measured as the last that was, or before all of them the first.

    They stay NaN where none was measured.
    """
    known = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    if not known.any():
        return values
    last = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
    return values[np.where(last < 0, int(np.argmax(known)), last)]


def _norms_and_updates(series: list[Series], rows: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    norms, updates = np.empty((2, len(series), len(rows)))
    for k, each in enumerate(series):
        first = matrix_norm(each[:1].reshape(1, *matrix_shape(each)))[0]
        for part, values in rows_of(each, rows):
            after = next(values for _, values in rows_of(each, rows[part] + 1))
            # What begins at 0 has no norm to be compared with.
            norms[k, part] = matrix_norm(values) / (first or np.nan)
            updates[k, part] = update_size(values, after)
    return norms, updates / (step[rows + 1] - step[rows])


def _ranks(series: Series, rows: np.ndarray) -> np.ndarray:
    return np.concatenate([effective_rank(values) for _, values in rows_of(series, rows)])


def at_random(norm: np.ndarray, m: int) -> np.ndarray:
    """Return the D that directions at random in m dimensions have, whose lengths are *norm*, of several draws.

    Every row has the same directions, so that it is the lengths alone that make curves go up and down.

    Shapes: norm (T, n) -> (T, draws * n).
    """
    n = norm.shape[1]
    draws = int(np.clip(_RANDOM_FEATURES // n, 1, _MOST_DRAWS))
    unit = np.random.default_rng(0).normal(size=(draws, m, n))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return np.array([measure(unit * each).dimensionality.ravel() for each in norm.astype(np.float64)])
