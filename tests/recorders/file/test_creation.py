"""The file, format version 1, read without the toolkit; and how it is made."""

import json
from datetime import datetime
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
import torch
import xarray
from torch import nn

import dyn
from dyn.dynamics.errors import OutputExistsError, RecordingError
from dyn.recorders.compact import compact
from dyn.recorders.file.creation import create_file
from dyn.recorders.file.hdf5 import array_paths
from dyn.recorders.ring.channels import Channel, array_channel
from dyn.recorders.ring.paths import check_path, ring_path

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
    assert (attrs["final_row"], attrs["waited"], attrs["skipped_rows"]) == (1, 0, 0)


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


def test_arrays_are_found_in_the_order_in_which_they_were_made(file):
    features = [f"features/weight/{quantity}" for quantity in ("dimensionality", "norm", "interference")]
    scalars = [f"scalars/{name}" for name in ("loss", "lr", "train/loss", "accuracy")]
    expected = ["step", "time", *scalars, "parameters/weight", "parameters/bias", *features, "probes/p"]
    assert array_paths(file) == expected


def test_every_axis_has_a_scale_of_its_size(file):
    def check(name, node):
        if isinstance(node, h5py.Dataset) and not node.is_scale:
            for dimension, size in zip(node.dims, node.shape, strict=True):
                assert len(dimension) == 1, name
                assert dimension[0].shape == (size,)

    file.visititems(check)
    assert [scale[0].name for scale in file["parameters/weight"].dims] == ["/step", "/weight.hidden", "/weight.feature"]
    assert file["weight.hidden"].attrs["NAME"] == BARE_DIMENSION + b"%10d" % 4


def numbers_of_scales(path: Path) -> dict[str, int]:
    with h5py.File(path) as file:
        scales = [node for node in file.values() if isinstance(node, h5py.Dataset) and node.is_scale]
        assert all(scale.attrs["_Netcdf4Dimid"].dtype == np.int32 for scale in scales)
        return {scale.name: int(scale.attrs["_Netcdf4Dimid"]) for scale in scales}


def test_scales_are_numbered_in_the_way_of_netcdf_those_of_late_arrays_too(path, regression):
    with dyn.attach(regression.model, regression.optimizer, path, probes={"p": lambda _: np.zeros((2, 5))}) as recorder:
        recorder.derive(lambda rows: {"late": rows["weight"][:, :2, :2]})
        regression.train(3, recorder)
    numbers = numbers_of_scales(path)
    assert numbers["/step"] == 0
    assert sorted(numbers.values()) == list(range(len(numbers)))
    assert {"/row_count", "/weight.hidden", "/probes.p.axis0", "/probes.late.axis1"} < numbers.keys()
    compact(path, path.with_name("compact.h5"))
    assert numbers_of_scales(path.with_name("compact.h5")) == numbers


def test_the_netcdf_library_reads_every_array(path, regression):
    with dyn.attach(regression.model.half().float(), regression.optimizer, path) as recorder:
        regression.train(3, recorder)
    with netCDF4.Dataset(path) as read, dyn.open(path) as recording:
        assert read["parameters/weight"].dimensions == ("step", "weight.hidden", "weight.feature")
        np.testing.assert_array_equal(read["parameters/weight"][:], recording.parameters["weight"][:])
        np.testing.assert_array_equal(read["step"][:], range(4))
        assert next(iter(read.dimensions.values())).size == 4


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
    stored = torch.float32 if dtype.itemsize == 2 else dtype
    with h5py.File(path) as file:
        found = torch.from_numpy(file["parameters/weight"][0])
        assert found.dtype == stored
        assert torch.equal(found, model.weight.detach().to(stored))


def make(path: Path, channels: list[Channel], **options) -> None:
    create_file(path, channels, ["loss"], config="{}", token="abc", **options)


def probes(count: int, size: int) -> list[Channel]:
    return [array_channel("probes", f"p{k}", np.zeros(size)) for k in range(count)]


def test_a_new_file_has_no_rows_and_what_it_is_given(path):
    make(path, probes(2, 3), attributes={"rank": 1})
    with h5py.File(path) as file:
        assert {name: file[name].shape for name in array_paths(file)} == {
            "step": (0,),
            "time": (0,),
            "scalars/loss": (0,),
            "probes/p0": (0, 3),
            "probes/p1": (0, 3),
        }
        assert (file["committed"][0], file.attrs["status"], file.attrs["token"]) == (0, "recording", "abc")
        assert file.attrs["rank"] == 1
        assert (file["committed"].dtype, file["committed"].shape) == (np.int64, (1,))
    assert list(path.parent.iterdir()) == [path]


# A row of a thousand doubles: 2**17 bytes are sixteen of them; a thousand such arrays share 2**24 bytes.
@pytest.mark.parametrize(("count", "size", "rows"), [(1, 1000, 16), (1, 1, 1024), (1, 100_000, 1), (1000, 1000, 2)])
def test_chunks_are_as_large_as_a_read_is_worth(path, count, size, rows):
    make(path, probes(count, size))
    with h5py.File(path) as file:
        assert file["probes/p0"].chunks == (rows, size)


def test_an_array_without_elements_can_be_stored(path):
    make(path, [array_channel("probes", "empty", np.zeros((0, 3)))])
    with h5py.File(path) as file:
        assert file["probes/empty"].shape == (0, 0, 3)


def test_a_file_is_replaced_whole_or_not_at_all(recorded, monkeypatch):
    before = recorded.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("dyn.recorders.file.creation.add_scalar", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            make(recorded, [])
    assert recorded.read_bytes() == before
    assert list(recorded.parent.iterdir()) == [recorded]
    # The journal of the file that was there is not one of its successor.
    journal = recorded.with_name("run.h5.journal")
    journal.write_bytes(b"unfinished")
    make(recorded, [])
    assert list(recorded.parent.iterdir()) == [recorded]


def test_a_disk_that_takes_no_file_is_told_of(path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dyn.recorders.file.creation.h5py.File", refuse)
    with pytest.raises(RecordingError, match=r"run.h5 cannot be created: No space left on device"):
        make(path, [])


def test_where_no_file_can_be_put(path, tmp_path, regression):
    check_path(path, overwrite=False)
    with pytest.raises(OutputExistsError, match="is a directory; name a file"):
        check_path(tmp_path, overwrite=True)
    with pytest.raises(RecordingError, match="is no directory"):
        check_path(tmp_path / "missing" / "run.h5", overwrite=True)
    path.write_text("precious")
    with pytest.raises(OutputExistsError, match="exists already"):
        check_path(path, overwrite=False)
    check_path(path, overwrite=True)
    with (
        dyn.attach(regression.model, regression.optimizer, path, overwrite=True),
        pytest.raises(OutputExistsError, match="being recorded at this moment"),
    ):
        check_path(path, overwrite=True)
    # A ring that nobody holds is no obstacle.
    ring_path(path).write_bytes(b"left")
    check_path(path, overwrite=True)
