"""What features are called: by their numbers, or by the names that the user gave them."""

from collections.abc import Sequence

# A name is cut behind so many letters, and behind so many names the others are counted.
_LETTERS, _MOST_NAMED = 24, 8
# What would be taken for the words around it, and what cannot be seen.
_PUNCTUATION = frozenset(",;:()'\"`")


def shown(label: str) -> str:
    """Return a name as it stands in a sentence: in quotes where it has blanks, marks or nothing that is seen."""
    is_plain = label and label.isprintable() and not _PUNCTUATION & set(label) and label == label.strip()
    text = label if is_plain else repr(label)
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"


def named(features: Sequence[int], labels: Sequence[str] | None = None) -> list[str]:
    """Return what each of the features is called in words: by its number, where there are no *labels*."""
    return [str(each) if labels is None else shown(labels[each]) for each in features]


def name_features(features: Sequence[int], labels: Sequence[str] | None = None) -> str:
    """Return ``feature 3`` or ``features 0-2, 7``: runs of three and more as a range.

    With *labels* (n,), the names of all features, it is ``features cat, dog``: the first eight, and how many more.
    """
    noun = f"feature{'s' * (len(features) > 1)}"
    if labels is not None:
        told = named(sorted(features), labels)
        more = [f"and {len(told) - _MOST_NAMED} more"] if len(told) > _MOST_NAMED else []
        return f"{noun} {', '.join([*told[:_MOST_NAMED], *more])}"
    runs: list[list[int]] = []
    for feature in sorted(features):
        if runs and feature == runs[-1][-1] + 1:
            runs[-1].append(feature)
        else:
            runs.append([feature])
    told = [f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return f"{noun} {', '.join(told)}"
