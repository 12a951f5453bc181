"""Read a recording ten thousand times while it is written as fast as can be, and look for a row that is not right.

A training whose parameters after k steps are all k records in a process of its own, with a scalar of a new name every
few hundred steps, for which the file is closed and opened again; and when it ends, another one replaces its file. Each
poll opens the recording anew or refreshes the one it has, and reads all columns of the newest rows or of some others.

    python benchmarks/reading.py [--polls 10000] [--size 8] [--writer inline]
"""

import argparse
import itertools
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from counting import record, wrong_rows
from crash import forked

import dyn
from dyn.dynamics.errors import RecordingError

# How many rows a poll reads at most.
_ROWS = 200


def record_for_ever(path: Path, size: int, late: int, writer: str) -> None:
    """Record one training after the other, so that files come to their end and begin as well."""
    reader = os.getppid()

    def is_alone(*_: object) -> bool:
        """Whether the reader is gone, however it ended."""
        return os.getppid() != reader

    for seed in itertools.takewhile(lambda _: not is_alone(), itertools.count()):
        steps = random.Random(seed).randint(2_000, 40_000)
        record(path, size=size, steps=steps, late=late, writer=writer, tell=is_alone)


def look(recording: dyn.Recording, chance: random.Random) -> int:
    """Return how many rows are wrong among the newest and among some older ones."""
    stop = len(recording) if chance.random() < 0.7 else chance.randint(0, len(recording))
    rows = slice(max(0, stop - _ROWS), stop)
    W, b = (recording.parameters[name][rows] for name in ("W", "b"))
    wrong = wrong_rows(recording.step[rows], recording.scalars["loss"][rows], W, b, first=rows.start)
    for name in recording.scalars:
        if name.startswith("late"):
            values = recording.scalars[name][rows]
            logged = ~np.isnan(values)
            wrong += int((values[logged] != np.arange(rows.start, rows.stop)[logged]).sum())
    return wrong


def poll(path: Path, polls: int, chance: random.Random) -> Counter[str]:
    """Poll so often, and return what was found."""
    found: Counter[str] = Counter()
    recording: dyn.Recording | None = None
    while found["polls"] < polls:
        try:
            if recording is None or recording.status != "recording" or chance.random() < 0.2:
                if recording is not None:
                    recording.close()
                recording = dyn.open(path)
            else:
                recording.refresh()
            found["wrong rows"] += look(recording, chance)
            found["rows read"] += min(_ROWS, len(recording))
            found["while recording"] += recording.status == "recording"
        except (RecordingError, OSError, KeyError, RuntimeError) as error:
            found[f"{type(error).__name__}: {error}"[:160]] += 1
            recording = None
        found["polls"] += 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Read a recording while it is written.")
    parser.add_argument("--polls", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=8, help="columns of W")
    parser.add_argument("--late", type=int, default=300, help="a new scalar after so many steps")
    parser.add_argument("--writer", default="auto")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder, "run.h5")
        child = forked(lambda: record_for_ever(path, arguments.size, arguments.late, arguments.writer))
        try:
            while not path.exists():
                time.sleep(0.01)
            began = time.perf_counter()
            found = poll(path, arguments.polls, random.Random(0))
        finally:
            os.kill(child, signal.SIGKILL)
    print(f"{time.perf_counter() - began:.0f} s: {dict(found)}")
    sys.exit(set(found) - {"polls", "rows read", "while recording", "wrong rows"} != set() or found["wrong rows"] > 0)


if __name__ == "__main__":
    main()
