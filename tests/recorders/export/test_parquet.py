"""Parquet, as pyarrow reads it."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from dyn.recorders.export import export


def read(path: Path) -> dict[str, np.ndarray]:
    table, found = pq.read_table(path), {}
    for field in table.schema:
        column = table[field.name].combine_chunks()
        shape = json.loads(field.metadata[b"shape"]) if field.metadata else []
        flat = column.flatten() if shape else column
        found[field.name] = flat.to_numpy(zero_copy_only=False).reshape(table.num_rows, *shape)
    return found


# Lists without elements; see test_table.py.
pytestmark = pytest.mark.filterwarnings("ignore:.* has no column:UserWarning")


def test_every_array_is_a_column_and_is_read_back_bit_by_bit(rich, tmp_path, arrays_of):
    found = read(export(rich, tmp_path / "run.parquet"))
    expected = {}
    for path, values in arrays_of(rich).items():
        name = (path if path.endswith("s/loss") else path.partition("/")[2] or path).replace("/", ".")
        # Pyarrow has no lists without elements.
        if not values.size:
            continue
        if values.dtype.kind == "c":
            expected |= {f"{name}.real": values.real, f"{name}.imag": values.imag}
        else:
            expected[name] = values
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)


def test_notes_are_in_the_metadata(rich, tmp_path):
    schema = pq.read_schema(export(rich, tmp_path / "run.parquet"))
    assert json.loads(schema.metadata[b"attributes"])["source"] == "run.h5"
    assert json.loads(schema.field("emb.edding").metadata[b"axes"])[1] == "parameters.emb.edding.axis1"


def test_rows_come_in_groups(rich, tmp_path, arrays_of, monkeypatch):
    monkeypatch.setattr("dyn.recorders.export.parquet._BATCH_BYTES", 1500)
    path = export(rich, tmp_path / "run.parquet")
    assert pq.ParquetFile(path).num_row_groups > 1
    np.testing.assert_array_equal(read(path)["many"], arrays_of(rich)["parameters/many"])
    assert read(path)["step"].tolist() == list(range(0, 27, 3))


def test_an_empty_recording_is_a_table_without_rows(make, path, tmp_path):
    make(path, {"W": np.empty((0, 2, 3))}, {}, {"loss": np.empty(0)})
    found = read(export(path, tmp_path / "run.parquet"))
    assert (found["step"].shape, found["W"].shape) == ((0,), (0, 2, 3))
