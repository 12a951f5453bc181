"""What is exported of the result of a sweep."""

from pathlib import Path

import numpy as np
import pytest
import xarray

from dyn.dynamics.errors import SettingError
from dyn.recorders.export import export
from dyn.recorders.sweeps.paper import plan_sweep
from dyn.recorders.sweeps.run import run_sweep
from dyn.recorders.sweeps.sweep import Sweep

SMALL = ("n_features=3", "n_hidden=2", "batch_size=8", "steps=4", "every=2", "evaluation_size=16")


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trajectories at two densities by three optimizers, one of them a text."""
    plan = plan_sweep("energy-levels", ["density=0.5,1", "optimizer=adam,sgd"], SMALL, repeat=2, recorded=True)
    return run_sweep(plan, tmp_path_factory.mktemp("sweep") / "sweep.h5", workers=1).path


def test_arrays_and_coordinates_are_read_back_bit_by_bit(swept, tmp_path):
    with np.load(export(swept, tmp_path / "sweep.npz")) as found, Sweep(swept) as sweep:
        assert found["optimizer"].tolist() == ["adam", "sgd"]
        assert found["density"].tolist() == [0.5, 1.0]
        assert found["step"].tolist() == [0, 2, 4]
        for name in sweep.names:
            np.testing.assert_array_equal(found[name], sweep[name])


@pytest.mark.parametrize(("suffix", "engine"), [(".nc", "netcdf4"), (".zarr", "zarr")])
def test_xarray_finds_in_it_what_it_finds_in_the_sweep(swept, tmp_path, suffix, engine):
    made = export(swept, tmp_path / f"sweep{suffix}", select=["W", "expected_loss"])
    with xarray.open_dataset(made, engine=engine) as found, xarray.open_dataset(swept, engine="h5netcdf") as expected:
        assert set(found.data_vars) == {"W", "expected_loss"}
        assert found.W.dims == ("density", "optimizer", "repeat", "step", "hidden", "feature")
        xarray.testing.assert_equal(found, expected[["W", "expected_loss"]])


def test_a_row_of_the_table_is_a_model_at_a_step(swept, tmp_path):
    header, *lines = export(swept, tmp_path / "sweep.csv").read_text().splitlines()
    names = header.split(",")
    assert names[:4] == ["density", "optimizer", "repeat", "step"]
    assert {"W.0.0", "W.1.2", "b.2", "expected_loss"} < set(names)
    with Sweep(swept) as sweep:
        loss, W = sweep["expected_loss"], sweep["W"]
    indices = list(np.ndindex(2, 2, 2, 3))
    assert len(lines) == len(indices)
    for line, (i, j, k, row) in zip(lines, indices, strict=True):
        cells = dict(zip(names, line.split(","), strict=True))
        assert (cells["density"], cells["optimizer"]) == (["0.5", "1.0"][i], ["adam", "sgd"][j])
        assert (cells["repeat"], cells["step"]) == (str(k), str(2 * row))
        assert loss.dtype.type(cells["expected_loss"]) == loss[i, j, k, row]
        assert np.float32(cells["W.1.2"]) == W[i, j, k, row, 1, 2]


def test_the_table_may_be_read_in_pieces(swept, tmp_path, monkeypatch):
    whole = export(swept, tmp_path / "whole.csv").read_bytes()
    monkeypatch.setattr("dyn.recorders.export.csv_file._BATCH_BYTES", 200)
    assert export(swept, tmp_path / "pieces.csv").read_bytes() == whole


def test_what_a_sweep_has_not_is_refused(swept, tmp_path):
    with pytest.raises(SettingError, match=r"every=2: .*sweep.h5 is the result of a sweep; choose arrays"):
        export(swept, tmp_path / "sweep.nc", every=2)
    with pytest.raises(SettingError, match=r"sweep.h5 is the result of a sweep, which has no time line; export nc"):
        export(swept, tmp_path / "sweep.rrd")
