"""What is happening while a movie runs, in words: the regime, and the jump for as long as it takes to read it."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...dynamics.feature_names import name_features
from ...dynamics.jumps import Jump
from ...dynamics.motion.regimes import Change, Regime
from ...recorders.stories.story import Story
from ..parts.jump_marks import name_jump

# What each kind of regime is, for whoever never read the paper.
_KINDS = {
    "growth": "the features grow from nothing",
    "opening": "features that lay together come apart",
    "closing": "features that lay apart come together",
    "reshaping": "the features find their places",
    "twist": "the sets keep their shapes and turn against each other",
    "settling": "the features rest, and the loss still changes",
    "rest": "nothing moves",
}
# A jump is named for so many seconds at least, and of several at once the latest ones.
_SECONDS_TO_READ = 1.8
_MOST_JUMPS = 2
_MOST_GROUPS = 2
_LETTERS, _LINES = 92, 2
# Bold letters are wider.
BOLD_LETTERS = 80
_UNNAMED = "unnamed"
# A turn of fewer degrees is not worth a word.
_SMALL_ANGLE = 1.0


class Chapter(NamedTuple):
    """What is named at a time: a regime, None where none is told, and jumps; by their places in the story."""

    regime: int | None
    jumps: tuple[int, ...]


class Narrator:
    """Knows what is to be named in each frame, of which *steps* (frames,) tells the step."""

    def __init__(self, story: Story, steps: np.ndarray, fps: int):
        self._regimes = np.searchsorted(steps, [regime.start for regime in story.regimes or ()])
        self._first = np.searchsorted(steps, [jump.start for jump in story.jumps])
        last = np.searchsorted(steps, [jump.end for jump in story.jumps])
        self._last = np.maximum(last, self._first + round(_SECONDS_TO_READ * fps))

    def chapter(self, frame: int) -> Chapter:
        """Return what is named in a frame."""
        begun = int(np.searchsorted(self._regimes, frame, side="right"))
        jumps = np.nonzero((self._first <= frame) & (frame <= self._last))[0][-_MOST_JUMPS:]
        return Chapter(max(begun - 1, 0) if len(self._regimes) else None, tuple(jumps.tolist()))


def head_of(regime: Regime) -> str:
    """Return the kind of a regime and what that is."""
    return f"{regime.kind.capitalize()}: {_KINDS[regime.kind]}"


def tell_regime(regime: Regime, labels: Sequence[str] | None = None) -> str:
    """Return what the sets become in a regime, and what all features are at its end, in at most two lines.

    *labels* are the names of all features, which have numbers otherwise.
    """
    changed = [
        change for change in regime.changes if change.form[0] != change.form[1] and _UNNAMED not in change.form[1]
    ]
    told = [_becomes(change, labels) for change in changed]
    if regime.twist > _SMALL_ANGLE and regime.kind in ("twist", "opening", "closing"):
        told.append(f"the sets turn {regime.twist:.0f}° against each other")
    if _UNNAMED not in regime.form:
        told.append(f"at the end {regime.form}")
    return textwrap.fill("; ".join(told), _LETTERS, max_lines=_LINES, placeholder=" …")


def _becomes(change: Change, labels: Sequence[str] | None) -> str:
    before, after = change.form
    who = name_features(change.features, labels)
    return f"{who} → {after}" if _UNNAMED in before else f"{who}: {before} → {after}"


def tell_jump(jump: Jump, loss: str | None, letters: int = BOLD_LETTERS, *, labels: Sequence[str] | None = None) -> str:
    """Return what jumps from which level to which, and what the loss does if there is room, in one line."""
    moved = "Jump: " + ", ".join(name_jump(jump, _MOST_GROUPS, labels).splitlines())
    change = ""
    if np.isfinite(jump.loss_change) and letters >= BOLD_LETTERS:
        change = f"; {(loss or 'loss').replace('_', ' ')} {jump.loss_change:+.2g}".replace("-", "−")
    return textwrap.shorten(moved, letters - len(change), placeholder=" …") + change


def tell_payers(words: str) -> str:
    """Return who paid for a jump in one line of a caption."""
    return textwrap.shorten(words, _LETTERS, placeholder=" …")
