"""A program for test_killed_writers.py: it kills writers, and leaves what they leave of a recording."""

import itertools
import os
import random
import shutil
import signal
import sys
import time
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from dyn.recorders.file import journal

LIBVER = ("v110", "v110")


def create(path):
    with h5py.File(path, "w", libver=LIBVER) as file:
        file.create_dataset("step", shape=(0,), maxshape=(None,), chunks=(8,), dtype=np.int64).make_scale("step")
        file.create_dataset("committed", data=np.zeros(1, np.int64))
        file["tail"] = np.arange(3000.0)
        file.attrs.update(status="recording", late=0)
    append(path, [20])


def append(path, blocks):
    """Write blocks of rows in SWMR mode."""
    with h5py.File(path, "r+", libver=LIBVER) as file:
        file.swmr_mode = True
        for rows in blocks:
            start = int(file["committed"][0])
            file["step"].resize(start + rows, axis=0)
            file["step"][start:] = np.arange(start, start + rows)
            file.flush()
            file["committed"][0] = start + rows
            file.flush()
            acknowledge(path, b"r")


def change(path, *, drop_tail=False):
    """Add a dataset with a scale, and shorten the file if it is told to."""
    with journal.atomically(path) as file:
        late = int(file.attrs["late"])
        dataset = file.create_dataset(f"scalars/{late}", data=np.full(100, late + 0.5), maxshape=(None,), chunks=(8,))
        dataset.dims[0].attach_scale(file["step"])
        dataset.attrs["note"] = "ends as it began"
        if drop_tail:
            del file["tail"]
        file.attrs["late"] = late + 1
    acknowledge(path, b"c")


def acknowledge(path, what):
    with (path.parent / "acknowledged").open("ab", buffering=0) as file:
        file.write(what)


def die_at(count):
    """Make the *count*-th call that changes the disk stop half way, and the process with it."""
    calls = itertools.count(1)

    def patch(owner, name, half):
        original = getattr(owner, name)

        def call(*arguments):
            if next(calls) == count:
                half(original, *arguments)
                os._exit(9)
            return original(*arguments)

        setattr(owner, name, call)

    patch(os, "pwrite", lambda pwrite, file, data, offset: pwrite(file, data[: len(data) // 2], offset))
    patch(Path, "write_bytes", lambda write, path, data: write(path, data[: len(data) // 2]))
    for name in ("ftruncate", "replace", "unlink"):
        patch(os, name, lambda *_: None)


def in_child(function):
    """Run *function* in a process of its own, and return its id."""
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        function()
        os._exit(0)
    return child


def status_of(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_everywhere(folder, beginning, function):
    """Leave folders 1, 2, …: *function* on copies of *beginning*, killed at each of its writes; at last it is not."""
    for count in itertools.count(1):
        shutil.copytree(beginning, folder / str(count))

        def attempt(path=folder / str(count) / "run.h5", count=count):
            die_at(count)
            function(path)

        if status_of(in_child(attempt)) == 0:
            return


def kill_anywhere(folder, beginning, times):
    """Leave folders 1, 2, …: a writer that appends and changes, killed at a random moment."""
    moments = random.Random(0)
    for number in range(1, times + 1):
        shutil.copytree(beginning, folder / str(number))

        def write(path=folder / str(number) / "run.h5"):
            while True:
                append(path, [3, 10])
                change(path)

        child = in_child(write)
        time.sleep(moments.uniform(0.001, 0.08))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def kill(folder):
    """Kill writers that append, change, and shorten."""
    (folder / "beginning").mkdir()
    create(folder / "beginning" / "run.h5")
    (folder / "beginning" / "acknowledged").unlink()
    kill_everywhere(folder / "growing", folder / "beginning", change)
    kill_everywhere(folder / "shrinking", folder / "beginning", partial(change, drop_tail=True))
    kill_anywhere(folder / "anywhere", folder / "beginning", times=8)
    # Left open, because that is how many a program ends.
    journal.open_patched(folder / "beginning" / "run.h5")


def kill_redo(folder):
    """Kill what finishes a change that was killed."""
    kill_everywhere(folder / "redone", folder / "pending", journal.redo)


def go_on(folder):
    """Continue recordings that were mended."""
    for each in (folder / "continued").iterdir():
        path = each / "run.h5"
        append(path, [5, 1])
        change(path)
        append(path, [107])
        change(path)


if __name__ == "__main__":
    {"": kill, "redo": kill_redo, "continue": go_on}["".join(sys.argv[2:])](Path(sys.argv[1]))
