"""Compressed recordings are read in a process that has not heard of the plugin, and without it one line says so."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

import dyn
from dyn.dynamics.errors import MissingExtraError, RecordingError, SettingError
from dyn.recorders.file.compression import COMPRESSIONS, filters_of, is_compressed, make_readable
from dyn.recorders.rewriting.compact import compact


@pytest.fixture(params=["zstd", "lz4"])
def compressed(request, recorded: Path) -> Path:
    return compact(recorded, compression=request.param)


# Two ways to read a recording *r*.
WAYS = ["r.scalars['loss'][:]", "r.to_xarray()['scalars/loss'].values"]


def read_elsewhere(path: Path, way: str, first: str = "") -> subprocess.CompletedProcess[str]:
    code = f"import sys; {first}\nimport dyn\nr = dyn.open({str(path)!r})\nprint(({way}).shape)"
    # Where netCDF4 was imported, it tells children of plugins of its own.
    plain = {name: value for name, value in os.environ.items() if name != "HDF5_PLUGIN_PATH"}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=plain)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_the_plugin_is_loaded_when_it_is_needed(compressed, way):
    assert read_elsewhere(compressed, way).stdout == "(11,)\n"


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_without_the_plugin_one_line_names_the_extra(compressed, way):
    found = read_elsewhere(compressed, way, "sys.modules['hdf5plugin'] = None")
    assert found.stderr.strip().splitlines()[-1] == (
        f"dyn.dynamics.errors.MissingExtraError: {compressed} is compressed; reading it needs the extra "
        "[compression]: pip install 'learning-dynamics[compression]'"
    )


def test_gzip_needs_no_plugin(recorded, monkeypatch):
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    compact(recorded, compression="gzip")
    with h5py.File(recorded) as file:
        assert is_compressed(file["scalars/loss"])
        assert not is_compressed(file["committed"])
        make_readable(file["scalars/loss"])


def test_names_that_are_known(monkeypatch):
    assert filters_of("none") == {}
    assert filters_of("gzip") == {"compression": "gzip", "shuffle": True}
    with pytest.raises(SettingError, match="unknown compression 'zst'; did you mean zstd"):
        filters_of("zst")
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    for name in COMPRESSIONS[2:]:
        with pytest.raises(MissingExtraError, match=rf"compression='{name}' needs the extra \[compression\]"):
            filters_of(name)


def test_a_damaged_chunk_is_named_with_its_file(recorded):
    compact(recorded, compression="gzip")
    with h5py.File(recorded) as file:
        chunk = file["scalars/loss"].id.get_chunk_info(0)
    with recorded.open("r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(bytes(chunk.size))
    message = r"^\S*run\.h5 cannot be read: scalars/loss is damaged \(.*\)$"
    with dyn.open(recorded) as recording, pytest.raises(RecordingError, match=message):
        recording.scalars["loss"][:]
    with pytest.raises(RecordingError, match=message):
        compact(recorded, compression="none")
