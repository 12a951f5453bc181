"""Reading by whole chunks: a compact recording is exported as any other, and each of its chunks is read once."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dyn.recorders.export import export, slabs
from dyn.recorders.export.exporting import FORMATS
from dyn.recorders.reading.series import Series
from dyn.recorders.rewriting.compact import compact

ROWS = 1600
every_format = pytest.mark.parametrize("suffix", FORMATS)


@pytest.fixture
def long(make: Callable[..., Path], path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording of which a chunk of features has a thousand rows or so once it is compact, and a block has fewer."""
    for module in ("csv_file._BATCH", "parquet._BATCH", "npz._BLOCK", "netcdf._BLOCK", "rerun_file._BLOCK"):
        monkeypatch.setattr(f"dyn.recorders.export.{module}_BYTES", 8000)
    monkeypatch.setattr("dyn.recorders.export.zarr_folder._CHUNK_BYTES", 8000)
    monkeypatch.setattr("dyn.recorders.rewriting.chunking._HISTORY_BYTES", 4000)
    monkeypatch.setattr("dyn.recorders.rewriting.chunking._ROWS_BYTES", 10_000)
    monkeypatch.setattr(slabs, "_LEAST_BYTES", 5000)
    random = np.random.default_rng(0)
    W, many = random.normal(size=(ROWS, 2, 3)).astype(np.float32), random.normal(size=(ROWS, 2, 2, 3))
    return make(
        path, {"W": W, "many": many}, {"p": many[:, 0, 0]}, {"loss": many[:, 0, 0, 0]}, W="columns", many="columns"
    )


def content(path: Path) -> dict[str, bytes]:
    """Return all numbers of an output, or the bytes of its files where those do not depend on what was read when."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return {name: arrays[name].tobytes() for name in arrays.files if name != "attributes"}
    return {path.suffix: path.read_bytes()}


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("every", [1, 7])
@pytest.mark.parametrize("suffix", [".csv", ".npz"])
@pytest.mark.parametrize("most_bytes", [2000, 2**28])
def test_the_export_is_that_of_the_recording(long, tmp_path, monkeypatch, compression, every, suffix, most_bytes):
    expected = content(export(long, tmp_path / f"a{suffix}", select=["*"], every=every))
    made = compact(long, tmp_path / "compact.h5", compression=compression)
    monkeypatch.setattr(slabs, "_MOST_BYTES", most_bytes)
    assert content(export(made, tmp_path / f"b{suffix}", select=["*"], every=every)) == expected


@pytest.fixture
def chunk_reads(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, int, str]]:
    """How often something of each group of chunks was asked for, by array, number and elements."""
    reads: Counter[tuple[str, int, str]] = Counter()
    get = Series.__getitem__

    def counted(series: Series, key: tuple[slice, ...]) -> np.ndarray:
        (chunk_rows, *_), rows = series.chunks or (1,), range(len(series))[key[0]]
        reads.update((series._path, number, str(key[1:])) for number in {row // chunk_rows for row in rows})
        return get(series, key)

    monkeypatch.setattr(Series, "__getitem__", counted)
    return reads


@every_format
@pytest.mark.parametrize("every", [1, 7])
def test_each_chunk_of_a_compressed_recording_is_unpacked_once(long, tmp_path, suffix, every, chunk_reads):
    compact(long, compression="gzip")
    chunk_reads.clear()
    export(long, tmp_path / f"run{suffix}", every=every)
    # In rrd the steps are read anew for each line.
    times = {count for (path, *_), count in chunk_reads.items() if path != "step" or suffix != ".rrd"}
    assert times == {1}
    assert len(chunk_reads) > 10


@pytest.mark.parametrize("suffix", [".csv", ".nc"])
def test_a_chunk_without_room_is_unpacked_for_each_part(long, tmp_path, suffix, monkeypatch, chunk_reads):
    compact(long, compression="gzip")
    chunk_reads.clear()
    # A chunk of all elements of features/many/norm has 800 rows of 24 bytes, and its share of a table's room is less.
    monkeypatch.setattr(slabs, "_MOST_BYTES", 10_000 if suffix == ".nc" else 50_000)
    export(long, tmp_path / f"run{suffix}", select=["features/*", "loss"])
    # Parts that are two or three to a chunk, of which one may lie across its end.
    assert 1 < max(chunk_reads.values()) <= 4
