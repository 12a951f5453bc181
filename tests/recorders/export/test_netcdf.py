"""netCDF-4, as the netCDF library and xarray read it."""

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray

from dyn.recorders.export import export


def read(path: Path) -> dict[str, np.ndarray]:
    """Return the variables of all groups, by path, as the netCDF library reads them."""

    def walk(group: Any, prefix: str) -> dict[str, np.ndarray]:
        found = {f"{prefix}{name}": variable[...] for name, variable in group.variables.items()}
        for name, below in group.groups.items():
            found |= walk(below, f"{prefix}{name}/")
        return found

    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        return walk(file, "")


def known_to_netcdf(path: str, values: np.ndarray) -> dict[str, np.ndarray]:
    if values.dtype.kind == "c":
        return {f"{path}.real": values.real, f"{path}.imag": values.imag}
    return {path: values.astype({"float16": np.float32, "bool": np.int8}.get(values.dtype.name, values.dtype))}


def test_every_array_is_read_back_bit_by_bit(rich, tmp_path, arrays_of):
    found = read(export(rich, tmp_path / "run.nc"))
    expected = {}
    for path, values in arrays_of(rich).items():
        expected |= known_to_netcdf(path, values)
    assert set(found) == set(expected)
    for path, values in expected.items():
        assert found[path].dtype == values.dtype
        np.testing.assert_array_equal(found[path], values)


@pytest.mark.parametrize("engine", ["netcdf4", "h5netcdf"])
def test_xarray_opens_it_with_names_of_axes_and_notes(rich, tmp_path, engine):
    tree = xarray.open_datatree(export(rich, tmp_path / "run.nc"), engine=engine)
    assert tree.attrs["source"] == "run.h5"
    assert tree.attrs["config"] == '{"lr": 0.1}'
    assert tree["parameters/enc.0.weight"].dims == ("step", *(f"parameters.enc.0.weight.axis{k}" for k in (0, 1)))
    assert tree["parameters/enc.0.weight"].attrs == {"features": "columns"}
    assert tree["parameters"].step.to_numpy().tolist() == list(range(0, 27, 3))
    assert tree["probes/dead"].dtype == np.bool_
    tree.close()


def test_it_is_for_xarray_what_the_recording_is(recorded, tmp_path):
    made = export(recorded, tmp_path / "run.nc")
    with xarray.open_datatree(made) as found, xarray.open_datatree(recorded, engine="h5netcdf") as expected:
        assert {node.path for node in found.subtree} == {node.path for node in expected.subtree}
        for node in expected.subtree:
            # How many rows are committed is for the readers of a file that is being written.
            kept = node.to_dataset(inherit=False).drop_vars("committed", errors="ignore")
            assert found[node.path].to_dataset(inherit=False).equals(kept)


def test_an_empty_recording_has_empty_variables(make, path, tmp_path):
    make(path, {"W": np.empty((0, 2, 3))}, {}, {"loss": np.empty(0)})
    found = read(export(path, tmp_path / "run.nc"))
    assert {name: values.shape for name, values in found.items()} == {
        "step": (0,),
        "time": (0,),
        "scalars/loss": (0,),
        "parameters/W": (0, 2, 3),
    }
