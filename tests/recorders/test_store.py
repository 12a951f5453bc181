"""The file, format version 1, read without the toolkit."""

import json
from datetime import datetime

import h5py
import numpy as np
import pytest
import torch
import xarray
from torch import nn

import dyn

BARE_DIMENSION = b"This is a netCDF dimension but not a netCDF variable."


@pytest.fixture
def file(regression, path, small_ring):
    """A closed recording with everything in it, the late scalars after the first rows were written."""
    probes = {"p": lambda model: model.weight.norm(dim=1)}
    with dyn.attach(regression.model, regression.optimizer, path, probes=probes, config={"seed": 3}) as recorder:
        for k in range(small_ring + 2):
            if k > small_ring:
                recorder.log(**{"train/loss": k, "accuracy": k / 10})
            regression.step(recorder)
    with h5py.File(path) as file:
        yield file


def test_attributes(file):
    attrs = dict(file.attrs)
    assert (attrs["format"], attrs["format_version"], attrs["status"]) == ("learning-dynamics", 1, "complete")
    assert datetime.fromisoformat(attrs["created"]).tzinfo is not None
    assert "learning-dynamics" in attrs["software"]
    assert json.loads(attrs["config"]) == {"seed": 3}


@pytest.mark.parametrize(
    ("name", "shape", "dtype"),
    [
        ("step", (7,), np.int64),
        ("time", (7,), np.float64),
        ("scalars/loss", (7,), np.float64),
        ("scalars/lr", (7,), np.float64),
        ("scalars/accuracy", (7,), np.float64),
        ("scalars/train/loss", (7,), np.float64),
        ("parameters/weight", (7, 4, 3), np.float32),
        ("parameters/bias", (7, 4), np.float32),
        ("features/weight/dimensionality", (7, 3), np.float32),
        ("features/weight/norm", (7, 3), np.float32),
        ("features/weight/interference", (7, 3), np.float32),
        ("probes/p", (7, 4), np.float32),
    ],
)
def test_datasets(file, name, shape, dtype):
    assert (file[name].shape, file[name].dtype) == (shape, dtype)
    assert file[name].maxshape == (None, *shape[1:])
    # Part-filled compressed chunks are written again at every flush, which bloats a live file.
    assert file[name].compression is None
    assert (name == "step") == file[name].is_scale
    if name != "step":
        assert file[name].dims[0][0].name == "/step"


def test_committed_counts_the_rows(file):
    assert (file["committed"].dtype, file["committed"].shape, file["committed"][0]) == (np.int64, (1,), 7)


def test_a_scalar_that_came_late_is_nan_before(file):
    np.testing.assert_array_equal(file["scalars/train/loss"], [np.nan] * 5 + [5, np.nan])
    np.testing.assert_array_equal(file["scalars/accuracy"], [np.nan] * 5 + [0.5, np.nan])


def test_every_axis_has_a_scale_of_its_size(file):
    def check(name, node):
        if isinstance(node, h5py.Dataset) and not node.is_scale:
            for dimension, size in zip(node.dims, node.shape, strict=True):
                assert len(dimension) == 1, name
                assert dimension[0].shape == (size,)

    file.visititems(check)
    assert [scale[0].name for scale in file["parameters/weight"].dims] == ["/step", "/weight.hidden", "/weight.feature"]
    assert file["weight.hidden"].attrs["NAME"] == BARE_DIMENSION + b"%10d" % 4


def test_xarray_shows_named_dimensions(path, regression):
    probes = {"bias": lambda _: np.zeros(7), "weight.feature": lambda _: np.zeros((2, 5))}
    with dyn.attach(regression.model, regression.optimizer, path, probes=probes) as recorder:
        regression.train(3, recorder)
    with xarray.open_datatree(path, engine="h5netcdf") as tree:
        weight = tree["parameters/weight"]
        assert (weight.dims, weight.shape) == (("step", "weight.hidden", "weight.feature"), (4, 4, 3))
        assert tree["features/weight/norm"].dims == ("step", "weight.feature")
        np.testing.assert_array_equal(tree["step"], range(4))
        np.testing.assert_array_equal(tree["scalars/loss"].sel(step=[0, 1, 2]), regression.losses)
        # A probe may have the name of a parameter, and another size.
        assert tree["probes/bias"].shape == (4, 7)
        assert tree["probes/weight.feature"].shape == (4, 2, 5)
        assert tree["parameters/bias"].shape == (4, 4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64, torch.bfloat16, torch.complex64])
def test_parameters_keep_their_dtype(path, dtype):
    model = nn.Linear(3, 4, dtype=dtype)
    dyn.attach(model, torch.optim.SGD(model.parameters()), path).close()
    stored = torch.float32 if dtype == torch.bfloat16 else dtype
    with h5py.File(path) as file:
        found = torch.from_numpy(file["parameters/weight"][0])
        assert found.dtype == stored
        assert torch.equal(found, model.weight.detach().to(stored))


@pytest.mark.usefixtures("small_ring")
def test_a_file_that_was_live_is_closed_for_good(path, regression):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(10, recorder)
    with h5py.File(path, "r+") as file:
        file.attrs["note"] = "no consistency flag is left"


@pytest.mark.usefixtures("small_ring")
def test_a_long_recording_is_no_larger_than_its_rows(path, regression):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(3000, recorder)
        per_row = recorder.bytes_per_row
    # Besides the rows, the last chunk of each array and the file's own structure.
    assert 3001 * per_row <= path.stat().st_size <= 2 * 3001 * per_row
