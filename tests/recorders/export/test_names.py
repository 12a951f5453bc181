"""Names: whatever arrays are called, each format has all of them, with their own values, under names of their own."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import xarray

from dyn.recorders.export import export

A, B, C = (np.arange(3) + 10.0 * k for k in range(3))
LIST = np.stack([C, C + 1, C + 2], axis=1)


@pytest.mark.parametrize(
    ("scalars", "probes", "names"),
    [
        ({"a/b": A}, {"c": B}, ["a.b", "c"]),
        ({"a": A}, {"a": B}, ["scalars.a", "probes.a"]),
        ({"a/b": A}, {"a.b": B}, ["scalars.a.b", "probes.a.b"]),
        ({"a/b": A, "a.b": B}, {"c": C}, ["scalars/a/b", "scalars/a.b", "c"]),
        ({"x": A}, {"p/q": B, "p.q": C}, ["x", "probes/p/q", "probes/p.q"]),
        ({"a": A}, {"a": B, "scalars.a": C}, ["scalars/a", "probes.a", "probes/scalars.a"]),
        ({"step": A, "time": B}, {"time": C}, ["step_", "scalars.time", "probes.time"]),
        # As an element of another array.
        ({"a.0": A}, {"a": LIST}, ["scalars.a.0", "probes.a"]),
        ({"a.x": A}, {"a": LIST}, ["a.x", "a"]),
        ({"x": A}, {"a": LIST, "a.0": B}, ["x", "probes/a", "probes/a.0_"]),
        ({"x": A}, {"a": LIST, "a.0": B, "a.0_": C}, ["x", "probes/a", "probes/a.0_", "a.0_"]),
        ({"a.1": A}, {"a.1.0": B, "a": LIST[:, :, None]}, ["a.1", "probes/a.1.0_", "probes/a"]),
    ],
)
def test_no_two_columns_are_called_alike(make, path, tmp_path, scalars, probes, names):
    make(path, {}, probes, scalars)
    table, cells = exported_tables(path, tmp_path)
    assert table.column_names == ["step", "time", *names]
    for name, values in zip(names, [*scalars.values(), *probes.values()], strict=True):
        found = np.array(table[name].to_pylist())
        np.testing.assert_array_equal(found, values.reshape(found.shape))
        for index in np.ndindex(values.shape[1:]):
            column = cells[".".join([name, *map(str, index)])]
            np.testing.assert_array_equal(column, values[(slice(None), *index)])


def exported_tables(path: Path, folder: Path) -> tuple[Any, dict[str, np.ndarray]]:
    """Return the Parquet table and the columns of the CSV."""
    made, parquet = (export(path, folder / f"run{suffix}", select=["*"]) for suffix in (".csv", ".parquet"))
    with made.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert len(set(header)) == len(header)
    return pq.read_table(parquet), dict(zip(header, np.array(rows, float).T, strict=True))


TREES = [(".nc", "netcdf4"), (".nc", "h5netcdf"), (".zarr", "zarr")]


@pytest.mark.parametrize(("suffix", "engine"), TREES)
def test_xarray_opens_what_has_an_array_or_a_group_called_step(make, path, tmp_path, suffix, engine):
    W = np.random.default_rng(0).normal(size=(3, 2, 3))
    make(path, {"step": W}, {"step": B, "step_": C, "deep/step": A}, {"loss": A, "step": B, "time": C}, step="columns")
    with xarray.open_datatree(export(path, tmp_path / f"run{suffix}"), engine=engine) as tree:
        assert tree["step"].to_numpy().tolist() == [0, 3, 6]
        expected = {"parameters/step_": W, "probes/step__": B, "probes/step_": C, "probes/deep/step_": A}
        expected |= {"scalars/step_": B, "scalars/time": C}
        for name, values in expected.items():
            np.testing.assert_array_equal(tree[name], values)
        assert tree["features/step_/norm"].shape == (3, 3)


@pytest.mark.parametrize(("suffix", "engine"), TREES)
def test_a_group_called_step_may_hold_an_array_called_step(make, path, tmp_path, suffix, engine):
    make(path, {}, {"step/step": A, "step/other": B, "step_/step": C}, {"loss": A})
    with xarray.open_datatree(export(path, tmp_path / f"run{suffix}"), engine=engine) as tree:
        expected = {"probes/step__/step_": A, "probes/step__/other": B, "probes/step_/step_": C}
        for name, values in expected.items():
            np.testing.assert_array_equal(tree[name], values)


def test_an_array_called_step_is_selected_by_its_own_name(make, path, tmp_path):
    make(path, {}, {"step": B}, {"loss": A})
    with np.load(export(path, tmp_path / "run.npz", select=["probes/step"])) as found:
        assert found.files == ["step", "time", "probes/step_", "attributes"]
        np.testing.assert_array_equal(found["probes/step_"], B)


def test_the_parts_of_a_complex_array_leave_arrays_of_those_names_alone(make, path, tmp_path):
    x, own = (A + 1j * B)[:, None], np.stack([C, C], axis=1)
    make(path, {"x": x, "x.real": own, "y": x}, {}, {"loss": A})
    expected = {"x.real": own, "x.real_": x.real, "x.imag_": x.imag, "y.real": x.real, "y.imag": x.imag}
    for suffix, engine in TREES[:2]:
        with xarray.open_datatree(export(path, tmp_path / f"run{suffix}", overwrite=True), engine=engine) as tree:
            assert set(tree["parameters"].data_vars) == set(expected)
            for name, values in expected.items():
                np.testing.assert_array_equal(tree[f"parameters/{name}"], values)
    table, cells = exported_tables(path, tmp_path)
    assert set(table.column_names) == {"step", "time", "loss", *expected}
    for name, values in expected.items():
        np.testing.assert_array_equal(np.array(table[name].to_pylist()), values)
        np.testing.assert_array_equal(cells[f"{name}.0"], values[:, 0])
