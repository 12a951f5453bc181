"""How long the figures of a large recording take, and how much memory: opened, drawn and saved, imports included.

python benchmarks/figures.py [levels|memory] [--scale 1.0] [--gb 3] [--folder FOLDER]

*levels* draws the levels figure of a recording of 1 000 000 rows of a 6/3 model and of one of 50 000 rows of a 400/30
model, or of a part of these rows. *memory* makes recordings of --gb GB each, with planted jumps and weights that
turn, and prints what each figure, a short movie, the page and the summary take of them. Each is made by a process of
its own. The recordings are in a temporary folder unless one is given.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dyn.recorders.ring.channels import Block

# Rows, features, hidden dimensions, and what is allowed in seconds.
LEVELS = ((1_000_000, 6, 3, 5.0), (50_000, 400, 30, 10.0))
# Features, hidden dimensions, and what is made of them.
SINGLE = ("info", "plot levels", "plot demonstration", "plot regimes", "plot spectrum", "report", "animate")
LARGE = ((24, 3, SINGLE), (400, 3, ("info", "plot levels", "report", "animate")))
OPTIONS = {"info": [], "plot": ["--force", "-o", "x.png"], "report": ["--force", "-o", "x.html"]}
OPTIONS["animate"] = ["--force", "-o", "x.gif", "--seconds", "3", "--fps", "10", "--size", "480x270"]
MEGABYTES_ALLOWED = 1000
BATCH, PLANTED = 1024, 20_000


def write(path: Path, rows: int, n: int, m: int) -> None:
    """Write a recording of planted dimensionalities, as the recorder would, a batch of rows in memory at a time."""
    from dyn.dynamics.experiments import EXPERIMENTS
    from dyn.recorders.file.creation import create_file
    from dyn.recorders.file.store import Store
    from dyn.recorders.ring.channels import Channel

    f4 = np.dtype(np.float32)
    sizes = {"n_features": n, "n_hidden": m, "steps": rows}
    channels = [
        Channel("parameters", "W", (m, n), f4, f4, ("W.m", "W.n"), "columns", {"features": "columns"}),
        Channel("parameters", "b", (n,), f4, f4, ("b.n",)),
    ]
    config = json.dumps({"experiment": EXPERIMENTS["energy-levels"].with_settings(**sizes).as_dict()})
    create_file(path, channels, ["loss", "expected_loss"], config=config, token="benchmark")
    store = Store(path)
    for block in _blocks(rows, n, m):
        store.append(block)
    store.close("complete")


def _blocks(rows: int, n: int, m: int) -> Iterator["Block"]:
    """Yield batches of rows: a planted run in which each row stands for several, with noise of their own."""
    from dyn.dynamics.synthetic.trajectories import Plan, plant
    from dyn.recorders.ring.channels import Block

    planted = min(rows, PLANTED)
    truth = plant(Plan(rows=planted, features=n, events=12, ramp=(0.001, 0.03), noise=0, loss_noise=0.3))
    rng = np.random.default_rng(0)
    W0 = rng.normal(size=(m, n)) / m**0.5
    for start in range(0, rows, BATCH):
        step = np.arange(start, min(start + BATCH, rows))
        at = step * planted // rows
        D = truth.clean[at].astype(np.float32) + np.float32(0.02) * rng.standard_normal((len(at), n), np.float32)
        turn = np.tile(np.eye(m), (len(at), 1, 1))
        cosine, sine = np.cos(3 * step / rows), np.sin(3 * step / rows)
        turn[:, 0, 0], turn[:, 0, 1], turn[:, 1, 0], turn[:, 1, 1] = cosine, -sine, sine, cosine
        channels: dict[str, np.ndarray] = {
            f"features/W/{name}": D for name in ("dimensionality", "norm", "interference")
        }
        channels["parameters/W"] = (np.sqrt((1 + step) / rows)[:, None, None] * (turn @ W0)).astype(np.float32)
        channels["parameters/b"] = np.zeros((len(at), n), np.float32)
        loss = truth.expected_loss[at] + 20
        yield Block(step, step * 1e-3, {"loss": loss + rng.normal(size=len(at)), "expected_loss": loss}, channels)


def run(command: list[str], folder: Path) -> tuple[float, float, float]:
    """Run the command line, and return the seconds it takes, those of the processor, and its megabytes."""
    began = perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "dyn", *command], cwd=folder, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"dyn {' '.join(command)} failed")
    # Linux counts in kibibytes.
    return perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6


def measure(folder: Path, cases: Sequence[tuple[int, int, int, Sequence[str], float]]) -> bool:
    """Print a line for each of what is made, and return whether all are within what is allowed."""
    print("   rows     n    m    GB   made                  all s   CPU s   memory MB")
    within = True
    for rows, n, m, made, allowed in cases:
        path = folder / f"figures-{rows}-{n}.h5"
        if not path.exists():
            write(path, rows, n, m)
        for command in made:
            name, *kind = command.split()
            seconds, busy, memory = run([name, str(path), *kind, *OPTIONS[name]], folder)
            print(f"{rows:7d}   {n:3d}   {m:2d}   {path.stat().st_size / 1e9:3.1f}   {command:20}", end="")
            print(f"  {seconds:5.1f}   {busy:5.1f}   {memory:9.0f}", flush=True)
            within = within and seconds <= allowed and memory <= MEGABYTES_ALLOWED
    return within


def main() -> None:
    parser = argparse.ArgumentParser(description="Figures of large recordings.")
    parser.add_argument("what", nargs="?", choices=("levels", "memory"), default="levels")
    parser.add_argument("--scale", type=float, default=1.0, help="levels: which part of the rows to make")
    parser.add_argument("--gb", type=float, default=3.0, help="memory: the size of each recording")
    parser.add_argument("--folder", type=Path, help="where the recordings and the figures stay")
    arguments = parser.parse_args()
    levels = [(max(1000, round(k * arguments.scale)), n, m, ("plot levels",), allowed) for k, n, m, allowed in LEVELS]
    # Of each row four values of each feature beside the matrix, and four numbers.
    large = [(round(arguments.gb * 1e9 / (4 * n * (m + 4) + 32)), n, m, made, float("inf")) for n, m, made in LARGE]
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).absolute()
        sys.exit(not measure(folder, levels if arguments.what == "levels" else large))


if __name__ == "__main__":
    main()
