"""What a worker does with memory that is freed."""

import ctypes
import subprocess
import sys

import pytest

from dyn.recorders.sweeps.run import keep_freed_memory

ROUNDS, PAGES = 100, 256
# Makes and frees arrays of 1 MB, and prints how many pages the system had to give for them.
PROGRAM = f"""
import resource, sys
import numpy as np
from dyn.recorders.sweeps.run import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
# Arrays that are held while those above them are freed would hide that the heap's end is given back.
np.ones({PAGES} * 512)
before = faults()
for _ in range({ROUNDS}):
    several = [np.ones({PAGES} * 512) for _ in range(4)]
    del several
print(faults() - before)
"""


def faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True, timeout=300)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have another C library")
def test_freed_memory_is_used_again():
    # Four arrays have 4 x 256 pages, which the first round may ask for; a few more are the interpreter's own.
    assert faults("keep") < 2 * 4 * PAGES
    # Else every round asks for nearly all of them.
    assert faults("leave") > ROUNDS * PAGES


@pytest.mark.parametrize("error", [OSError, TypeError])
def test_another_c_library_is_left_alone(error, monkeypatch):
    def fail(_):
        raise error

    monkeypatch.setattr(ctypes, "CDLL", fail)
    keep_freed_memory.__wrapped__()
