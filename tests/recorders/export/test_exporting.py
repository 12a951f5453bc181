"""What holds for every format: which arrays, which rows, in which state, into what kind of place."""

import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import dyn
from dyn.dynamics.errors import MissingExtraError, OutputExistsError, RecordingError, SettingError
from dyn.recorders.export import export
from dyn.recorders.export.exporting import FORMATS

every_format = pytest.mark.parametrize("suffix", FORMATS)


def load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as arrays:
        return dict(arrays)


def test_selected_arrays_and_every_so_many_rows(rich, tmp_path, arrays_of):
    found = load(export(rich, tmp_path / "run.npz", select=["features/*/norm", "train/*", "parameters/half"], every=4))
    weights = ("enc.0.weight", "many", "emb/edding")
    expected = ["step", "time", "scalars/train/loss.x", "parameters/half", *(f"features/{w}/norm" for w in weights)]
    assert list(found) == [*expected, "attributes"]
    assert found["step"].tolist() == [0, 12, 24]
    for name in expected:
        np.testing.assert_array_equal(found[name], arrays_of(rich)[name][::4])


def test_a_live_recording_is_exported_as_far_as_it_is(make_regression, path, tmp_path):
    regression = make_regression()
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(6, recorder)
        with dyn.open(path) as recording:
            regression.train(2, recorder)
            # Eight rows lie in the ring; the snapshot knows of six.
            found = load(export(recording, tmp_path / "run.npz"))
            np.testing.assert_array_equal(found["step"], recording.step)
            np.testing.assert_array_equal(found["parameters/weight"], recording.parameters["weight"])
            np.testing.assert_array_equal(
                found["features/weight/dimensionality"], recording.features["weight"]["dimensionality"]
            )
            assert found["step"].tolist() == list(range(6))
        assert len(load(export(path, tmp_path / "later.npz"))["step"]) == 8


def test_rows_that_a_killed_training_left_in_the_ring_are_exported(make_regression, path, tmp_path):
    regression = make_regression()
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(6, recorder)
        for name in ("run.h5", "run.h5.ring"):
            shutil.copyfile(tmp_path / name, tmp_path / f"killed-{name}")
    found = load(export(tmp_path / "killed-run.h5", tmp_path / "run.npz"))
    np.testing.assert_array_equal(found["scalars/loss"], regression.losses)
    assert '"status": "aborted"' in str(found["attributes"])


@every_format
def test_the_output_is_replaced_only_when_asked(recorded, tmp_path, suffix):
    output = tmp_path / f"run{suffix}"
    assert export(str(recorded), str(output)) == output
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputExistsError, match=r"exists already; .*overwrite=True"):
        export(recorded, output)
    export(recorded, output, overwrite=True)
    assert sorted(tmp_path.rglob("*")) == before


@every_format
def test_what_fails_leaves_what_was_there_and_no_draft(recorded, tmp_path, suffix, monkeypatch):
    export(recorded, output := tmp_path / f"run{suffix}")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}

    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("dyn.recorders.reading.series.Series.__getitem__", fail)
    with pytest.raises(RecordingError, match=r"cannot be made: .*Input/output error"):
        export(recorded, output, overwrite=True)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


@every_format
def test_an_interrupt_stays_one_and_leaves_what_was_there(recorded, tmp_path, suffix, monkeypatch):
    export(recorded, output := tmp_path / f"run{suffix}")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("dyn.recorders.reading.series.Series.__getitem__", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export(recorded, output, overwrite=True)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


@every_format
def test_a_link_stays_and_what_it_leads_to_is_replaced(recorded, tmp_path, suffix):
    (folder := tmp_path / "elsewhere").mkdir()
    size = lambda path: sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file())  # noqa: E731
    whole = size(target := export(recorded, folder / f"kept{suffix}"))
    (link := tmp_path / f"run{suffix}").symlink_to(target)
    assert export(recorded, link, select=["loss"], overwrite=True) == link
    assert link.is_symlink()
    assert size(target) < whole
    assert list(folder.iterdir()) == [target]
    assert {file.name for file in tmp_path.iterdir()} == {"run.h5", "elsewhere", link.name}


FULL_DISK = """
import resource, signal, sys
from dyn.recorders.export import export
from dyn.recorders.export.exporting import FORMATS
writers = [each.writer(suffix) for suffix, each in FORMATS.items()]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for limit in (1000, 100_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    for suffix in FORMATS:
        try:
            export(sys.argv[1], f"{sys.argv[2]}/out{suffix}")
        except OSError as error:
            print(suffix, type(error).__name__, str(error).count("\\n"), "File too large" in str(error))
"""


