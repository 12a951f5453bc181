"""How long the levels figure of a large recording takes, and how much memory: opened, drawn and saved as a PNG.

python benchmarks/figures.py [--scale 1.0] [--folder FOLDER]

Makes a recording of 1 000 000 rows of a 6/3 model and one of 50 000 rows of a 400/30 model (3 GB, in a temporary
folder unless one is given), or of a part of these rows, with planted jumps. Each figure is drawn in a process of its
own. Imports are counted too: that is how long `dyn plot` keeps somebody waiting.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

# Rows, features, hidden dimensions, planted jumps, and what is allowed in seconds.
CASES = ((1_000_000, 6, 3, 12, 5.0), (50_000, 400, 30, 12, 10.0))
MEGABYTES_ALLOWED = 1000
BATCH = 1024


def write(path: Path, rows: int, n: int, m: int, events: int) -> None:
    """Write a recording of planted dimensionalities, as the recorder would."""
    from dyn.dynamics.synthetic import Plan, plant
    from dyn.recorders.block import Block
    from dyn.recorders.channels import Channel
    from dyn.recorders.creation import create_file
    from dyn.recorders.store import Store

    truth = plant(Plan(rows=rows, features=n, events=events, ramp=(0.001, 0.03), loss_noise=0.3))
    D = truth.signal.astype(np.float32)
    dtype = np.dtype(np.float32)
    channel = Channel("parameters", "W", (m, n), dtype, dtype, ("W.m", "W.n"), "columns", {"features": "columns"})
    create_file(path, [channel], ["loss", "expected_loss"], config="{}", token="benchmark")
    store = Store(path)
    W = np.zeros((BATCH, m, n), np.float32)
    for start in range(0, rows, BATCH):
        at = slice(start, start + BATCH)
        channels = {f"features/W/{name}": D[at] for name in ("dimensionality", "norm", "interference")}
        channels["parameters/W"] = W[: len(D[at])]
        scalars = {"loss": truth.loss[at] + 20, "expected_loss": truth.expected_loss[at] + 20}
        store.append(Block(truth.step[at], truth.step[at] * 1e-3, scalars, channels))
    store.close("complete")


def draw(path: Path) -> None:
    """Draw the figure in this process, and print the seconds and the megabytes that it took."""
    began = perf_counter()
    import dyn
    from dyn.viz import plot_levels
    from dyn.viz.output import save_figure

    loaded = perf_counter()
    with dyn.open(path) as recording:
        figure = plot_levels(recording)
    plotted = perf_counter()
    save_figure(figure, path.with_suffix(".png"), overwrite=True)
    saved = perf_counter()
    used = resource.getrusage(resource.RUSAGE_SELF)
    # Linux counts in kibibytes.
    memory = used.ru_maxrss * 1024 / 1e6
    print(loaded - began, plotted - loaded, saved - plotted, used.ru_utime + used.ru_stime, memory)


def measure(folder: Path, scale: float) -> bool:
    """Print a line for each case, and return whether all are within what is allowed."""
    print("    rows     n    m   imports s   plot s   save s   all s   of them CPU   allowed s   memory MB")
    within = True
    for rows, n, m, events, allowed in CASES:
        count = max(1000, round(rows * scale))
        path = folder / f"levels-{count}-{n}.h5"
        if not path.exists():
            write(path, count, n, m, events)
        command = [sys.executable, __file__, "--draw", str(path)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        loading, plotting, saving, busy, memory = map(float, told.split())
        total = loading + plotting + saving
        print(f"{count:8d}   {n:3d}   {m:2d}   {loading:9.1f}   {plotting:6.1f}   {saving:6.1f}   {total:5.1f}", end="")
        print(f"   {busy:11.1f}   {allowed:9.1f}   {memory:9.0f}", flush=True)
        within = within and total <= allowed and memory <= MEGABYTES_ALLOWED
    return within


def main() -> None:
    parser = argparse.ArgumentParser(description="The levels figure of large recordings.")
    parser.add_argument("--scale", type=float, default=1.0, help="which part of the rows to make")
    parser.add_argument("--folder", type=Path, help="where the recordings and the figures stay")
    parser.add_argument("--draw", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.draw:
        draw(arguments.draw)
        return
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(not measure(arguments.folder or Path(temporary), arguments.scale))


if __name__ == "__main__":
    main()
