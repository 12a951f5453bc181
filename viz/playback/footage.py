"""What a run looks like at any step: its features in the three directions that a picture shows, read as needed."""

import itertools
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np

from ...dynamics.errors import SettingError
from ...dynamics.feature_names import named
from ...dynamics.geometry.directions import directions_of, principal_directions, projection
from ...dynamics.geometry.measures import dimensionality
from ...recorders.reading.recording import Recording
from ...recorders.reading.selection import Selection, select
from ...recorders.stories.payers import with_payers
from ...recorders.stories.story import Story, tell
from ..parts.style import feature_colours

PROJECTIONS = ("moving", "pca")
# So many rows, evenly spread, are looked at to see how far a run reaches and when it moves; then, so often, the middle
# of each stretch in which more happens than in most.
_LOOKS, _CLOSER = 129, 2
# Reading costs by the call: where rows are small, as many are read at once as make a megabyte.
_READ_AHEAD = 2**20
# Of a run that diverged, features are seen up to so many times the length of the longest in a typical row.
_REACH = 3.0


class Look(NamedTuple):
    """Some rows of a run: their steps (K,), the features' places (K, n, 3), and which are among the evenly spread."""

    step: np.ndarray
    points: np.ndarray
    is_even: np.ndarray


class FootageSource(NamedTuple):
    """What makes a footage anew in another process, where a recording cannot be sent."""

    path: str
    parameter: str
    instance: int | None
    project: str | tuple[int, ...]
    story: Story


