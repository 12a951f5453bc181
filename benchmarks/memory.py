"""How much memory a recording takes over a million steps: a ring that is full is used again.

python benchmarks/memory.py [--steps 1000000]
"""

import argparse
import resource
import tempfile
from pathlib import Path

import torch
from torch import nn

import dyn


def resident() -> float:
    """Return the megabytes of memory that this process has at this moment."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description="Memory over a long recording.")
    parser.add_argument("--steps", type=int, default=10**6)
    steps = parser.parse_args().steps
    torch.set_num_threads(1)
    model = nn.Linear(6, 3)
    x = torch.rand(4, 6)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    with tempfile.TemporaryDirectory() as folder, dyn.attach(model, optimizer, Path(folder, "run.h5")) as recorder:
        print("    step   resident MB   file MB")
        for step in range(steps + 1):
            loss = model(x).square().mean()
            optimizer.zero_grad()
            loss.backward()
            recorder.log(loss=loss)
            optimizer.step()
            if step % (steps // 10) == 0:
                print(f"{step:8d}   {resident():11.1f}   {recorder.path.stat().st_size / 1e6:7.1f}", flush=True)


if __name__ == "__main__":
    main()
