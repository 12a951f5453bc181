"""Who paid, in words: one line for a change of the loss."""

from collections.abc import Sequence

from ..feature_names import name_features
from .allocation import Allocation

# Who has a smaller share of the change is not named, and of more who have one the largest are.
_LEAST, _MOST_NAMED = 0.1, 3
# Smaller numbers would lose their digits behind the fourth.
_FINE = 0.001


def who_paid(allocation: Allocation, others: Sequence[str] = (), labels: Sequence[str] | None = None) -> str:
    """Return whose motion brought a change of the loss, and who worked against it.

    Such as "feature 13 brought 0.0211 of the drop of 0.0293, b 0.0044, every other feature at most 0.0008". *others*
    are the parameters without features that may be named; *labels* are the names of all features, which have numbers
    otherwise.
    """
    change = "drop" if allocation.total < 0 else "rise"
    towards = -1 if allocation.total < 0 else 1
    least = _LEAST * abs(allocation.total)
    ranked = sorted(allocation.by_feature.items(), key=lambda item: -abs(item[1]))
    named = [(feature, towards * share) for feature, share in ranked if abs(share) >= least][:_MOST_NAMED]
    payers, takers = ([item for item in named if (item[1] > 0) is pays] for pays in (True, False))
    whole = f"of the {change} of {_number(abs(allocation.total))}"
    told = [_told(feature, share, labels) for feature, share in payers]
    parts = [", ".join([f"{told[0]} {whole}", *told[1:]])] if told else [f"no feature brought a tenth {whole}"]
    for name in others:
        if abs(share := towards * allocation.by_parameter[name]) >= least:
            parts.append(f"{name} {_number(share)}" if share > 0 else f"{name} took {_number(-share)} back")
    parts += [f"{name_features([feature], labels)} took {_number(-share)} back" for feature, share in takers]
    if len(rest := ranked[len(named) :]):
        parts.append(f"every {'other ' if named else ''}feature at most {_number(abs(rest[0][1]))}")
    return ", ".join(parts)


def _told(feature: int, share: float, labels: Sequence[str] | None) -> str:
    return f"{name_features([feature], labels)} brought {_number(share)}"


def _number(value: float) -> str:
    """Return four digits behind the point where those say enough, and two or three otherwise."""
    return f"{value:.4f}" if _FINE <= value < 1 else f"{value:.{3 if value >= 1 else 2}g}"
