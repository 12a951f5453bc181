"""What recording every step costs a training, beside other ways to keep the parameters of every step.

Every way trains the same toy model (6 features, 3 dimensions, batch 1024, Adam) from the same seed, in turn with a bare
twin of it, in blocks of steps within one process. A block's ratio is its time over that of the twin's block beside it;
the median over the blocks is printed, with the microseconds that each step took longer. Everything a way does counts,
writing included.

    python benchmarks/overhead.py [--blocks 60] [--steps 100]
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

import h5py
import torch

import dyn
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.dynamics.geometry import dimensionality
from dyn.dynamics.training import Training, weighted_loss

# Called in each step, between the backward pass and the optimizer's step.
Keep = Callable[[torch.Tensor], None]
Way = Callable[[Training, Path, ExitStack], Keep]


def nothing(_training: Training, _folder: Path, _stack: ExitStack) -> Keep:
    return lambda _: None


def recorder(training: Training, folder: Path, stack: ExitStack) -> Keep:
    recording = stack.enter_context(dyn.attach(training.model, training.optimizer, folder / "run.h5"))
    return lambda loss: recording.log(loss=loss)


def list_of_clones(training: Training, _folder: Path, _stack: ExitStack) -> Keep:
    kept = []

    def keep(loss: torch.Tensor) -> None:
        kept.append((loss.item(), *(p.detach().clone() for p in training.model.parameters())))

    return keep


def naive_hdf5(training: Training, folder: Path, stack: ExitStack) -> Keep:
    file = stack.enter_context(h5py.File(folder / "naive.h5", "w"))
    shapes = {"W": (3, 6), "b": (6,), "D": (6,), "loss": ()}
    sets = {
        name: file.create_dataset(name, (0, *shape), "f4", maxshape=(None, *shape)) for name, shape in shapes.items()
    }

    def keep(loss: torch.Tensor) -> None:
        W, b = training.model.W.detach(), training.model.b.detach()
        for name, value in {"W": W, "b": b, "D": dimensionality(W), "loss": loss}.items():
            rows = len(sets[name])
            sets[name].resize(rows + 1, axis=0)
            sets[name][rows] = value

    return keep


def torch_save(training: Training, folder: Path, _stack: ExitStack) -> Keep:
    count = iter(range(10**9))
    return lambda loss: torch.save({**training.model.state_dict(), "loss": loss}, folder / f"{next(count)}.pt")


WAYS: dict[str, Way] = {
    "bare again (the noise)": nothing,
    "dyn.attach, D in the file": recorder,
    "list of clones, in memory": list_of_clones,
    "h5py append and D per step": naive_hdf5,
    "torch.save per step": torch_save,
}


def new_training() -> Training:
    return Training(EXPERIMENTS["geometry"].with_settings(steps=10**9))


def run_block(training: Training, keep: Keep, steps: int) -> float:
    """Take *steps* steps as a user's own loop would, and return the seconds."""
    began = perf_counter()
    for _ in range(steps):
        x = training.sample()
        loss = weighted_loss(x, training.model(x), training.weights)
        training.optimizer.zero_grad()
        loss.backward()
        keep(loss.detach())
        training.optimizer.step()
    return perf_counter() - began


def compare(way: Way, blocks: int, steps: int) -> tuple[float, float, float]:
    """Return the median ratio, the median microseconds added to a step, and a bare step's microseconds."""
    bare, kept = new_training(), new_training()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        keep, skip = way(kept, Path(folder), stack), nothing(bare, Path(folder), stack)
        pairs = []
        for block in range(blocks + 2):
            # Who goes first alternates, so that neither always finds the caches warm.
            runs = [(bare, skip), (kept, keep)][:: 1 if block % 2 else -1]
            seconds = {id(training): run_block(training, each, steps) for training, each in runs}
            pairs.append((seconds[id(bare)], seconds[id(kept)]))
    pairs = pairs[2:]
    ratio = statistics.median(with_it / without for without, with_it in pairs)
    added = statistics.median(with_it - without for without, with_it in pairs) / steps * 1e6
    return ratio, added, statistics.median(without for without, _ in pairs) / steps * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description="What recording every step of the 6 -> 3 toy model costs.")
    parser.add_argument("--blocks", type=int, default=60)
    parser.add_argument("--steps", type=int, default=100)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'':28s}  ratio   added us   bare step us   ({arguments.blocks} blocks of {arguments.steps} steps)")
    for name, way in WAYS.items():
        ratio, added, bare = compare(way, arguments.blocks, arguments.steps)
        print(f"{name:28s}  {ratio:5.3f}   {added:8.1f}   {bare:12.0f}", flush=True)


if __name__ == "__main__":
    main()
