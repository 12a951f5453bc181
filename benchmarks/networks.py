"""What `dyn info` takes on a network of many matrices: its time and memory, beside one of the middle ones alone.

python benchmarks/networks.py [--matrices 50] [--rows 5000] [--smallest 64] [--largest 512] [--folder DIR]

The matrices drift from a random start, with noise, and have features; a twentieth of the features of every fifth jumps.
The recording of all of them holds 4 * rows * all elements bytes: 95 GB by default, 1.9 GB with --rows 100.
That of one is written beside it, and both are told by processes of their own.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dyn.dynamics.geometry import measure
from dyn.recorders.file.creation import create_file
from dyn.recorders.file.store import Store
from dyn.recorders.ring.channels import Block, Channel

_F4 = np.dtype(np.float32)
# D is measured at so many rows, and goes straight between them: nobody looks at more of this recording.
_KNOTS = 20


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
        t = (rows / max(self.rows - 1, 1)).astype(_F4)
        signs = self.rng.choice(np.array([-1, 1], _F4), len(rows))
        W = self.start + t[:, None, None] * self.way + signs[:, None, None] * self.noise
        place = t * (_KNOTS - 1)
        before = np.minimum(place.astype(int), _KNOTS - 2)
        share = (place - before)[:, None]
        found = {f"parameters/{self.name}": W}
        for key, knots in self.knots.items():
            values = ((1 - share) * knots[before] + share * knots[before + 1]).astype(_F4)
            if key == "dimensionality":
                values += 0.002 * self.rng.standard_normal(values.shape, _F4)
                values[:, self.high] += 0.3 * np.clip((t[:, None] - 0.5) * 100, 0, 1)
            found[f"features/{self.name}/{key}"] = values
        return found


def make(path: Path, sizes: Sequence[int], rows: int) -> None:
    """Write a recording of matrices of these sizes."""
    matrices = [Drifting(f"layer{k}.weight", size, rows, jumps=k % 5 == 0, seed=k) for k, size in enumerate(sizes)]
    channels = [channel_of(matrix.name, size) for matrix, size in zip(matrices, sizes, strict=True)]
    create_file(path, channels, ["loss"], config="{}", token="benchmark")
    store, batch = Store(path), max(1, 2**26 // (4 * sum(size * size for size in sizes)))
    for first in range(0, rows, batch):
        step = np.arange(first, min(first + batch, rows))
        values = {key: each for matrix in matrices for key, each in matrix.values(step).items()}
        store.append(Block(step, step / 1000, {"loss": 1.0 - 0.9 * step / rows}, values))
    store.close("complete")


def measured(path: Path) -> tuple[float, float, float, str]:
    """Return the seconds, those of the processor, and the megabytes at most of `dyn info`, and what it says."""
    code = (
        "import resource, sys\nfrom dyn.cli import main\n"
        "try: main(['info', sys.argv[1]])\nexcept SystemExit: pass\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)"
    )
    began = time.perf_counter()
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    *_, processor, most = run.stderr.split()
    return time.perf_counter() - began, float(processor), int(most) / 1e3, run.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description="dyn info on a network of many matrices.")
    parser.add_argument("--matrices", type=int, default=50)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--smallest", type=int, default=64)
    parser.add_argument("--largest", type=int, default=512)
    parser.add_argument("--folder", type=Path, help="where the recordings lie for a while")
    options = parser.parse_args()
    sizes = np.linspace(options.smallest, options.largest, options.matrices).astype(int).tolist()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for name, chosen in (("one of the middle", [sizes[len(sizes) // 2]]), (f"all {len(sizes)}", sizes)):
            path = Path(folder, "run.h5")
            make(path, chosen, options.rows)
            seconds, processor, megabytes, said = measured(path)
            size = path.stat().st_size / 1e9
            print(f"{name}: {size:.2f} GB, {seconds:.1f} s ({processor:.1f} of the processor), {megabytes:.0f} MB")
            path.unlink()
    print("\n".join(said.splitlines()[:12]))


if __name__ == "__main__":
    main()
