"""Writing CSV: one table for a spreadsheet, R or pandas, with a column for each number of a row."""

import csv
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np

from .contents import Contents
from .table import Column, batches, columns

# Text takes several times the room of numbers.
_BATCH_BYTES = 2**19


def write(contents: Contents, path: Path) -> None:
    """Write a row for each step or model: its coordinates, then the elements of each array.

    An element is named by its indices, W.dimensionality.0, W.2.5. Numbers are the shortest texts that read back
    unchanged in their own precision; NaN, which also stands for what was not logged, is an empty cell.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([name for column in columns(contents) for name in _names(column)])
        for batch in batches(contents, _BATCH_BYTES):
            writer.writerows(zip(*(cells for values in batch for cells in _cells(values)), strict=True))


def _names(column: Column) -> list[str]:
    indices = product(*map(range, column.shape))
    return [".".join([column.name, *map(str, index)]) for index in indices]


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
