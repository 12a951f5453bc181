"""Every matrix of a network, the most telling first: how far it went from its start, when, and what it became.

A matrix tells more than another if something is said of its features that chance would not say too, or if they jump
after a time of rest, and then the farther it has gone from its start, |W_T - W_0| / |W_0|. What never moved comes last.
A pass over all rows is not needed for that: it looks at about sixty of them, more densely at the beginning.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ...dynamics.chance.verdict import MISSING
from ...dynamics.feature_names import named
from ...dynamics.geometry import change_from, effective_rank, matrix_norm
from ...dynamics.jumps import Jump, detect_jumps
from ...dynamics.polytopes import summary
from ..reading.matching import matching
from ..reading.matrices import matrices_of, matrix_shape, rows_of, summarised_matrices
from ..reading.recording import Recording
from ..reading.selection import Selection, select
from ..reading.series import Series
from ..reading.summaries import Summaries
from ..text import ShownAsText
from .judging import told_jumps, verdict_on
from .story import plain

# The rows that are looked at: so many evenly spaced, and so many by their logarithm.
_EVENLY, _BY_LOGARITHM = 33, 32
# Ranks and norms that differ by less than this share are told as one number.
_ALIKE = 0.01
# So many heads are named with the shapes in them.
_MOST_FORMS = 3


@dataclass(frozen=True)
class Beyond:
    """What is said of the features of a matrix that is beyond chance: jumps after a rest, and the shapes they form.

    median and at_random are the medians of D and of what it would be at random where these differ beyond chance, else
    NaN; of most matrices that were trained they do, so that it says little. They are those of the features that are
    represented: represented says how many, where some are not, or in how many heads, where a pattern makes several
    matrices of the parameter. which has for each jump in which of these it is, such as "head 3", or nothing. labels are
    the user's own names of the features.
    """

    jumps: Sequence[Jump] = ()
    form: str = ""
    median: float = math.nan
    at_random: float = math.nan
    represented: str = ""
    which: Sequence[str] = ()
    labels: tuple[str, ...] | None = None

    @property
    def says_more(self) -> bool:
        """Whether there is more to say than of most matrices."""
        return bool(self.jumps or self.form)

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            **plain({"form": self.form or None, "D": self.median, "at_random": self.at_random}),
            "jumps": [self._jump_dict(*each) for each in self._of_which],
        }

    @property
    def _of_which(self) -> list[tuple[Jump, str]]:
        return [(jump, self.which[k] if k < len(self.which) else "") for k, jump in enumerate(self.jumps)]

    def _jump_dict(self, jump: Jump, which: str) -> dict[str, Any]:
        labels = {} if self.labels is None else {"labels": [self.labels[k] for k in jump.features]}
        return plain(asdict(jump)) | labels | ({"which": which} if which else {})

    @property
    def words(self) -> list[str]:
        """What is said, in parts of a sentence."""
        told = [self.form] if self.form else []
        if math.isfinite(self.median):
            told.append(f"median D{self.represented} {self.median:.2f}, at random {self.at_random:.2f}")
        return [*told, self._largest_jump] if self.jumps else told

    @property
    def _largest_jump(self) -> str:
        jump, which = max(self._of_which, key=lambda each: float(_sizes(each[0]).max()))
        k = int(_sizes(jump).argmax())
        who = f"feature {named([jump.features[k]], self.labels)[0]}{f' of {which}' if which else ''}"
        count = "a jump" if len(self.jumps) == 1 else f"{len(self.jumps)} jumps, the largest"
        where = f"at steps {jump.start:.0f}-{jump.end:.0f}"
        return f"{count} {where} ({who}: D {jump.before[k]:.2f} → {jump.after[k]:.2f})"


@dataclass(frozen=True)
class RankedMatrix(ShownAsText):
    """How one matrix changed from the first row to the last that is finite.

    change is |W_T - W_0| / |W_0|, infinite where it was 0; half_by the first step, of those looked at, at which
    it was half as far from its start; norm and effective_rank are those at the two ends, of a matrix of which summaries
    were kept the first and the last that were measured. change_error is the standard error of what its sketch says.
    """

    parameter: str
    shape: tuple[int, ...]
    change: float
    half_by: int | None
    norm: tuple[float, float]
    effective_rank: tuple[float, float]
    beyond: Beyond = Beyond()
    change_error: float | None = None

    @property
    def key(self) -> tuple[bool, float]:
        """What says more has the greater key."""
        known = 0.0 if np.isnan(self.change) else self.change
        return self.beyond.says_more and known > 0, known

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; None stands for a number that is not finite."""
        known = {name: value for name, value in vars(self).items() if name != "beyond"}
        # What was kept whole has no error.
        if self.change_error is None:
            del known["change_error"]
        return plain(known) | self.beyond.as_dict()

    def __str__(self) -> str:
        m, n = self.shape[0], int(np.prod(self.shape[1:]))
        head = f"{self.parameter} ({' × '.join(map(str, self.shape))})"
        if not self.change > 0:
            return f"{head} {'is not finite at its start' if np.isnan(self.change) else 'did not move'}"
        rank = f"effective rank {_both(self.effective_rank, '{:.3g}')} of {min(m, n)}"
        return f"{head} {'; '.join([self._moved, rank, *self.beyond.words])}"

    @property
    def _moved(self) -> str:
        when = f", half of it by step {self.half_by}"
        if not np.isfinite(self.change):
            return f"grew from 0 to a norm of {self.norm[1]:.3g}{when}"
        about = "" if self.change_error is None else f" ± {_percent(self.change_error)}"
        return f"moved {_percent(self.change)}{about}{when}; norm {_both(self.norm, '{:.3g}')}"


