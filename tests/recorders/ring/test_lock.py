"""Whether somebody still writes is known from the lock that its process has, and loses when it ends."""

import errno
import os
import subprocess
import sys

import pytest

from dyn.dynamics.errors import OutputExistsError, RecordingError
from dyn.recorders.ring import lock
from dyn.recorders.ring.lock import Lock, claim, claimed, hold, is_claimed, is_held

HOLDER = """
import sys
from pathlib import Path
from dyn.recorders.ring.lock import hold
lock = hold(Path(sys.argv[1]))
print("holds", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "ring"
    path.write_bytes(b"precious")
    return path


def next_descriptor() -> int:
    """The lowest number that no open file has."""
    descriptor = os.open(os.devnull, os.O_RDONLY)
    os.close(descriptor)
    return descriptor


def test_a_file_is_held_until_it_is_released(file):
    assert not is_held(file)
    held = hold(file)
    assert is_held(file)
    assert is_held(file)
    held.release()
    assert not is_held(file)
    held.release()
    assert file.read_bytes() == b"precious"


def test_where_there_is_no_file_nobody_holds_it(tmp_path):
    assert not is_held(tmp_path / "missing")
    assert not is_held(tmp_path / "missing" / "ring")
    assert list(tmp_path.iterdir()) == []


def test_holding_makes_the_file(tmp_path):
    held = hold(tmp_path / "ring")
    assert is_held(tmp_path / "ring")
    held.release()
    with pytest.raises(RecordingError, match="ring cannot be made: No such file or directory"):
        hold(tmp_path / "missing" / "ring")


def test_a_second_holder_is_refused_and_changes_nothing(file):
    held, before = hold(file), next_descriptor()
    with pytest.raises(OutputExistsError, match="ring is being made by another training at this moment"):
        hold(file)
    assert next_descriptor() == before
    assert is_held(file)
    held.release()
    hold(file).release()
    assert file.read_bytes() == b"precious"


def test_a_copy_of_the_descriptor_holds_on_until_it_is_closed_or_released(file):
    """As the writer process has one."""
    held = hold(file)
    copy = os.dup(held.descriptor)
    os.close(held.descriptor)
    assert is_held(file)
    taken_over, copy = Lock(copy), os.dup(copy)
    taken_over.release()
    assert not is_held(file)
    os.close(copy)


def test_a_process_that_is_killed_holds_nothing(file):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        assert process.stdout.readline() == b"holds\n"
        assert is_held(file)
        process.kill()
        process.wait()
        assert not is_held(file)


def test_a_file_system_without_locks_takes_every_ring_for_a_live_one(file, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    held = hold(file)
    assert is_held(file)
    held.release()


def test_so_does_a_system_without_locks(file, tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "fcntl", None)
    held = hold(file)
    assert is_held(file)
    held.release()
    assert not is_held(tmp_path / "missing")


def test_one_that_was_deleted_as_it_was_about_to_be_held_is_made_anew(file, monkeypatch):
    """Its holder deletes it and lets go between the two: who held that one held nothing that others see."""
    flock, first = lock.fcntl.flock, hold(file)

    def meanwhile(descriptor, operation):
        if first.descriptor >= 0:
            monkeypatch.setattr(lock.fcntl, "flock", flock)
            first.remove(file)
        return flock(descriptor, operation)

    monkeypatch.setattr(lock.fcntl, "flock", meanwhile)
    second = hold(file)
    assert is_held(file)
    with pytest.raises(OutputExistsError):
        hold(file)
    second.release()


def test_what_is_held_is_deleted_before_it_is_let_go(file, monkeypatch):
    held, unlink = hold(file), type(file).unlink

    def seen(path, *args, **options):
        assert is_held(path)
        unlink(path, *args, **options)

    monkeypatch.setattr(type(file), "unlink", seen)
    held.remove(file)
    assert not file.exists()
    assert held.descriptor == -1


linux = pytest.mark.skipif(sys.platform != "linux", reason="a file itself is held on Linux")


@linux
def test_a_claimed_file_is_so_by_each_of_its_names_and_wherever_it_goes(file, tmp_path):
    held = claim(file)
    (tmp_path / "link").symlink_to(file)
    os.link(file, tmp_path / "second")
    file.rename(tmp_path / "moved")
    for name in ("second", "moved"):
        assert is_claimed(tmp_path / name)
        with pytest.raises(OutputExistsError, match=f"{name} is being recorded at this moment"):
            claim(tmp_path / name)
    (tmp_path / "copy").write_bytes((tmp_path / "moved").read_bytes())
    assert not is_claimed(tmp_path / "copy")
    held.release()
    assert not is_claimed(tmp_path / "moved")


@linux
def test_a_look_neither_takes_a_claim_nor_breaks_one(file):
    assert not is_claimed(file)
    with claimed(file):
        assert is_claimed(file)
        assert is_claimed(file)
    assert not is_claimed(file)
    assert not is_claimed(file.with_name("missing"))


def test_what_is_not_there_is_claimed_by_nobody(tmp_path):
    with claimed(tmp_path / "missing"):
        assert list(tmp_path.iterdir()) == []


def test_without_locks_of_bytes_nobody_claims_a_file(file, monkeypatch):
    monkeypatch.setattr(lock, "fcntl", None)
    held = claim(file)
    assert not is_claimed(file)
    held.release()
