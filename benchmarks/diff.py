"""Compare two runs of 20 000 steps that part at a step nobody told: is it found, how soon, and how much is read for it?

Partings of several kinds are planted in a copy: one bit of one element, all of a parameter, NaN in one run, NaN in both
some time after. A few of them are told by the command, start included.

    python benchmarks/diff.py [--partings 200] [--rows 20000] [--commands 5]
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import nn

import dyn
from dyn.recorders.file.hdf5 import dataset_at

KINDS = ("bit", "all", "nan", "both-nan")


def record(path: Path, rows: int) -> None:
    """Record thirty features in five dimensions, a random walk."""
    model = nn.Linear(30, 5)
    generator = torch.Generator().manual_seed(0)
    with dyn.attach(model, None, path, features={"weight": "columns"}) as recorder, torch.no_grad():
        for k in range(rows):
            model.weight.add_(1e-3 * torch.randn(5, 30, generator=generator))
            model.bias.add_(1e-3 * torch.randn(5, generator=generator))
            recorder.step(loss=1 / (k + 1))


def plant(paths: list[Path], kind: str, row: int, rng: np.random.Generator) -> Callable[[], None]:
    """Let the second recording part from the first one; return what undoes it."""
    name = f"parameters/{rng.choice(['weight', 'bias'])}"
    kept = []
    for k, path in enumerate(paths):
        with h5py.File(path, "r+") as file:
            dataset = dataset_at(file, name)
            kept.append((path, values := dataset[row:]))
            changed = values.copy()
            at = (slice(None), *(int(rng.integers(size)) for size in values.shape[1:]))
            if k:
                how = np.nan if kind == "nan" else np.nextafter(values[at], np.float32(np.inf))
                changed[at if kind != "all" else ...] = how if kind != "all" else values + 1e-3
            if kind == "both-nan":
                changed[max(1, len(values) // 2) :] = np.nan
            dataset[row:] = changed

    def undo() -> None:
        for path, values in kept:
            with h5py.File(path, "r+") as file:
                dataset_at(file, name)[row:] = values

    return undo


def bytes_read() -> int:
    """Return how many bytes this process has read so far."""
    return int(Path("/proc/self/io").read_text().split()[1])


def main() -> None:
    """Plant, compare, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--partings", type=int, default=200)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--commands", type=int, default=5)
    options = parser.parse_args()
    rng, seconds, shares, commands, wrong = np.random.default_rng(0), [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, "a.h5"), Path(folder, "b.h5")]
        record(paths[0], options.rows)
        shutil.copy(*paths)
        size = sum(path.stat().st_size for path in paths)
        assert dyn.diff(*paths).is_equal
        for k in range(options.partings):
            kind, row = KINDS[k % len(KINDS)], int(rng.integers(options.rows - 2))
            undo = plant(paths, kind, row, rng)
            start, before = time.perf_counter(), bytes_read()
            found = dyn.diff(*paths).step
            seconds.append(time.perf_counter() - start)
            shares.append((bytes_read() - before) / size)
            if found != row:
                wrong.append((kind, row, found))
            if k < options.commands:
                start = time.perf_counter()
                subprocess.run([sys.executable, "-m", "dyn", "diff", *paths], check=False, capture_output=True)
                commands.append(time.perf_counter() - start)
            undo()
    print(f"{options.partings - len(wrong)} of {options.partings} partings in their row; wrong: {wrong or 'none'}")
    print(f"dyn.diff: median {np.median(seconds) * 1e3:.0f} ms, at most {max(seconds) * 1e3:.0f} ms")
    print(f"read of the files: median {np.median(shares):.1%}, at most {max(shares):.1%}")
    if commands:
        print(f"dyn diff, start included: median {np.median(commands):.2f} s, at most {max(commands):.2f} s")


if __name__ == "__main__":
    main()
