"""Writing CSV: one table for a spreadsheet, R or pandas, with a column for each number of a row."""

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from ..ring.matrices import MatrixView
from .contents import Contents
from .table import Column, batches, columns

# Text takes several times the room of numbers.
_BATCH_BYTES = 2**19


def write(contents: Contents, path: Path) -> None:
    """Write a row for each step or model: its coordinates, then the elements of each array.

    An element is named by its indices, W.dimensionality.0, W.2.5, and a feature by the user's own name of it where each
    has another one, W.dimensionality.cat. Numbers are the shortest texts that read back
    unchanged in their own precision; NaN, which also stands for what was not logged, is an empty cell.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_header(columns(contents)))
        for batch in batches(contents, _BATCH_BYTES):
            writer.writerows(zip(*(cells for values in batch for cells in _cells(values)), strict=True))


def _header(chosen: Sequence[Column]) -> list[str]:
    """Return the names of all elements, no two alike: a column whose own names would be has numbers."""
    names = [_names(column, _labels(column)) for column in chosen]
    while True:
        known = Counter(name for each in names for name in each)
        alike = [k for k, each in enumerate(names) if any(known[name] > 1 for name in each)]
        numbered = {k: _names(chosen[k], {}) for k in alike}
        if all(names[k] == each for k, each in numbered.items()):
            return [name for each in names for name in each]
        names = [numbered.get(k, each) for k, each in enumerate(names)]


def _names(column: Column, labels: Mapping[int, Sequence[str]]) -> list[str]:
    """Return the names of the elements of a column, with *labels* for the indices of some axes."""
    axes = [labels.get(axis, [str(index) for index in range(size)]) for axis, size in enumerate(column.shape)]
    return [".".join([column.name, *parts]) for parts in product(*axes)]


def _labels(column: Column) -> dict[int, list[str]]:
    """Return the user's own names of the features by the axis of a row that they lie along; of some patterns none."""
    attributes = column.array.attributes
    labels: list[str] = json.loads(str(attributes.get("labels", "[]")))
    view = MatrixView.of(attributes)
    is_derived = column.array.path.startswith("features/")
    axis = 0 if view.features == "rows" and not is_derived else len(column.shape) - 1
    is_named = (is_derived or not view.is_pattern) and column.shape and len(labels) == column.shape[axis]
    return {axis: labels} if is_named else {}


def _cells(values: np.ndarray) -> Sequence[Sequence[object]]:
    """Return the elements of the rows as texts, one list for each cell of a row."""
    flat = values.reshape(len(values), -1).T
    if values.dtype.kind != "f":
        return [row.tolist() for row in flat]
    texts = flat.astype(np.str_)
    # As R writes and reads it, which takes no other spelling; all others take this one too.
    for value, text in ((np.nan, ""), (np.inf, "Inf"), (-np.inf, "-Inf")):
        texts[np.isnan(flat) if text == "" else flat == value] = text
    return [row.tolist() for row in texts]
