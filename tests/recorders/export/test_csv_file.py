"""CSV, as a reader without our help understands it."""

import csv
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import dyn
from dyn.recorders.export import export


def read(path: Path) -> dict[str, tuple[str, ...]]:
    with path.open(newline="") as file:
        names, *rows = csv.reader(file)
    assert len(set(names)) == len(names)
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return dict(zip(names, columns, strict=True))


def numbers(column: tuple[str, ...], dtype: np.dtype) -> np.ndarray:
    return np.array([float(cell or "nan") for cell in column]).astype(dtype)


def test_scalars_and_dimensionality_are_columns_and_read_back_bit_by_bit(rich, tmp_path, arrays_of):
    found = read(export(rich, tmp_path / "run.csv"))
    arrays = arrays_of(rich)
    assert list(found)[:4] == ["step", "time", "loss", "train.loss.x"]
    assert list(found)[4:9] == [f"enc.0.weight.dimensionality.{k}" for k in range(5)]
    assert len(found) == 4 + 5 + 2 * 4 + 4
    assert [int(cell) for cell in found["step"]] == arrays["step"].tolist()
    np.testing.assert_array_equal(numbers(found["time"], np.float64), arrays["time"])
    np.testing.assert_array_equal(numbers(found["loss"], np.float64), arrays["scalars/loss"])
    assert found["loss"][2] == ""
    assert found["loss"][5:7] == ("Inf", "-Inf")
    D = arrays["features/many/dimensionality"]
    for k, i in np.ndindex(2, 4):
        np.testing.assert_array_equal(numbers(found[f"many.dimensionality.{k}.{i}"], D.dtype), D[:, k, i])


def test_whatever_is_selected_has_a_column_for_each_number(rich, tmp_path, arrays_of):
    with pytest.warns(UserWarning, match=r"run\.csv has no column for what has no elements: parameters/none$"):
        found = read(export(rich, tmp_path / "run.csv", select=["*"]))
    arrays = arrays_of(rich)
    assert len(found) == sum(values[0].size * (2 if values.dtype.kind == "c" else 1) for values in arrays.values())
    # Called alike, a scalar and a probe bear their groups.
    np.testing.assert_array_equal(numbers(found["scalars.loss"], np.float64), arrays["scalars/loss"])
    assert found["probes.loss"] == tuple(map(str, range(9)))
    assert set(found["dead.0"]) <= {"True", "False"}
    half, wave = arrays["parameters/half"], arrays["parameters/wave"]
    np.testing.assert_array_equal(numbers(found["half.1"], half.dtype), half[:, 1])
    np.testing.assert_array_equal(numbers(found["wave.imag.1"], wave.imag.dtype), wave[:, 1].imag)
    weight = arrays["parameters/enc.0.weight"]
    np.testing.assert_array_equal(numbers(found["enc.0.weight.2.4"], weight.dtype), weight[:, 2, 4])


def test_an_empty_recording_is_a_line_of_names(make, path, tmp_path):
    make(path, {"W": np.empty((0, 2, 3))}, {}, {"loss": np.empty(0)})
    assert export(path, tmp_path / "run.csv").read_text() == "step,time,loss\n"


def test_features_have_the_users_own_names_where_these_tell_them_apart(tmp_path):
    model = nn.ModuleDict({"a": nn.Embedding(3, 2), "b": nn.Linear(2, 3), "c": nn.Linear(2, 3)})
    labels = {"a.weight": ["cat", "a, b", "0"], "b.weight": ["x", "x"], "c.weight": ["up", "down"]}
    with dyn.attach(model, None, tmp_path / "run.h5", labels=labels) as recorder:
        recorder.step(loss=1.0)
    names = list(read(export(tmp_path / "run.h5", tmp_path / "run.csv")))
    assert [name for name in names if name.startswith("a.weight.d")] == [
        f"a.weight.dimensionality.{label}" for label in labels["a.weight"]
    ]
    assert [name for name in names if name.startswith("b.weight.d")] == [
        f"b.weight.dimensionality.{k}" for k in range(2)
    ]
    names = list(read(export(tmp_path / "run.h5", tmp_path / "all.csv", select=["parameters/*.weight"])))
    assert names[2:4] == ["a.weight.cat.0", "a.weight.cat.1"]
    assert names[-6:-4] == ["c.weight.0.up", "c.weight.0.down"]
