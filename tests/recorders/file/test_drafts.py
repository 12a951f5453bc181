"""The file in which a recording is written anew, on a disk that is full, beside those that killed processes left."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dyn
from dyn.recorders.file import drafts
from dyn.recorders.file.creation import create_file
from dyn.recorders.file.store import Store
from dyn.recorders.rewriting import compact as compact_module
from dyn.recorders.rewriting.compact import compact
from dyn.recorders.ring.channels import Block, array_channel

ROWS = 3000
VALUES = np.arange(60 * ROWS).reshape(ROWS, 60) / 7


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A finished recording of one probe, of 1.4 MB."""
    path = tmp_path / "many.h5"
    create_file(path, [array_channel("probes", "wide", VALUES[0])], ["loss"], config="{}", token="")
    store, steps = Store(path), np.arange(ROWS)
    store.append(Block(steps, steps / 4, {"loss": 1 / (1 + steps)}, {"probes/wide": VALUES}))
    store.close("complete")
    return path


FULL_DISK = """
import resource, shutil, signal, sys
from dyn.recorders.rewriting.compact import compact
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
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["RecordingError 0 True"] * 6
    assert many.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["many.h5"]


def test_room_that_was_reserved_and_not_used_is_given_back(many, tmp_path):
    made = compact(many, tmp_path / "small.h5", compression="gzip")
    # What is written takes a good deal less than its 1.5 MB, and so does what the disk keeps for it.
    assert made.stat().st_size < 1_500_000
    assert made.stat().st_blocks * 512 < 1_500_000
    for compression in ("none", "gzip"):
        made = compact(many, tmp_path / "made.h5", compression=compression, overwrite=True)
        # The superblock says where the file ends.
        assert int.from_bytes(made.read_bytes()[28:36], "little") == made.stat().st_size


STOPPED = """
import sys, time
from dyn.recorders.rewriting import compact as module
compare = module._compare
def stop(draft, *rest):
    print(draft.name, flush=True)
    time.sleep(600)
    compare(draft, *rest)
def stop_writing(*_):
    stop(next(p for p in module.Path(sys.argv[1]).parent.iterdir() if p.name.endswith(".dyn-compact")))
setattr(module, sys.argv[2], {"_compare": stop, "_copy": stop_writing}[sys.argv[2]])
module.compact(sys.argv[1], sys.argv[3])
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["_copy", "_compare"])
def test_a_draft_is_removed_once_its_process_was_killed_and_not_before(many, tmp_path, moment):
    output = tmp_path / "out.h5"
    command = [sys.executable, "-c", STOPPED, str(many), moment, str(output)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            draft = tmp_path / process.stdout.readline().strip()
            assert draft.is_file()
            compact(many, output)
            # Somebody writes it.
            assert draft.is_file()
        finally:
            process.send_signal(signal.SIGKILL)
    assert draft.is_file()
    # Of another recording, and of nobody.
    names = (
        ".many.h5.abcdefgh.dyn-compact",
        ".out.h5.abc.dyn-compact",
        "out.h5.dyn-compact",
        ".out.h5.archived.compact",
    )
    others = [tmp_path / name for name in names]
    for other in others:
        other.touch()
    compact(many, output, overwrite=True)
    assert {each.name for each in tmp_path.iterdir()} == {"many.h5", "out.h5", *(other.name for other in others)}
    with dyn.open(output) as recording:
        np.testing.assert_array_equal(recording.probes["wide"], VALUES)


def test_a_second_compaction_between_lock_and_rename_leaves_the_draft_alone(many, tmp_path, monkeypatch):
    put_in_place = compact_module.put_in_place

    def meanwhile(draft, target):
        drafts.remove_stale(target)
        put_in_place(draft, target)

    monkeypatch.setattr(compact_module, "put_in_place", meanwhile)
    compact(many, tmp_path / "out.h5")
    with dyn.open(tmp_path / "out.h5") as recording:
        np.testing.assert_array_equal(recording.probes["wide"], VALUES)


def test_a_folder_that_cannot_be_looked_into_holds_nothing_stale(many, monkeypatch):
    def refused(_):
        raise PermissionError

    monkeypatch.setattr(Path, "iterdir", refused)
    drafts.remove_stale(many)


def test_where_files_cannot_be_locked_no_draft_is_removed(many, tmp_path, monkeypatch):
    (left := tmp_path / ".many.h5.abcdefgh.dyn-compact").touch()
    monkeypatch.setattr("dyn.recorders.ring.lock.fcntl", None)
    drafts.remove_stale(many)
    assert left.exists()
    monkeypatch.undo()
    drafts.remove_stale(many)
    assert not left.exists()


def test_a_draft_that_is_taken_for_stale_before_it_is_held_is_made_anew(tmp_path, monkeypatch):
    made, mkstemp = [], drafts.tempfile.mkstemp

    def meanwhile(*arguments):
        descriptor, name = mkstemp(*arguments)
        made.append(name)
        if len(made) == 1:
            drafts.remove_stale(tmp_path / "x.h5")
        return descriptor, name

    monkeypatch.setattr(drafts.tempfile, "mkstemp", meanwhile)
    with drafts.draft_beside(tmp_path / "x.h5") as (path, _):
        assert [str(path)] == made[1:]
        assert list(tmp_path.iterdir()) == [path]
    assert list(tmp_path.iterdir()) == []


def test_without_fallocate_the_room_is_taken_by_zeros(many, tmp_path, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    sizes, write = [], os.write

    def noted(descriptor, data):
        sizes.append(len(data))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", noted)
    for compression in ("none", "gzip"):
        made = compact(many, tmp_path / f"{compression}.h5", compression=compression)
        with dyn.open(made) as recording:
            np.testing.assert_array_equal(recording.probes["wide"], VALUES)
    # As much as the values take at least, for each of both.
    assert sum(sizes) > 2 * VALUES.nbytes