@pytest.mark.slow
def test_a_full_disk_is_told_in_one_line_in_every_format(make, path, tmp_path):
    W = np.random.default_rng(0).normal(size=(3000, 3, 4))
    make(path, {"W": W}, {}, {"loss": W[:, 0, 0]}, W="columns")
    (folder := tmp_path / "out").mkdir()
    # Files that cannot grow are what a full disk looks like.
    command = [sys.executable, "-c", FULL_DISK, str(path), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{suffix} RecordingError 0 True" for _ in range(2) for suffix in FORMATS]
    assert list(folder.iterdir()) == []


def test_an_export_that_has_no_room_is_not_begun(recorded, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6 - 1000, 1000))
    with pytest.raises(RecordingError, match=r"takes up to .* and 1 kB are free; export fewer rows .*--every"):
        export(recorded, tmp_path / "run.csv")
    assert [file.name for file in tmp_path.iterdir()] == ["run.h5"]


@pytest.mark.parametrize(
    ("message", "output", "options"),
    [
        (r"unknown suffix of an export '.parket'; did you mean .parquet", "run.parket", {}),
        (r"unknown suffix of an export ''; known: .nc, .zarr, .npz, .csv, .parquet, .rrd", "run", {}),
        (r"every=0 is no number of rows; use 1 or more", "run.npz", {"every": 0}),
        (r"unknown array 'lss'; did you mean loss", "run.npz", {"select": ["lss"]}),
    ],
)
def test_settings_that_cannot_be_used_are_refused(recorded, tmp_path, message, output, options):
    with pytest.raises(SettingError, match=message):
        export(recorded, tmp_path / output, **options)
    assert [file.name for file in tmp_path.iterdir()] == ["run.h5"]


def test_places_that_cannot_be_written_are_refused(recorded, tmp_path):
    with pytest.raises(RecordingError, match=r"nowhere is no directory to write run\.nc in; create it first"):
        export(recorded, tmp_path / "nowhere" / "run.nc")
    (folder := tmp_path / "notes.zarr").mkdir()
    (folder / "thesis.txt").write_text("precious")
    with pytest.raises(OutputExistsError, match="a directory of other files, which is not replaced"):
        export(recorded, folder, overwrite=True)
    (folder / "zarr.json").write_text("{}")
    with pytest.raises(OutputExistsError, match=r"notes\.zarr holds .*thesis\.txt, which is not Zarr's"):
        export(recorded, folder, overwrite=True)
    assert (folder / "thesis.txt").read_text() == "precious"
    with pytest.raises(OutputExistsError, match="is a directory; name a file"):
        export(recorded, folder.rename(tmp_path / "notes.nc"), overwrite=True)
    recorded.rename(itself := tmp_path / "run.nc")
    with pytest.raises(SettingError, match="is what is exported; choose another path"):
        export(itself, itself, overwrite=True)


@pytest.mark.parametrize(("suffix", "package"), [(".zarr", "zarr"), (".parquet", "pyarrow"), (".rrd", "rerun")])
def test_a_missing_package_names_the_extra(recorded, tmp_path, monkeypatch, suffix, package):
    module = f"dyn.recorders.export.{FORMATS[suffix].module}"
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"an export to {suffix} needs the extra \[export\]"):
        export(recorded, tmp_path / f"run{suffix}")


def test_how_far_it_is_is_told(recorded, tmp_path):
    told = []
    export(recorded, tmp_path / "run.npz", report=lambda done, total: told.append((done, total)))
    done, total = zip(*told, strict=True)
    assert list(done) == sorted(done)
    assert (done[0], done[-1]) == (0, total[0])
    assert len(set(total)) == 1


MEMORY = """
import resource, sys
from dyn.recorders.export import export
small, large, suffix = sys.argv[1:]
export(small, f"{small}{suffix}")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
export(large, f"{large}{suffix}")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is counted in other units")
@every_format
def test_memory_does_not_grow_with_the_recording(tmp_path, suffix):
    # Of arrays that were never written a file has no bytes, and a reader sees them all the same.
    # Text takes long to write, and one number in memory many bytes.
    sizes, many = {}, 40_000 if suffix == ".csv" else 200_000
    for name, rows in (("small", 20_000), ("large", many)):
        with h5py.File(tmp_path / name, "w", track_order=True) as file:
            file.attrs.update(
                format="learning-dynamics", format_version=1, status="complete", created="", software="", config="{}"
            )
            file["committed"], file["time"] = [rows], np.zeros(rows)
            file["step"] = np.arange(rows)
            file["scalars/loss"] = np.zeros(rows)
            W = file.create_dataset("parameters/W", (rows, 3, 60), np.float32, chunks=(100, 3, 60))
            W.attrs["features"] = "columns"
            file.create_dataset("features/W/dimensionality", (rows, 60), np.float32, chunks=(100, 60))
            sizes[name] = W.nbytes
    names = [str(tmp_path / name) for name in sizes]
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, *names, suffix], capture_output=True, text=True, timeout=300, check=True
    )
    # The additional numbers are 130 MB, those of a csv 14 MB, and ten times as much as texts in a list; a third of that
    # is for the allocators' whims.
    assert int(done.stdout) < (sizes["large"] - sizes["small"]) / 3
