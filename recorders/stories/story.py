"""The story of a recording: what its features form at last, the regimes they went through, and the jumps they took."""

import math
from dataclasses import asdict, dataclass, field
from itertools import repeat, zip_longest
from typing import Any

import numpy as np

from ...dynamics.chance import Verdict
from ...dynamics.feature_names import name_features
from ...dynamics.jumps import Jump, detect_jumps
from ...dynamics.jumps.words import describe_jump
from ...dynamics.motion.regimes import Regime, find_regimes
from ...dynamics.motion.words import describe
from ...dynamics.polytopes import Polytope, summary
from ...dynamics.polytopes.wholes import word_of
from ...dynamics.signals import pieces
from ..reading.recording import Recording
from ..reading.selection import Selection, select
from ..text import ShownAsText
from .attribution import AttributionRow
from .ensemble_story import EnsembleStory, tell_ensemble
from .judging import told_jumps, verdict_on

# The population loss tells more than that of the minibatches, where it was recorded.
# Regimes are slow, and so many rows tell them as all do. Of matrices with more elements, or more features, nobody wants
# to wait for them.
_ROWS, _ELEMENTS, _FEATURES = 4000, 1000, 500
_FEWEST_ROWS = 3
# What diverges sooner than that has no regimes.
_FEWEST_BEFORE = 20


