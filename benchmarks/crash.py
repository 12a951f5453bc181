"""Kill a training, its writer process, or both at random moments, and see what is left of the recording.

Each trial forks a training whose parameters after k steps are all k, exactly, and which notes in shared memory how many
steps have returned. After the kill dyn.open has to find a row for each of those steps, every number of it right; then
the recording is repaired, and plain h5py has to find the same. With --full the disk fills up instead, on a small tmpfs
(which takes root): one warning, a training that goes on, and the same two looks.

With --endings every end of a process is crossed with every way to the file, in so many runs or in all that there are;
see endings.py (Linux).

    python benchmarks/crash.py [--kills 200] [--full 20] [--endings [600]] [--seed 0]
"""

import argparse
import mmap
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from struct import Struct

import h5py
from counting import record, wrong_rows
from endings import all_runs, outermost, perform, prepare

import dyn
from dyn.recorders.file.hdf5 import dataset_at
from dyn.recorders.ring.lock import is_held
from dyn.recorders.ring.paths import ring_path
from dyn.recorders.writing.repair import repair
from dyn.recorders.writing.writer import ProcessWriter

_WORDS, _STOP = Struct("<3q"), Struct("<q")
# How many steps a training goes on whose writer was killed.
_FURTHER = 40
_BIG = 2**17


@dataclass
class Shared:
    """What a training tells of itself: steps that have returned, its writer's process, warnings seen."""

    memory: mmap.mmap

    def tell(self, steps: int, writer: int, warned: int) -> None:
        """Say it."""
        _WORDS.pack_into(self.memory, 0, steps, writer, warned)

    def stop_after(self, steps: int) -> None:
        """Have the training end after so many steps."""
        _STOP.pack_into(self.memory, _WORDS.size, steps)

    def is_last(self, steps: int) -> bool:
        """Whether a training ends after so many steps."""
        return 0 < _STOP.unpack_from(self.memory, _WORDS.size)[0] <= steps

    def told(self) -> tuple[int, int, int]:
        """Return what was said last."""
        return _WORDS.unpack_from(self.memory, 0)


def train(path: Path, shared: Shared, *, size: int, steps: int, late: int) -> None:
    """Record so many steps, and tell of each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")

        def tell(taken: int, recorder: dyn.Recorder) -> bool:
            process = recorder._writer  # pyright: ignore[reportPrivateUsage]
            shared.tell(taken, process.pid if isinstance(process, ProcessWriter) else 0, len(caught))
            return shared.is_last(taken)

        record(path, size=size, steps=steps, late=late, tell=tell)
    taken, writer, _ = shared.told()
    shared.tell(taken, writer, len(caught))


def verdict(path: Path, steps: int) -> str:
    """Look with dyn.open, repair, look with plain h5py, and say what is wrong."""
    with dyn.open(path) as recording:
        rows = len(recording)
        if rows < steps:
            return f"dyn.open lacks {steps - rows} rows"
        parts = (
            recording.step[:],
            recording.scalars["loss"][:],
            recording.parameters["W"][:],
            recording.parameters["b"][:],
        )
        if wrong_rows(*parts):
            return "dyn.open has wrong rows"
    deadline = time.monotonic() + 30
    while is_held(ring_path(path)) and time.monotonic() < deadline:
        # A writer that lives on closes the file by itself.
        time.sleep(0.01)
    repair(path)
    if [each.name for each in path.parent.iterdir()] != [path.name]:
        return "repair leaves files behind"
    with h5py.File(path, "r") as file:
        parts = tuple(dataset_at(file, name)[:] for name in ("step", "scalars/loss", "parameters/W", "parameters/b"))
        if len(parts[0]) < rows:
            return "the repaired file lacks rows"
        return "wrong rows in the repaired file" if wrong_rows(*parts) else "good"


def forked(run: Callable[[], None]) -> int:
    """Run something in a child, without importing torch again; return its process."""
    child = os.fork()
    if not child:
        try:
            run()
        except BaseException as error:
            print(f"the training failed: {error!r}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return child


def kill_once(chance: random.Random, whom: str) -> str:
    """Kill *whom* at a random moment and return the verdict."""
    shared = Shared(mmap.mmap(-1, mmap.PAGESIZE))
    # Small rows are written by the training, large ones by a process.
    size = 8 if whom == "training" and chance.random() < 0.5 else _BIG // 4
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.h5")
        late = chance.choice((7, 300, 5000))
        child = forked(lambda: train(path, shared, size=size, steps=10**9, late=late))
        while not shared.told()[0] and os.waitpid(child, os.WNOHANG) == (0, 0):
            time.sleep(0.001)
        time.sleep(chance.random() * (0.6 if size == 8 else 1.2))
        _, writer, _ = shared.told()
        for process in {"training": [child], "writer": [writer], "both": chance.sample([child, writer], 2)}[whom]:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                return "nobody to kill"
        shared.stop_after(shared.told()[0] + _FURTHER)
        os.waitpid(child, 0)
        return verdict(path, shared.told()[0])


def fill_once(chance: random.Random) -> str:
    """Let the disk fill up under a recording and return the verdict."""
    shared = Shared(mmap.mmap(-1, mmap.PAGESIZE))
    with tempfile.TemporaryDirectory() as folder:
        megabytes = chance.randint(20, 40)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], check=True)
        try:
            path = Path(folder, "run.h5")
            size = chance.choice((64, 512, 4096))
            child = forked(lambda: train(path, shared, size=size, steps=60_000_000 // (16 * size), late=10**9))
            _, status = os.waitpid(child, 0)
            steps, _, warned = shared.told()
            if status or warned != 1:
                return f"the training ended with status {status} and {warned} warnings"
            with dyn.open(path) as recording:
                rows = len(recording)
            # The recording ends with the first row that finds no room, in the file or in the ring.
            if not 0 < rows < steps:
                return f"{rows} rows of {steps}"
            subprocess.run(["mount", "-o", "remount,size=200m", folder], check=True)
            return verdict(path, rows)
        finally:
            subprocess.run(["umount", folder], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill recordings, and see what is left of them.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--full", type=int, default=0, help="how often the disk fills up")
    parser.add_argument("--endings", type=int, nargs="?", const=10**9, default=0, help="how many runs of endings.py")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    victims = ("training", "writer", "both")
    trials = {victim: len(range(k, arguments.kills, len(victims))) for k, victim in enumerate(victims)}
    bad = 0
    for what, count in {**trials, "disk": arguments.full}.items():
        verdicts = Counter(fill_once(chance) if what == "disk" else kill_once(chance, what) for _ in range(count))
        bad += count - verdicts["good"]
        print(f"{what:9s} {'full' if what == 'disk' else 'killed'} {count:4d} times: {dict(verdicts)}", flush=True)
    bad += cross_endings(chance, arguments.endings) if arguments.endings else 0
    sys.exit(1 if bad else 0)


def cross_endings(chance: random.Random, most: int) -> int:
    """Run so many of all runs of endings.py and return how many went wrong."""
    runs, began = list(all_runs()), time.monotonic()
    runs = runs if most >= len(runs) else chance.sample(runs, most)
    prepare()
    verdicts: Counter[str] = Counter()
    for run in runs:
        sys.stdout.flush()
        verdict = perform(run)
        verdicts[verdict if verdict in ("good", "told") else "wrong"] += 1
        if verdict not in ("good", "told"):
            print(f"{run}: {verdict}", flush=True)
    seconds = time.monotonic() - began
    print(f"{len(runs)} endings in {seconds:.0f} s: {dict(verdicts)}", flush=True)
    return verdicts["wrong"]


if __name__ == "__main__":
    outermost(main)