class Footage:
    """One matrix of features of a recording as a picture sees it; *project* is as in animate().

    Memory does not grow with the weights: rows are read when they are shown.
    """

    def __init__(self, selection: Selection, project: str | Sequence[int] = "moving"):
        self.selection = selection
        self.step = selection.step
        last = selection.weights_at(slice(-1, None))[0]
        self.m, self.n = last.shape
        self.colours = feature_colours(selection, dimensionality(last))
        self.sets = [0] * self.n if selection.sets is None else selection.sets.tolist()
        self._project = _parse(project)
        self._window_start, self._window = 0, last[None][:0]
        self._even: list[int] = np.unique(np.linspace(0, len(self.step) - 1, _LOOKS).astype(int)).tolist()
        self._basis = self._directions()

    @property
    def last_step(self) -> int:
        """The step at which the film ends."""
        return self.selection.last_step

    @property
    def names(self) -> list[str]:
        """What each feature is called: the user's own name for it, or its number."""
        return named(range(self.n), self.selection.labels)

    @classmethod
    def again(cls, source: FootageSource, recording: Recording) -> Self:
        """Make a footage of what is opened anew, with the story that was told already."""
        footage = cls(select(recording, source.parameter, source.instance), source.project)
        footage.story = source.story
        return footage

    @property
    def source(self) -> FootageSource:
        """What this was made of."""
        selection = self.selection
        path = str(selection.recording.path)
        return FootageSource(path, selection.parameter, selection.instance, self._project, self.story)

    @cached_property
    def story(self) -> Story:
        """The regimes and jumps of the run, and who paid for these."""
        recording = self.selection.recording
        return with_payers(recording, tell(recording, self.selection.parameter, self.selection.instance))

    def weights(self, step: float) -> np.ndarray:
        """Return W (m, n) at a step; between two rows it goes from one to the other in a straight line."""
        row = int(np.searchsorted(self.step, step, side="right")) - 1
        row = min(max(row, 0), len(self.step) - 1)
        pair = self._read(row, min(row + 2, len(self.step)))
        if len(pair) == 1:
            return pair[0]
        share = (step - self.step[row]) / (self.step[row + 1] - self.step[row])
        return pair[0] if share <= 0 else pair[0] + min(share, 1.0) * (pair[1] - pair[0])

    def points(self, W: np.ndarray) -> np.ndarray:
        """Return where the picture shows the features of W (..., m, n); (..., n, 3)."""
        # What diverged is nowhere in the picture.
        with np.errstate(invalid="ignore"):
            return np.swapaxes(self._basis @ W, -1, -2)

    @cached_property
    def looks(self) -> Look:
        """Some rows of the run, closer together where it moves."""
        places = {row: self.points(self._matrix(row)) for row in self._even}
        for _ in range(_CLOSER):
            rows = sorted(places)
            # A feature that diverged goes nowhere that could be followed; the others are.
            moves = [np.sqrt(np.nansum((places[b] - places[a]) ** 2)) for a, b in itertools.pairwise(rows)]
            busy = np.nonzero(moves > 2 * np.median(moves or [0.0]))[0].tolist()
            middles = {(rows[k] + rows[k + 1]) // 2 for k in busy} - places.keys()
            places.update((row, self.points(self._matrix(row))) for row in middles)
        rows = np.array(sorted(places))
        is_even = np.isin(rows, self._even)
        return Look(self.step[rows], np.array([places[row] for row in rows]), is_even)

    @cached_property
    def radius(self) -> float:
        """The length of the longest feature as the picture shows it."""
        lengths = np.linalg.norm(self.looks.points, axis=-1)
        if self.selection.diverged_at is not None:
            # The last rows before it are so large that all others would vanish beside them.
            longest = np.where(np.isfinite(lengths), lengths, 0).max(axis=1)[self.looks.step < self.last_step]
            lengths = np.minimum(lengths, _REACH * np.median(longest if longest.size else lengths))
        finite = lengths[np.isfinite(lengths)]
        return float(finite.max()) if finite.size and finite.max() > 0 else 1.0

    @property
    def space(self) -> str:
        """What space the picture shows, in words."""
        if self.m == 1:
            return "the hidden dimension, a line for each feature"
        if self.m <= 3:
            return f"the {self.m} hidden dimensions"
        of = f"3 of {self.m} hidden dimensions: "
        if isinstance(self._project, tuple):
            return f"{of}those of the features {', '.join(map(str, self._project))}"
        return of + ("the run's principal components" if self._project == "pca" else "along features that move most")

    def _directions(self) -> np.ndarray:
        last = self._matrix(len(self.step) - 1)
        if isinstance(self._project, tuple) and max(self._project) >= self.n:
            raise SettingError(f"project={self._project} names features beyond the last one, {self.n - 1}")
        if self.m <= 3:
            return np.eye(3, self.m)
        if isinstance(self._project, tuple):
            return directions_of(last, self._project)
        if self._project == "pca":
            return principal_directions(map(self._matrix, self._even))
        return projection(last[None], np.array([dimensionality(self._matrix(row)) for row in self._even]))

    def _matrix(self, row: int) -> np.ndarray:
        """Return W in a row, of which none is kept but in the window: they may be large."""
        return self._read(row, row + 1)[0]

    def _read(self, start: int, stop: int) -> np.ndarray:
        """Return some rows of W, which lie in the window that was read last or begin a new one."""
        if not self._window_start <= start <= stop <= self._window_start + len(self._window):
            ahead = max(stop - start, _READ_AHEAD // (8 * self.m * self.n))
            self._window_start = start
            self._window = self.selection.weights_at(slice(start, start + ahead)).astype(np.float64)
        return self._window[start - self._window_start : stop - self._window_start]


def _parse(project: str | Sequence[int]) -> str | tuple[int, ...]:
    """Return one of PROJECTIONS, or features; raises SettingError for anything else."""
    if project in PROJECTIONS:
        return str(project)
    parts = project.split(",") if isinstance(project, str) else list(project)
    try:
        features = tuple(int(part) for part in parts)
    except ValueError:
        features = ()
    if not features or min(features) < 0:
        raise SettingError(f"project={project!r} is none of {', '.join(PROJECTIONS)}, nor features such as 3,17,22")
    return features
