"""Feature-major arrays read as NumPy would slice them, each column in one piece of memory, whichever way they lie."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dyn.recorders.file import feature_major
from dyn.recorders.file.feature_major import FeatureMajor, is_feature_major

SHAPE, WRITTEN = (120, 5, 7), 100
VALUES = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
VALUES[WRITTEN:] = -1


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the same values in three ways; the last rows of each were never written, and some chunks neither."""
    path = tmp_path_factory.mktemp("feature_major") / "file.h5"
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        options = {"raw": {}, "gzip": {"compression": "gzip", "shuffle": True}, "early": {"chunks": (7, 1, 1)}}
        for name, option in options.items():
            layout = {"chunks": (16, 1, 1), "maxshape": (None, 5, 7), "fillvalue": -1, "dtype": np.float32, **option}
            file.create_dataset(name, shape=SHAPE, **layout)[:WRITTEN] = VALUES[:WRITTEN]
    return path


def ranges(size: int) -> st.SearchStrategy[range]:
    ends = st.tuples(st.integers(0, size), st.integers(0, size)).map(sorted)
    return st.builds(lambda both, step: range(both[0], both[1], step), ends, st.sampled_from([1, 1, 2, 3, 40]))


@settings(max_examples=150)
@given(key=st.tuples(*map(ranges, SHAPE)), name=st.sampled_from(["raw", "gzip", "early"]), swmr=st.booleans())
def test_a_slice_is_what_numpy_would_give(path, key, name, swmr):
    with h5py.File(path, "r", swmr=swmr) as file:
        found = FeatureMajor(file[name]).read(key[0], key[1:])
    np.testing.assert_array_equal(found, VALUES[tuple(slice(each.start, each.stop, each.step) for each in key)])
    assert np.moveaxis(found, 0, -1).flags.c_contiguous


@pytest.fixture
def calls(monkeypatch) -> list[int]:
    """How many bytes each call of the system was asked for."""
    sizes: list[int] = []
    preadv: Callable[..., int] = feature_major.os.preadv

    def counted(descriptor: int, buffers: list[np.ndarray], place: int) -> int:
        sizes.append(sum(each.nbytes for each in buffers))
        return preadv(descriptor, buffers, place)

    monkeypatch.setattr(feature_major.os, "preadv", counted)
    return sizes


def test_neighbouring_chunks_are_read_by_one_call(tmp_path, calls):
    with h5py.File(tmp_path / "file.h5", "w") as file:
        dataset = file.create_dataset("D", (64, 8), np.float32, chunks=(32, 1))
        for k, column in np.ndindex(2, 8):
            dataset.id.write_direct_chunk((32 * k, column), np.full(32, 10 * k + column, np.float32))
    with h5py.File(tmp_path / "file.h5") as file:
        found = FeatureMajor(file["D"]).read(range(64), [range(2, 6)])
    np.testing.assert_array_equal(found[::32], [[2, 3, 4, 5], [12, 13, 14, 15]])
    # Both groups of rows, and the four columns between them that are passed over.
    assert calls == [4 * 32 * (4 + 4 + 4)]


def test_what_is_far_apart_is_read_by_itself(path, calls, monkeypatch):
    monkeypatch.setattr(feature_major, "_GAP", 0)
    with h5py.File(path) as file:
        FeatureMajor(file["raw"]).read(range(5, 6), [range(5), range(7)])
    # One number of each column, and nothing between them.
    assert calls == [4] * 35


@pytest.mark.parametrize("most_bytes", [1, 5 * 16 * 4, 2**26])
def test_strided_rows_need_memory_for_some_columns_only(path, monkeypatch, most_bytes):
    buffers: list[int] = []
    read = FeatureMajor._read_raw

    def noted(self: FeatureMajor, descriptor: int, rows: range, columns: list[tuple[int, ...]], into: np.ndarray):
        buffers.append(into.nbytes)
        read(self, descriptor, rows, columns, into)

    monkeypatch.setattr(FeatureMajor, "_read_raw", noted)
    monkeypatch.setattr(feature_major, "_MOST_BYTES", most_bytes)
    with h5py.File(path) as file:
        found = FeatureMajor(file["raw"]).read(range(0, 91, 15), [range(5), range(7)])
    np.testing.assert_array_equal(found, VALUES[:91:15])
    # Never more than the bound, but for one column of a chunk: 16 rows of 4 bytes.
    assert max(buffers) <= max(most_bytes, 16 * 4)


def test_a_file_that_was_cut_off_is_told(path, monkeypatch):
    given = iter([3])
    monkeypatch.setattr(feature_major.os, "preadv", lambda *_: next(given, 0))
    with h5py.File(path) as file, pytest.raises(OSError, match=r"file\.h5 is truncated"):
        FeatureMajor(file["raw"]).read(range(10), [range(5), range(7)])


@pytest.mark.parametrize("most", [1, 6, 64, 1000])
def test_what_the_system_gives_in_pieces_is_read_to_its_end(path, monkeypatch, most):
    preadv = feature_major.os.preadv

    def short(descriptor: int, buffers: list[np.ndarray], place: int) -> int:
        # A first part of them only, as a disk in a network may give it.
        first = next((each for each in buffers if each.nbytes), buffers[0]).reshape(-1).view(np.uint8)
        return preadv(descriptor, [first[:most], *(buffers[1:] if first.nbytes < most else [])], place)

    monkeypatch.setattr(feature_major.os, "preadv", short)
    with h5py.File(path) as file:
        found = FeatureMajor(file["raw"]).read(range(3, 90), [range(1, 4), range(7)])
    np.testing.assert_array_equal(found, VALUES[3:90, 1:4])


@pytest.mark.parametrize(
    ("chunks", "answer"),
    [(None, False), ((16,), False), ((16, 1), True), ((16, 1, 1), True), ((16, 2), False), ((1, 1), False)],
)
def test_which_chunks_are_feature_major(chunks, answer):
    assert is_feature_major(chunks) is answer