@dataclass(frozen=True)
class Ranking(ShownAsText):
    """The matrices of a network, the most telling first; others is how many parameters are no matrices."""

    matrices: tuple[RankedMatrix, ...]
    others: int = 0

    def as_dict(self) -> list[dict[str, Any]]:
        """Return what JSON can hold, a document for each matrix."""
        return [each.as_dict() for each in self.matrices]

    def __str__(self) -> str:
        count = len(self.matrices)
        head = "1 matrix" if count == 1 else f"{count} matrices, the most telling first"
        lines = [f"{head}; moved is |W - W0| / |W0|", *(f"  {each}" for each in self.matrices)]
        if self.others:
            many = f"{self.others} parameters that are no matrices"
            lines.append(f"and {'1 parameter that is no matrix' if self.others == 1 else many}")
        return "\n".join(lines)


def rank_matrices(recording: Recording, pattern: str | None = None) -> Ranking:
    """Return the matrices of a network, or those that *pattern* matches, the most telling first.

    Raises SettingError where the pattern, a name or a glob, matches none.
    """
    series, summarised = matrices_of(recording), summarised_matrices(recording)
    names = [*series, *summarised] if pattern is None else matching("matrix", pattern, [*series, *summarised])
    rows = looked_at(_finite_rows(recording))
    step = recording.step[:]
    ranked = [
        _ranked(recording, name, series[name], rows, step)
        if name in series
        else _ranked_by_summary(recording.summaries, name, int(rows[-1]), step)
        for name in names
    ]
    all_of_them = len(recording.parameters) + recording.summaries.parameter_count
    others = all_of_them - len(series) - len(summarised) if pattern is None else 0
    # Of two that say as much the one that comes first in the network does.
    return Ranking(tuple(sorted(ranked, key=lambda each: each.key, reverse=True)), others)


def looked_at(rows: int) -> np.ndarray:
    """Return about sixty of so many rows, the first and the last among them, more densely at the beginning."""
    last = max(rows - 1, 0)
    by_logarithm = np.geomspace(1, max(last, 1), _BY_LOGARITHM)
    return np.unique(np.concatenate([np.linspace(0, last, _EVENLY), by_logarithm.clip(max=last)]).astype(int))


def _finite_rows(recording: Recording) -> int:
    """Return how many rows there are before the training diverged, at least one."""
    step = recording.diverged_at
    return len(recording) if step is None else max(1, int((recording.step[:] < step).sum()))


def _ranked(recording: Recording, name: str, series: Series, rows: np.ndarray, step: np.ndarray) -> RankedMatrix:
    start = series[0].reshape(matrix_shape(series))
    change = np.concatenate([change_from(start, values) for _, values in rows_of(series, rows)])
    ends = np.concatenate([values for _, values in rows_of(series, rows[[0, -1]])])
    moved = float(change[-1])
    # What is infinite has no half, and what grows from 0 is told by its norm.
    sizes = change
    if np.isinf(moved):
        sizes = np.concatenate([matrix_norm(values) for _, values in rows_of(series, rows)])
    half = rows[int(np.argmax(sizes >= sizes[-1] / 2))] if moved > 0 else None
    return RankedMatrix(
        parameter=name,
        shape=series.shape[1:],
        change=moved,
        half_by=None if half is None else int(step[half]),
        norm=_pair(matrix_norm(ends)),
        effective_rank=_pair(effective_rank(ends)),
        beyond=beyond_chance(recording, name) if moved > 0 else Beyond(),
    )


