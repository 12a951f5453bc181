"""A forked child has nothing of what its parent owns, and the parent keeps it."""

import os
from collections.abc import Callable

import pytest

from dyn.recorders.ring import forks
from dyn.recorders.ring.forks import close, disown, own, when_forked
from dyn.recorders.ring.lock import claim, hold, is_claimed, is_held

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system"),
    # A process with threads should not fork; these children do nothing but look.
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


class Thing:
    def __init__(self):
        self.is_mine = True

    def leave_to_parent(self) -> None:
        self.is_mine = False


class Broken:
    def leave_to_parent(self) -> None:
        raise ValueError


def in_child(question: Callable[[], bool]) -> bool:
    """Ask it in a forked child."""
    child = os.fork()
    if not child:
        try:
            os._exit(1 if question() else 0)
        finally:
            os._exit(9)
    return bool(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


@pytest.fixture
def descriptor(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    descriptor = os.open(tmp_path / "file", os.O_RDWR)
    yield descriptor
    disown(descriptor)
    os.close(descriptor)


def test_a_child_leaves_everything_to_its_parent():
    things = [Thing(), Broken(), Thing()]
    for thing in things:
        when_forked(thing)
    assert not in_child(lambda: things[0].is_mine or things[2].is_mine)
    assert things[0].is_mine
    assert things[2].is_mine


def test_what_a_child_writes_to_an_owned_descriptor_goes_nowhere(descriptor, tmp_path):
    own(descriptor)
    assert in_child(lambda: os.pwrite(descriptor, b"child's", 0) == 7 and os.pread(descriptor, 9, 0) == b"")
    assert (tmp_path / "file").read_bytes() == b"content"
    assert os.pread(descriptor, 9, 0) == b"content"


def test_one_that_is_not_owned_any_more_is_the_childs_too(descriptor):
    own(descriptor)
    disown(descriptor)
    assert in_child(lambda: os.pread(descriptor, 9, 0) == b"content")


def test_a_number_that_another_file_has_by_now_is_left_alone(tmp_path):
    """As where HDF5 has closed a file by itself."""
    for name in ("first", "second"):
        (tmp_path / name).write_bytes(name.encode())
    first = own(os.open(tmp_path / "first", os.O_RDONLY))
    os.close(first)
    second = os.open(tmp_path / "second", os.O_RDONLY)
    assert first == second
    assert in_child(lambda: os.pread(second, 9, 0) == b"second")
    close(second)


def test_no_program_that_takes_the_place_of_this_one_has_it(descriptor):
    os.set_inheritable(descriptor, True)
    own(descriptor)
    assert not os.get_inheritable(descriptor)


@pytest.mark.parametrize(("take", "is_taken"), [(hold, is_held), (claim, is_claimed)])
def test_a_child_that_lives_on_holds_nothing(tmp_path, take, is_taken):
    path = tmp_path / "file"
    path.touch()
    (reader, writer), (lived, says), lock = os.pipe(), os.pipe(), take(path)
    child = os.fork()
    if not child:
        os.close(writer)
        os.write(says, b"lives")
        os.read(reader, 1)
        os._exit(0)
    os.close(reader)
    os.read(lived, 5)
    # As the end of its process lets go of it: without unlocking it for everybody.
    close(lock.descriptor)
    held = is_taken(path)
    os.close(writer)
    os.waitpid(child, 0)
    for descriptor in (lived, says):
        os.close(descriptor)
    assert not held


def test_what_a_child_lets_go_of_its_parent_still_holds(tmp_path):
    path = tmp_path / "file"
    locks = [hold(path), claim(path)]
    assert in_child(lambda: [lock.release() for lock in locks] == [None, None])
    assert is_held(path)
    assert is_claimed(path)
    for lock in locks:
        lock.release()


def test_nothing_is_owned_once_it_is_closed(tmp_path):
    before = dict(forks._DESCRIPTORS)
    hold(tmp_path / "file").release()
    assert before == forks._DESCRIPTORS
