"""A forked child: what was known before is left to its parent, in the child only."""

import os

import pytest

from dyn.recorders.step.forks import when_forked


class Thing:
    def __init__(self):
        self.is_mine = True

    def leave_to_parent(self) -> None:
        self.is_mine = False


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
# A process with threads should not fork; this child does nothing but look.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_leaves_everything_to_its_parent():
    thing = Thing()
    when_forked(thing)
    child = os.fork()
    if not child:
        os._exit(7 if thing.is_mine else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert thing.is_mine