@dataclass(frozen=True)
class Story(ShownAsText):
    """What happened to one matrix of features.

    loss is the name of the loss that was looked at, None where there is none. polytopes are those of the last row,
    None of a matrix too large to name them; regimes None of one too large, or with too few rows, to tell them apart.
    Both are None where the features were recorded without the matrix. shapes has for each jump what its features are in
    at its end, as far as that is known. diverged_at is the first step at which matrix or loss are not finite, and
    regimes and jumps are those before it; is_unknown says that no row has a dimensionality. subject is whose directions
    are meant, such as "tokens of tok.weight", which says which of several matrices it is, such as "head 3", and labels
    are the user's own names of the features, if there are any.

    Only what is beyond chance is told: verdict, None where it is not known, says what that is, and what is said of all
    else. against_chance has the size of each jump in units of the scatter of D of random directions, NaN where that is
    not known.
    """

    path: str
    parameter: str
    instance: int | None
    loss: str | None
    polytopes: list[Polytope] | None
    regimes: list[Regime] | None
    jumps: list[Jump]
    shapes: list[dict[int, str]] = field(default_factory=list)
    diverged_at: int | None = None
    is_unknown: bool = False
    verdict: Verdict | None = None
    against_chance: list[float] = field(default_factory=list)
    subject: str | None = None
    labels: tuple[str, ...] | None = None
    paid: list[AttributionRow | None] = field(default_factory=list)
    which: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; None stands for a number that is not known."""
        told = {name: plain(getattr(self, name)) for name in ("path", "parameter", "instance", "loss", "diverged_at")}
        told["subject"] = self.subject or self.parameter
        document = told | {
            name: None if things is None else [self._with_labels(plain(asdict(each))) for each in things]
            for name, things in (("polytopes", self.polytopes), ("regimes", self.regimes), ("jumps", self.jumps))
        }
        for jump, size in zip(document["jumps"] or (), self.against_chance, strict=False):
            jump["against_chance"] = plain(size)
        for jump, row in zip(document["jumps"] or (), self.paid, strict=False):
            jump["paid"] = row and plain(row.as_dict())
        return document | {"chance": None if self.verdict is None else self.verdict.as_dict()}

    def _with_labels(self, entry: Any) -> Any:
        """Return what JSON can hold with the names of its features beside their numbers, wherever it has any."""
        if isinstance(entry, list):
            return [self._with_labels(each) for each in entry]
        if self.labels is None or not isinstance(entry, dict):
            return entry
        found = {name: self._with_labels(each) for name, each in entry.items()}
        return found | {"labels": [self.labels[k] for k in entry["features"]]} if "features" in entry else found

    @property
    def jump_lines(self) -> str:
        """The jumps in words, one a line under a heading, which says where nothing is beyond chance."""
        is_said = self.is_unknown or self.diverged_at is not None or self.verdict is None or self.verdict.says_more
        return self._jump_lines("" if is_said or self.verdict is None else f"; {self.verdict.words}")

    def _jump_lines(self, more: str = "") -> str:
        head = f"{len(self.jumps)} jump{'' if len(self.jumps) == 1 else 's'}"
        if self.is_unknown:
            head += ": its dimensionality is not a number in any row"
        elif self.diverged_at is not None:
            head += f" before it diverged at step {self.diverged_at}"
        lines = [f"{self._whose}, {head}{more}"]
        for words, payers in zip(self.jump_words, self.payer_words, strict=True):
            lines += [f"  {words}", *([f"    {payers}"] if payers else [])]
        return "\n".join(lines)

    @property
    def payer_words(self) -> list[str]:
        """Who paid for each jump in words, empty where that is not known."""
        padded = [*self.paid, *repeat(None, len(self.jumps))][: len(self.jumps)]
        return ["" if row is None else row.words for row in padded]

    @property
    def jump_words(self) -> list[str]:
        """Each jump in words."""
        name = (self.loss or "loss").replace("_", " ")
        told = zip_longest(self.shapes, self.against_chance, fillvalue=None)
        padded = [*told, *repeat((None, None), len(self.jumps))][: len(self.jumps)]
        return [
            describe_jump(
                jump,
                name,
                shapes=shapes,
                against_chance=math.nan if size is None else size,
                labels=self.labels,
            )
            for jump, (shapes, size) in zip(self.jumps, padded, strict=True)
        ]

    def __str__(self) -> str:
        parts = []
        if self.diverged_at is not None:
            parts.append(f"{self._whose}, diverged at step {self.diverged_at}")
        if self.verdict is not None and not (self.verdict.says_more and self._has_groups):
            parts.append(f"{self._whose}, {self.verdict.words}")
        elif self.polytopes is not None:
            form = summary(self.polytopes) if self.verdict is None else self.verdict.form
            parts.append(f"{self._whose}, at last {form}")
            told = [each for each in self.polytopes if each.rank]
            parts += [f"  {word_of(each)}: {name_features(each.features, self.labels)}" for each in told]
        if self.regimes:
            count = len(self.regimes)
            parts.append(f"{self._whose}, {count} regime{'' if count == 1 else 's'}")
            parts += [f"  {describe(regime, self.labels)}" for regime in self.regimes]
        return "\n".join([*parts, self._jump_lines()])

    @property
    def _has_groups(self) -> bool:
        """Whether there is more to tell of the features at last than that all of them are in no shape."""
        verdict = self.verdict
        return verdict is None or bool(verdict.shaped) or verdict.is_random or len(verdict.parts) > 1

    @property
    def _whose(self) -> str:
        which = self.which or ("" if self.instance is None else f"instance {self.instance}")
        return ", ".join(filter(None, (self.subject or self.parameter, which)))


def tell_all(recording: Recording) -> Story | EnsembleStory | None:
    """Return the story of a recording, or of its whole ensemble; None where it holds no features yet.

    How an ensemble ends is in its matrices; where these were not recorded, the story is that of the first member.
    """
    if not (recording.features and len(recording)):
        return None
    name, features = next(iter(recording.features.items()))
    is_ensemble = features["dimensionality"].ndim > 2
    return tell_ensemble(recording) if is_ensemble and name in recording.parameters else tell(recording)


def tell(recording: Recording, parameter: str | None = None, instance: int | None = None) -> Story:
    """Return the story of a recording: by default of the first parameter with features, and the first member.

    Raises RecordingError where there is nothing to tell, SettingError for a parameter or instance that is not there.
    """
    selection = select(recording, parameter, instance)
    loss, values = selection.told_loss()
    step = selection.step
    verdict = verdict_on(selection)
    told = told_jumps(selection, detect_jumps(selection.dimensionality, values, step), verdict)
    return Story(
        path=str(recording.path),
        parameter=selection.parameter,
        instance=selection.instance,
        loss=loss,
        polytopes=list(verdict.parts) if verdict is not None and len(verdict.D) <= _FEATURES else None,
        regimes=_regimes(selection, step, values, verdict),
        jumps=[each.jump for each in told],
        shapes=[each.shapes for each in told],
        diverged_at=selection.diverged_at,
        is_unknown=_is_unknown(selection),
        subject=selection.subject,
        labels=selection.labels,
        which=selection.which,
        verdict=verdict,
        against_chance=[each.against_chance for each in told],
    )


def _is_unknown(selection: Selection) -> bool:
    D = selection.dimensionality
    return bool(np.isnan(D[:1]).all()) and all(np.isnan(values).all() for _, values in pieces(D))


def _regimes(
    selection: Selection, step: np.ndarray, loss: np.ndarray | None, verdict: Verdict | None
) -> list[Regime] | None:
    rows = len(step)
    if not selection.has_weights or rows < _FEWEST_ROWS or selection.elements > _ELEMENTS:
        return None
    if verdict is not None and not verdict.says_more:
        return []
    # A loss that never was finite says nothing of the matrix.
    before = rows if selection.diverged_at is None else int(np.searchsorted(step, selection.diverged_at)) or rows
    if before < min(rows, _FEWEST_BEFORE):
        return None
    chosen = slice(0, before, max(1, before // _ROWS))
    W = selection.weights_at(chosen)
    known = np.isfinite(W).all(axis=(1, 2))
    if not known.all():
        chosen = slice(0, int(np.argmin(known)) * chosen.step, chosen.step)
        W = W[: int(np.argmin(known))]
    if len(W) < _FEWEST_ROWS:
        return None
    sets = selection.sets
    groups = None if sets is None else [np.flatnonzero(sets == k).tolist() for k in range(int(sets.max()) + 1)]
    return find_regimes(W, None if loss is None else loss[chosen], step[chosen], groups)


def plain(value: Any) -> Any:
    """Return *value* as JSON can hold it; None stands for a number that is not finite."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, np.ndarray | tuple | list):
        return [plain(each) for each in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not np.isfinite(value) else value
