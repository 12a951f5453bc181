"""Tables: every column has a name of its own."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from dyn.recorders.export import export

A, B, C = (np.arange(3) + 10.0 * k for k in range(3))


@pytest.mark.parametrize(
    ("scalars", "probes", "names"),
    [
        ({"a/b": A}, {"c": B}, ["a.b", "c"]),
        ({"a": A}, {"a": B}, ["scalars.a", "probes.a"]),
        ({"a/b": A}, {"a.b": B}, ["scalars.a.b", "probes.a.b"]),
        ({"a/b": A, "a.b": B}, {"c": C}, ["scalars/a/b", "scalars/a.b", "c"]),
        ({"x": A}, {"p/q": B, "p.q": C}, ["x", "probes/p/q", "probes/p.q"]),
        ({"a": A}, {"a": B, "scalars.a": C}, ["scalars/a", "probes.a", "probes/scalars.a"]),
    ],
)
def test_no_two_columns_are_called_alike(make, path, tmp_path, scalars, probes, names):
    make(path, {}, probes, scalars)
    csv, parquet = (export(path, tmp_path / f"run{suffix}", select=["*"]) for suffix in (".csv", ".parquet"))
    assert csv.read_text().splitlines()[0].split(",") == ["step", "time", *names]
    table = pq.read_table(parquet)
    assert table.column_names == ["step", "time", *names]
    for name, values in zip(names, [*scalars.values(), *probes.values()], strict=True):
        assert table[name].to_pylist() == values.tolist()
