"""A compact recording is the same recording: every value, name, attribute and dimension, in another order."""

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray

import dyn
from dyn.dynamics.errors import OutputExistsError
from dyn.recorders.file.creation import create_file
from dyn.recorders.file.store import Store
from dyn.recorders.rewriting.compact import compact
from dyn.recorders.rewriting.copying import arrays_of
from dyn.recorders.ring.channels import Block, Channel, array_channel, stored_channels
from dyn.recorders.ring.paths import ring_path

ROWS, F4 = 3000, np.dtype(np.float32)


def channels() -> list[Channel]:
    """What is recorded here: a matrix, an ensemble's features, and probes with one, two and no axes."""
    axes = ("layer.W.instance", "layer.W.hidden", "layer.W.feature")
    return [
        Channel("parameters", "layer.W", (3, 2, 5), F4, F4, axes, "columns", {"features": "columns"}),
        array_channel("probes", "empty", np.empty((0,))),
        array_channel("probes", "members", np.empty(4)),
        array_channel("probes", "grid", np.empty((4, 2), np.int32)),
        array_channel("probes", "wide", np.empty(40)),
    ]


def block(rows: range) -> Block:
    """Return rows whose values are known by their place; some are not numbers, of more than one kind."""
    steps = np.arange(rows.start, rows.stop)
    values = {
        each.path: np.arange(rows.start * size, rows.stop * size).reshape(len(steps), *each.shape).astype(each.dtype)
        for each in stored_channels(channels())
        for size in [int(np.prod(each.shape))]
    }
    values["parameters/layer.W"][::7] = np.nan
    values["features/layer.W/dimensionality"].view(np.uint32)[1::5] = 0x7FC00123
    scalars = {"loss": np.sqrt(steps), "late/one": np.where(steps < 9, np.nan, steps)}
    return Block(steps, steps / 4, scalars, values)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A finished recording long enough to be worth another order."""
    path = tmp_path / "many.h5"
    create_file(path, channels(), ["loss"], config='{"lr": 0.1}', token="t", attributes={"rank": 3})
    store = Store(path)
    for start in range(0, ROWS, 1000):
        store.append(block(range(start, min(start + 1000, ROWS))))
    store.close("complete", final_row=1, waited=0.5)
    return path


def contents(path: Path) -> dict[str, Any]:
    """Return all that is in a file but for its chunks: values bit by bit, attributes, dimensions, groups in order."""
    found: dict[str, Any] = {}
    with h5py.File(path) as file:

        def take(name: str, node: Any) -> None:
            own = ("DIMENSION_LIST", "REFERENCE_LIST")
            attributes = {key: (type(value), str(value)) for key, value in node.attrs.items() if key not in own}
            entry = [attributes, list(node) if isinstance(node, h5py.Group) else None]
            if isinstance(node, h5py.Dataset):
                scales = [[scale.name for scale in dimension.values()] for dimension in node.dims]
                entry += [node[()].tobytes(), node.shape, node.maxshape, node.dtype, str(node.fillvalue), scales]
            found[name] = entry

        take("/", file)
        file.visititems(take)
    found["/"][0].pop("compacted", None)
    return found


def chunks_of(path: Path) -> dict[str, tuple[int, ...] | None]:
    with dyn.open(path) as recording:
        return {name: series.chunks for name, series in arrays_of(recording).items()}


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd", "lz4"])
@pytest.mark.parametrize("in_place", [True, False])
def test_it_is_the_same_recording(many, tmp_path, compression, in_place):
    before, original = contents(many), many.read_bytes()
    output = None if in_place else tmp_path / "compact.h5"
    made = compact(many, output, compression=compression)
    assert made == (many if in_place else output)
    assert contents(made) == before
    assert in_place or many.read_bytes() == original
    assert {each.name for each in tmp_path.iterdir()} == {"many.h5", made.name}


def test_features_and_members_are_feature_major_and_matrices_are_not(many):
    compact(many)
    assert chunks_of(many) == {
        "step": (ROWS,),
        "time": (ROWS,),
        "scalars/loss": (ROWS,),
        "scalars/late/one": (ROWS,),
        "parameters/layer.W": (1024, 3, 2, 5),
        **{f"features/layer.W/{name}": (ROWS, 1, 1) for name in ("dimensionality", "norm", "interference")},
        "probes/empty": (1024, 1),
        "probes/members": (ROWS, 1),
        "probes/grid": (1024, 4, 2),
        "probes/wide": (ROWS, 1),
    }


def test_a_short_recording_stays_in_rows_with_chunks_to_go_on(recorded):
    before = contents(recorded)
    compact(recorded)
    assert contents(recorded) == before
    assert {rows for rows, *_ in chunks_of(recorded).values()} == {1024}


def test_pieces_of_any_size_make_the_same(many, tmp_path, monkeypatch):
    # Few rows and few elements at a time: chunks that are part filled, tiles of two axes.
    monkeypatch.setattr("dyn.recorders.rewriting.chunking._SLAB_BYTES", 400_000)
    monkeypatch.setattr("dyn.recorders.rewriting.chunking._HISTORY_BYTES", 4_400)
    monkeypatch.setattr("dyn.recorders.rewriting.copying._TURNED_BYTES", 5_000)
    before = contents(many)
    compact(many, tmp_path / "a.h5")
    assert chunks_of(tmp_path / "a.h5")["features/layer.W/dimensionality"] == (1000, 1, 1)
    assert contents(tmp_path / "a.h5") == before
    monkeypatch.undo()
    # And from one such order to another.
    compact(tmp_path / "a.h5", tmp_path / "b.h5")
    assert contents(tmp_path / "b.h5") == before


def test_xarray_reads_it(many):
    compact(many, compression="gzip")
    with xarray.open_datatree(many, engine="h5netcdf") as tree:
        D = tree["features/layer.W/dimensionality"]
        assert D.dims == ("step", "layer.W.instance", "layer.W.feature")
        expected = block(range(ROWS)).channels["features/layer.W/dimensionality"]
        np.testing.assert_array_equal(D.values, expected)


def test_what_is_compact_already_stays_as_it_is(many):
    compact(many)
    before = (many.stat().st_ino, many.stat().st_mtime_ns)
    compact(many)
    assert (many.stat().st_ino, many.stat().st_mtime_ns) == before
    compact(many, compression="gzip")
    assert many.stat().st_ino != before[0]


def test_a_link_stays_a_link_and_permissions_stay(many, tmp_path):
    many.chmod(0o640)
    link = tmp_path / "link.h5"
    link.symlink_to(many)
    compact(link)
    assert link.is_symlink()
    assert many.stat().st_mode & 0o777 == 0o640
    assert chunks_of(many)["probes/members"] == (ROWS, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["inline_late", "orphan", "full_ring", "both"])
@pytest.mark.parametrize("in_place", [True, False])
def test_rows_that_a_kill_left_in_the_ring_come_along(killed, as_truth, tmp_path, name, in_place):
    path, _ = killed(name)
    with dyn.open(path) as recording:
        expected, scalars = as_truth(recording), {key: series[:] for key, series in recording.scalars.items()}
    files = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    made = compact(path, None if in_place else tmp_path / "made.h5")
    with h5py.File(made) as file:
        np.testing.assert_array_equal(as_truth(file), expected)
        assert file.attrs["status"] == ("aborted" if name == "orphan" else "repaired")
        assert file["committed"][0] == len(expected)
        assert "final_row" in file.attrs
        assert {scale.name for scale in file["scalars/loss"].dims[0].values()} == {"/step"}
        for key, values in scalars.items():
            np.testing.assert_array_equal(file[f"scalars/{key}"], values)
    if in_place:
        assert [each.name for each in tmp_path.iterdir()] == [path.name]
    else:
        assert {each: (tmp_path / each).read_bytes() for each in files} == files


def test_an_existing_output_is_kept_unless_it_may_be_replaced(recorded, tmp_path):
    output = tmp_path / "taken.h5"
    output.write_text("precious")
    with pytest.raises(OutputExistsError, match="overwrite=True"):
        compact(recorded, output)
    assert output.read_text() == "precious"
    stale = ring_path(output)
    stale.write_text("of a recording that lay here")
    compact(recorded, output, overwrite=True)
    assert contents(output) == contents(recorded)
    assert not stale.exists()


def more_rows(path: Path, rows: range) -> None:
    store = Store(path)
    for start in range(rows.start, rows.stop, 700):
        store.append(block(range(start, min(start + 700, rows.stop))))
    store.close("complete")


def test_rows_are_added_to_feature_major_chunks(many, tmp_path):
    whole = tmp_path / "whole.h5"
    shutil.copyfile(many, whole)
    compact(many)
    # Into chunks that are part filled, and on into new ones.
    for path in (many, whole):
        more_rows(path, range(ROWS, 2 * ROWS + 100))
    with dyn.open(many) as found, dyn.open(whole) as expected:
        arrays = arrays_of(found)
        for name, series in arrays_of(expected).items():
            assert arrays[name][:].tobytes() == series[:].tobytes(), name
        assert found.features["layer.W"]["norm"].chunks == (ROWS, 1, 1)


def test_files_of_others_with_a_name_like_the_draft_stay(many, tmp_path):
    before, source = contents(many), many.rename(tmp_path / "y.h5.compact")
    made = compact(source, tmp_path / "y.h5")
    assert contents(source) == contents(made) == before
    compact(made, compression="gzip")
    assert {each.name for each in tmp_path.iterdir()} == {"y.h5", "y.h5.compact"}


def test_an_output_that_is_a_link_stays_one(many, tmp_path):
    (real := tmp_path / "real.h5").write_text("old")
    real.chmod(0o640)
    (link := tmp_path / "link.h5").symlink_to(real)
    assert compact(many, link, overwrite=True) == link
    assert link.is_symlink()
    assert contents(real) == contents(many)
    assert real.stat().st_mode & 0o777 == 0o640


def test_without_a_compression_it_stays_as_it_is(many, tmp_path):
    compact(many, compression="gzip")
    for made in (compact(many), compact(many, tmp_path / "other.h5")):
        with h5py.File(made) as file:
            assert file.attrs["compacted"] == "gzip"
            assert file["scalars/loss"].compression == "gzip"
    compact(many, compression="none")
    with h5py.File(many) as file:
        assert file["scalars/loss"].compression is None