def _ranked_by_summary(summaries: Summaries, name: str, last: int, step: np.ndarray) -> RankedMatrix:
    kept = summaries[name]
    norms = np.asarray(kept["norm"][: last + 1], np.float64)
    distance = summaries.distances(name)
    far, error = distance.value[: last + 1], float(distance.error[last])
    with np.errstate(divide="ignore", invalid="ignore"):
        change = float(far[-1] / norms[0]) if far[-1] else 0.0
    ranks = kept["effective_rank"][: last + 1]
    known = ranks[np.isfinite(ranks)]
    return RankedMatrix(
        parameter=name,
        shape=summaries.shape_of(name),
        change=change,
        half_by=int(step[int(np.argmax(far >= far[-1] / 2))]) if change > 0 else None,
        norm=_pair(norms[[0, -1]]),
        effective_rank=_pair(known[[0, -1]] if known.size else np.full(2, np.nan)),
        change_error=error / norms[0] if norms[0] else np.nan,
    )


def beyond_chance(recording: Recording, name: str) -> Beyond:
    """Return what may be said of the features of a matrix, of all heads of one: which the verdict of chance decides."""
    if name not in recording.features or len(recording) < 2:
        return Beyond()
    shape = recording.features[name]["dimensionality"].shape
    if len(shape) == 2:
        return _beyond_of(select(recording, name))
    heads = [select(recording, name, k) for k in range(shape[1])]
    return _of_all(heads, [_beyond_of(each) for each in heads])


def _beyond_of(selection: Selection) -> Beyond:
    verdict = verdict_on(selection)
    _, loss = selection.told_loss()
    told = told_jumps(selection, detect_jumps(selection.dimensionality, loss, selection.step), verdict)
    jumps = [each.jump for each in told if _is_news(each.jump, float(selection.step[0]))]
    said = Beyond(jumps, which=[selection.which] * len(jumps), labels=selection.labels)
    if verdict is None:
        return said
    said = replace(said, form=summary(verdict.shaped) if verdict.shaped else "")
    if verdict.is_random:
        return said
    missing = sum(len(part.features) for part in verdict.parts if part.name == MISSING)
    few = f" of the {len(verdict.D) - missing} that are represented" if missing else ""
    return replace(said, median=verdict.median, at_random=verdict.at_random, represented=few)


def _of_all(heads: Sequence[Selection], said: Sequence[Beyond]) -> Beyond:
    """Return what is said of the heads of one parameter, together."""
    forms = [f"{head.which}: {each.form}" for head, each in zip(heads, said, strict=True) if each.form]
    if len(forms) > _MOST_FORMS:
        forms = [*forms[:_MOST_FORMS], f"shapes in {len(forms) - _MOST_FORMS} more"]
    jumps = [(jump, which) for each in said for jump, which in zip(each.jumps, each.which, strict=True)]
    known = [each for each in said if math.isfinite(each.median)]
    noun = heads[0].view.instances_are if heads[0].has_weights else "instance"
    return Beyond(
        jumps=[jump for jump, _ in jumps],
        form="; ".join(forms),
        median=float(np.median([each.median for each in known])) if known else math.nan,
        at_random=float(np.median([each.at_random for each in known])) if known else math.nan,
        represented=f" in {len(known)} of {len(heads)} {noun}s" if len(known) < len(heads) else "",
        which=[which for _, which in jumps],
        labels=heads[0].labels,
    )


def _sizes(jump: Jump) -> np.ndarray:
    return np.abs(jump.after - jump.before)


def _is_news(jump: Jump, first: float) -> bool:
    """Whether more time went by before a jump than it takes: what moves as training begins is its first fall."""
    return jump.start - first > jump.end - jump.start


def _pair(values: np.ndarray) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def _both(pair: tuple[float, float], form: str) -> str:
    """Return "3.1 → 8.4", or one number where they are alike."""
    first, last = pair
    if abs(last - first) <= _ALIKE * max(abs(first), abs(last)):
        return form.format(last)
    return f"{form.format(first)} → {form.format(last)}"


def _percent(share: float) -> str:
    """Return a share as a percentage, of two digits where it is small."""
    percent = 100 * share
    return f"{percent:,.0f} %" if percent >= 10 else f"{percent:.2g} %"
