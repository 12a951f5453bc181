"""A compact recording is the same recording: every value, name, attribute and dimension, in another order."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import dyn
from dyn.dynamics.errors import MissingExtraError, OutputExistsError, RecordingError, SettingError
from dyn.recorders import compact as module
from dyn.recorders.block import Block
from dyn.recorders.channels import Channel, array_channel, stored_channels
from dyn.recorders.compact import compact
from dyn.recorders.creation import create_file
from dyn.recorders.paths import ring_path
from dyn.recorders.rewriting import arrays_of
from dyn.recorders.store import Store

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
    monkeypatch.setattr("dyn.recorders.chunking._SLAB_BYTES", 400_000)
    monkeypatch.setattr("dyn.recorders.chunking._HISTORY_BYTES", 4_400)
    monkeypatch.setattr("dyn.recorders.rewriting._TURNED_BYTES", 5_000)
    before = contents(many)
    compact(many, tmp_path / "a.h5")
    assert chunks_of(tmp_path / "a.h5")["features/layer.W/dimensionality"] == (1000, 1, 1)
    assert contents(tmp_path / "a.h5") == before
    monkeypatch.undo()
    # And from one such order to another.
    compact(tmp_path / "a.h5", tmp_path / "b.h5")
    assert contents(tmp_path / "b.h5") == before


def test_xarray_reads_it(many):
    xarray = pytest.importorskip("xarray")
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


def test_a_recording_that_is_being_written_is_refused(regression, path, tmp_path):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(3, recorder)
        for output in (None, tmp_path / "made.h5"):
            with pytest.raises(RecordingError, match=r"run\.h5 is still being written; end the training first"):
                compact(path, output)
    assert len(dyn.open(path)) == 4


def foreign(path: Path) -> None:
    h5py.File(path, "w").close()


def of_a_sweep(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "learning-dynamics-sweep"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (foreign, "no recording"),
        (of_a_sweep, "result of a sweep and no recording"),
        (lambda path: path.write_text("step,loss"), "not an HDF5 file"),
        (lambda _: None, "does not exist"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path, make, message):
    make(tmp_path / "x.h5")
    before = [(each.name, each.read_bytes()) for each in tmp_path.iterdir()]
    with pytest.raises(RecordingError, match=message):
        compact(tmp_path / "x.h5")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == before


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


def test_a_disk_without_room_is_told_before_anything_is_written(many, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1_000_000))
    with pytest.raises(RecordingError, match=r"needs up to 2\.\d+ MB, .* has 1 MB free; make room, or name an output"):
        compact(many)


def no_space(*_: Any) -> None:
    raise OSError(28, "No space left on device")


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def changed_bits(series: Any, piece: Any, chunks: Any, *, read: Callable[..., Any] = module.read) -> np.ndarray:
    values = read(series, piece, chunks)
    return values + 1 if "compact" in str(series._source.path) and piece.path == "probes/members" else values


@pytest.mark.parametrize(
    ("name", "action", "error", "message"),
    [
        ("write", no_space, RecordingError, "cannot be written: No space left"),
        ("write", interrupt, KeyboardInterrupt, None),
        ("read", changed_bits, RecordingError, "probes/members does not read back as it was written"),
    ],
)
def test_whatever_fails_leaves_what_was_there(many, tmp_path, monkeypatch, name, action, error, message):
    before = many.read_bytes()
    monkeypatch.setattr(module, name, action)
    with pytest.raises(error, match=message):
        compact(many)
    assert many.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["many.h5"]


def test_a_recording_that_goes_on_meanwhile_is_not_replaced(many, monkeypatch):
    compare = module._compare

    def meanwhile(*arguments: Any) -> None:
        compare(*arguments)
        os.utime(many, (0, 0))

    monkeypatch.setattr(module, "_compare", meanwhile)
    with pytest.raises(RecordingError, match="was changed meanwhile"):
        compact(many)
    assert chunks_of(many)["probes/members"] != (ROWS, 1)


def test_an_unknown_compression_and_a_missing_extra_are_told(many, monkeypatch):
    with pytest.raises(SettingError, match="unknown compression 'gzpi'; did you mean gzip"):
        compact(many, compression="gzpi")
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    with pytest.raises(MissingExtraError, match=r"compression='zstd' needs the extra \[compression\]: pip install"):
        compact(many, compression="zstd")


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


@pytest.mark.usefixtures("small_ring")
def test_a_compact_recording_is_continued(make_regression, path, monkeypatch):
    # As if ten rows were worth another order.
    monkeypatch.setattr("dyn.recorders.chunking._LEAST_ROWS", 4)
    run = make_regression()
    with dyn.attach(run.model, run.optimizer, path) as recorder:
        run.train(10, recorder)
    compact(path)
    with dyn.attach(run.model, run.optimizer, path, resume=True) as recorder:
        run.train(5, recorder)
        with dyn.open(path) as live:
            # From the file, which is being written, and from the ring.
            assert live.features["weight"]["norm"].chunks == (11, 1)
            assert 11 < live.filed < len(live)
            np.testing.assert_allclose(
                live.features["weight"]["norm"], np.linalg.norm(live.parameters["weight"], axis=1), rtol=1e-6
            )
        run.train(15, recorder)
    with dyn.open(path) as recording:
        assert recording.step[:].tolist() == list(range(31))
        assert recording.scalars["loss"][:30].tolist() == pytest.approx(run.losses)
        W, norm = recording.parameters["weight"][:], recording.features["weight"]["norm"][:]
        np.testing.assert_allclose(norm, np.linalg.norm(W, axis=1), rtol=1e-6)
    compact(path)
    assert chunks_of(path)["features/weight/norm"] == (31, 1)


def test_a_compressed_recording_is_not_continued(make_regression, path):
    run = make_regression()
    with dyn.attach(run.model, run.optimizer, path) as recorder:
        run.train(3, recorder)
    compact(path, compression="gzip")
    before = path.read_bytes()
    with pytest.raises(SettingError, match=r"run\.h5 is compressed, .* dyn compact .*run\.h5 --compress none"):
        dyn.attach(run.model, run.optimizer, path, resume=True)
    assert path.read_bytes() == before
    compact(path, compression="none")
    with dyn.attach(run.model, run.optimizer, path, resume=True) as recorder:
        run.train(3, recorder)
    assert len(dyn.open(path)) == 7


FULL_DISK = """
import resource, shutil, signal, sys
from dyn.recorders.compact import compact
shutil.disk_usage = lambda _: shutil._ntuple_diskusage(10**12, 0, 10**12)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for limit in (1000, 20_000, 500_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    for compression in ("none", "gzip"):
        try:
            compact(sys.argv[1], compression=compression)
        except OSError as error:
            print(type(error).__name__, str(error).count("\\n"), "File too large" in str(error))
"""


def test_a_disk_that_fills_meanwhile_is_told_in_one_line(many, tmp_path):
    before = many.read_bytes()
    # Files that cannot grow are what a full disk looks like.
    command = [sys.executable, "-c", FULL_DISK, str(many)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["RecordingError 0 True"] * 6
    assert many.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["many.h5"]


def test_room_that_was_reserved_and_not_used_is_given_back(many, tmp_path):
    made = compact(many, tmp_path / "small.h5", compression="gzip")
    # What is written takes a good deal less than its 2.3 MB, and so does what the disk keeps for it.
    assert made.stat().st_size < 1_500_000
    assert made.stat().st_blocks * 512 < 1_500_000
    for compression in ("none", "gzip"):
        made = compact(many, tmp_path / "made.h5", compression=compression, overwrite=True)
        # The superblock says where the file ends.
        assert int.from_bytes(made.read_bytes()[28:36], "little") == made.stat().st_size


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


def test_a_damaged_chunk_is_named_with_its_file(many):
    compact(many, compression="gzip")
    with h5py.File(many) as file:
        chunk = file["scalars/loss"].id.get_chunk_info(0)
    with many.open("r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(bytes(chunk.size))
    message = r"^\S*many\.h5 cannot be read: scalars/loss is damaged \(.*\)$"
    with dyn.open(many) as recording, pytest.raises(RecordingError, match=message):
        recording.scalars["loss"][:]
    with pytest.raises(RecordingError, match=message):
        compact(many, compression="none")
