"""Zarr, as zarr and xarray read it."""

import numpy as np
import xarray
import zarr

from dyn.recorders.export import export


def test_every_array_is_read_back_bit_by_bit(rich, tmp_path, arrays_of):
    root = zarr.open_group(export(rich, tmp_path / "run.zarr"), mode="r")
    assert root.metadata.zarr_format == 3
    assert root.attrs["source"] == "run.h5"
    found = {name: each for name, each in root.members(max_depth=None) if isinstance(each, zarr.Array)}
    expected = arrays_of(rich)
    assert set(found) == set(expected)
    for path, values in expected.items():
        assert found[path].dtype == values.dtype
        np.testing.assert_array_equal(found[path][...], values)


def test_an_array_is_cut_into_chunks(rich, tmp_path, arrays_of, monkeypatch):
    monkeypatch.setattr("dyn.recorders.export.zarr_folder._CHUNK_BYTES", 130)
    root = zarr.open_group(export(rich, tmp_path / "run.zarr"), mode="r")
    # Of 60 bytes a row there are two in a chunk; of 128 bytes, one.
    assert root["parameters/enc.0.weight"].chunks == (2, 3, 5)
    assert root["parameters/many"].chunks == (1, 2, 2, 4)
    for path, values in arrays_of(rich).items():
        np.testing.assert_array_equal(root[path][...], values)


def test_xarray_opens_it_as_it_opens_netcdf(recorded, tmp_path):
    made, other = (export(recorded, tmp_path / name) for name in ("run.zarr", "run.nc"))
    with xarray.open_datatree(made, engine="zarr") as found, xarray.open_datatree(other) as expected:
        assert found.identical(expected)


def test_an_empty_recording_has_empty_arrays(make, path, tmp_path):
    make(path, {"W": np.empty((0, 2, 3))}, {}, {"loss": np.empty(0)})
    root = zarr.open_group(export(path, tmp_path / "run.zarr"), mode="r")
    assert (root["step"].shape, root["parameters/W"].shape) == ((0,), (0, 2, 3))
