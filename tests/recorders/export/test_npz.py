"""npz, as np.load reads it."""

import json

import numpy as np

from dyn.recorders.export import export


def test_every_array_is_read_back_bit_by_bit(rich, tmp_path, arrays_of):
    expected = arrays_of(rich)
    with np.load(export(rich, tmp_path / "run.npz")) as found:
        assert found.files == [*expected, "attributes"]
        for path, values in expected.items():
            assert found[path].dtype == values.dtype
            np.testing.assert_array_equal(found[path], values)
        notes = json.loads(str(found["attributes"]))
    assert notes[""]["source"] == "run.h5"
    assert notes["parameters/enc.0.weight"] == {"features": "columns"}


def test_arrays_are_written_in_blocks(rich, tmp_path, arrays_of, monkeypatch):
    # One number, and some rows, at a time.
    for size in (4, 100):
        monkeypatch.setattr("dyn.recorders.export.npz._BLOCK_BYTES", size)
        with np.load(export(rich, tmp_path / f"{size}.npz")) as found:
            for path, values in arrays_of(rich).items():
                np.testing.assert_array_equal(found[path], values)
