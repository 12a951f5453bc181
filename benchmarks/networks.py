"""What `dyn info` takes on a network of many matrices: its time and memory, beside one of the middle ones alone.

python benchmarks/networks.py [--matrices 50] [--rows 5000] [--smallest 64] [--largest 512] [--sparse] [--folder DIR]

The matrices drift from a random start, with noise, and have features; a twentieth of the features of every fifth jumps.
The recording of all of them holds 4 * rows * all elements bytes: 95 GB by default, 1.9 GB with --rows 100. With
--sparse only the rows that are looked at hold a matrix, and the others are holes in the file: 2.2 GB, told alike.
That of one is written beside it, and all are told by processes of their own, that of all matrices also without what
chance would say.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from dyn.dynamics.geometry import measure
from dyn.recorders.file.creation import create_file
from dyn.recorders.file.hdf5 import dataset_at
from dyn.recorders.file.store import Store
from dyn.recorders.ring.channels import Block, Channel
from dyn.recorders.stories.ranking import looked_at

_F4 = np.dtype(np.float32)
# D is measured at so many rows, and goes straight between them: nobody looks at more of this recording.
_KNOTS = 20
# The rows, as shares of the run, at which it is asked what moved and whether it rests, and where it diverged.
_ASKED = (0, 0.2, 0.4, 0.5, 0.6, 0.8, 0.85, 0.9, 0.95, 1)
# Told without chance: no matrix has a verdict.
_WITHOUT = "from dyn.recorders.stories import ranking\nranking.verdict_on = lambda selection: None\n"


def channel_of(name: str, size: int) -> Channel:
    """Return the channel of a matrix; its features come with it."""
    axes = (f"{name}.hidden", f"{name}.feature")
    return Channel("parameters", name, (size, size), _F4, _F4, axes, "columns", {"features": "columns"})


class Drifting:
    """A matrix that drifts from one place at random to another, with its features."""

    def __init__(self, name: str, size: int, rows: int, *, jumps: bool, seed: int):
        rng = np.random.default_rng(seed)
        self.name, self.rows, self.rng = name, rows, rng
        self.start, self.way = (rng.standard_normal((size, size), _F4) / np.sqrt(size, dtype=_F4) for _ in range(2))
        self.noise = 0.01 * self.start
        at = np.linspace(0, 1, _KNOTS)
        measured = [measure(self.start + share * self.way) for share in at]
        self.knots = {key: np.array([getattr(each, key) for each in measured]) for key in measured[0]._fields}
        self.high = rng.choice(size, size // 20 if jumps else 0, replace=False)

    def values(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return what is recorded in some rows."""
        return {f"parameters/{self.name}": self.matrices(rows), **self.features(rows)}

    def matrices(self, rows: np.ndarray) -> np.ndarray:
        """Return the matrix in some rows, (rows, size, size)."""
        t = (rows / max(self.rows - 1, 1)).astype(_F4)[:, None, None]
        signs = self.rng.choice(np.array([-1, 1], _F4), len(rows))[:, None, None]
        return self.start + t * self.way + signs * self.noise

    def features(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return what is derived of the matrix in some rows."""
        t = (rows / max(self.rows - 1, 1)).astype(_F4)
        place = t * (_KNOTS - 1)
        before = np.minimum(place.astype(int), _KNOTS - 2)
        share = (place - before)[:, None]
        found = {}
        for key, knots in self.knots.items():
            values = ((1 - share) * knots[before] + share * knots[before + 1]).astype(_F4)
            if key == "dimensionality":
                values += 0.002 * self.rng.standard_normal(values.shape, _F4)
                values[:, self.high] += 0.3 * np.clip((t[:, None] - 0.5) * 100, 0, 1)
            found[f"features/{self.name}/{key}"] = values
        return found


def make(path: Path, sizes: Sequence[int], rows: int, *, sparse: bool = False) -> None:
    """Write a recording of matrices of these sizes; *sparse* only where they are looked at."""
    matrices = [Drifting(f"layer{k}.weight", size, rows, jumps=k % 5 == 0, seed=k) for k, size in enumerate(sizes)]
    channels = [channel_of(matrix.name, size) for matrix, size in zip(matrices, sizes, strict=True)]
    create_file(path, channels, ["loss"], config="{}", token="benchmark")
    store, batch = Store(path), max(1, 2**26 // (4 * sum(size * size for size in sizes)))
    for first in range(0, 1 if sparse else rows, batch):
        step = np.arange(first, min(first + batch, 1 if sparse else rows))
        values = {key: each for matrix in matrices for key, each in matrix.values(step).items()}
        store.append(Block(step, step / 1000, {"loss": 1.0 - 0.9 * step / rows}, values))
    store.close("complete")
    if sparse:
        with h5py.File(path, "r+") as file:
            _fill(file, matrices, rows)


def _fill(file: h5py.File, matrices: Sequence[Drifting], rows: int) -> None:
    """Write the rows that make a recording of one row longer, of the matrices only those that are looked at."""
    step = np.arange(rows)
    for name, values in {"step": step, "time": step / 1000, "scalars/loss": 1.0 - 0.9 * step / rows}.items():
        dataset_at(file, name).resize(rows, axis=0)
        dataset_at(file, name)[:] = values
    asked = np.union1d(looked_at(rows), [round(share * (rows - 1)) for share in _ASKED])
    for matrix in matrices:
        W = dataset_at(file, f"parameters/{matrix.name}")
        W.resize(rows, axis=0)
        for row in asked:
            W[row] = matrix.matrices(np.array([row]))[0]
        for key, values in matrix.features(step).items():
            dataset_at(file, key).resize(rows, axis=0)
            dataset_at(file, key)[:] = values
    dataset_at(file, "committed")[0] = rows


def measured(path: Path, before: str = "") -> tuple[float, float, float, str]:
    """Return the seconds, those of the processor, and the megabytes at most of `dyn info`, and what it says.

    *before* is what its process runs before that.
    """
    code = (
        f"import os, re, sys\nfrom dyn.cli import main\n{before}"
        "try: main(['info', sys.argv[1]])\nexcept SystemExit: pass\n"
        # The peak that getrusage() knows begins with that of the parent.
        "most = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]\n"
        "print(sum(os.times()[:2]), most, file=sys.stderr)"
    )
    began = time.perf_counter()
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    *_, processor, most = run.stderr.split()
    return time.perf_counter() - began, float(processor), int(most) / 1e3, run.stdout


def best(path: Path, before: str = "") -> tuple[float, float, float, str]:
    """Return the quicker of two, by the processor's time."""
    return min((measured(path, before) for _ in range(2)), key=lambda each: each[1])


def main() -> None:
    parser = argparse.ArgumentParser(description="dyn info on a network of many matrices.")
    parser.add_argument("--matrices", type=int, default=50)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--smallest", type=int, default=64)
    parser.add_argument("--largest", type=int, default=512)
    parser.add_argument("--sparse", action="store_true", help="only the rows that are looked at hold matrices")
    parser.add_argument("--folder", type=Path, help="where the recordings lie for a while")
    options = parser.parse_args()
    sizes = np.linspace(options.smallest, options.largest, options.matrices).astype(int).tolist()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        one, every = Path(folder, "one.h5"), Path(folder, "all.h5")
        make(one, [sizes[len(sizes) // 2]], options.rows, sparse=options.sparse)
        make(every, sizes, options.rows, sparse=options.sparse)
        runs = {
            "one of the middle": best(one),
            f"all {len(sizes)}": best(every),
            "all, without chance": best(every, _WITHOUT),
        }
        print(f"{every.stat().st_size / 1e9:.1f} GB of {len(sizes)} matrices, {options.rows:,} rows")
    for name, (seconds, processor, megabytes, _) in runs.items():
        print(f"{name}: {seconds:.1f} s ({processor:.1f} of the processor), {megabytes:.0f} MB at most")
    alone, whole, bare = (each[1] for each in runs.values())
    print(f"all cost {whole / alone:.1f} times as much as one; chance makes it {whole / bare:.2f} times as much")
    print("\n".join(runs[f"all {len(sizes)}"][3].splitlines()[:12]))


if __name__ == "__main__":
    main()
