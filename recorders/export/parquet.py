"""Writing Parquet: one table with a column for each array."""

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .contents import Contents
from .table import Column, batches, columns

# One group of rows, which is also what a reader has to hold.
_BATCH_BYTES = 2**25


def write(contents: Contents, path: Path) -> None:
    """Write a row for each step or model. An array with further axes is a list of fixed size, in C order.

    The metadata of such a column give its shape and axes, and the user's own names of features where there are any;
    those of the table the attributes.
    """
    notes = {"attributes": json.dumps(dict(contents.attributes))}
    schema = pa.schema([_field(column) for column in columns(contents)], notes)
    with pq.ParquetWriter(path, schema, use_dictionary=False) as writer:
        for batch in batches(contents, _BATCH_BYTES):
            cells = [_cells(values, field) for values, field in zip(batch, schema, strict=True)]
            writer.write_batch(pa.record_batch(cells, schema=schema))


def _field(column: Column) -> pa.Field:
    dtype = pa.string() if column.array.dtype.kind == "U" else pa.from_numpy_dtype(column.array.dtype)
    if not column.shape:
        return pa.field(column.name, dtype, nullable=False)
    axes = column.array.axes[len(column.along) :]
    names = {"labels": str(text)} if (text := column.array.attributes.get("labels")) else {}
    notes = {"shape": json.dumps(column.shape), "axes": json.dumps(axes), **names}
    return pa.field(column.name, pa.list_(dtype, math.prod(column.shape)), nullable=False, metadata=notes)


def _cells(values: np.ndarray, field: pa.Field) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    if not pa.types.is_fixed_size_list(field.type):
        return flat
    return pa.FixedSizeListArray.from_arrays(flat, type=field.type)
