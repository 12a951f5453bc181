"""What recording every step costs a training, beside other ways to watch it.

Every way trains the same model from the same seed, in turn with a bare twin of it, in blocks of steps within one
process. A block's ratio is its time over that of the twin's block beside it. The medians over the blocks are printed,
with the microseconds that a step took longer; and the mean of those, because a way that writes many steps at once does
so in few of the blocks.

    pip install -c constraints.txt -e '.[bench]'
    python benchmarks/overhead.py [toy|autoencoder|mlp|batchnorm|transformer …] [--blocks N] [--ways dyn …]
        [--buffers] [--checkpoints K]
"""

import argparse
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import torch
from other_tools import tensorboard_histograms, wandb_watch
from workloads import WORKLOADS, Keep, Workload

import dyn
from dyn.dynamics.geometry.measures import dimensionality

# Pairs of blocks that do not count.
_WARM_UP = 5

Way = Callable[[Workload, Path, ExitStack], Keep]


def nothing(_workload: Workload, _folder: Path, _stack: ExitStack) -> Keep:
    return lambda _: None


def recorder(workload: Workload, folder: Path, stack: ExitStack) -> Keep:
    recording = stack.enter_context(dyn.attach(workload.model, workload.optimizer, folder / "run.h5"))
    return lambda loss: recording.log(loss=loss)


def without_buffers(workload: Workload, folder: Path, stack: ExitStack) -> Keep:
    recording = stack.enter_context(
        dyn.attach(workload.model, workload.optimizer, folder / "without_buffers.h5", buffers=False)
    )
    return lambda loss: recording.log(loss=loss)


def with_checkpoints(every: int) -> Way:
    def keeping(workload: Workload, folder: Path, stack: ExitStack) -> Keep:
        path = folder / "checkpoints.h5"
        recording = stack.enter_context(dyn.attach(workload.model, workload.optimizer, path, checkpoint_every=every))
        return lambda loss: recording.log(loss=loss)

    return keeping


def list_of_clones(workload: Workload, _folder: Path, _stack: ExitStack) -> Keep:
    kept = []

    def keep(loss: torch.Tensor) -> None:
        kept.append((loss.item(), *(p.detach().clone() for p in workload.model.parameters())))
        # Keeping all of a large model would need more memory than there is.
        del kept[:-1000]

    return keep


def naive_hdf5(workload: Workload, folder: Path, stack: ExitStack) -> Keep:
    file = stack.enter_context(h5py.File(folder / "naive.h5", "w"))
    named = dict(workload.model.named_parameters())
    sets = {
        name: file.create_dataset(name, (0, *p.shape), "f4", maxshape=(None, *p.shape)) for name, p in named.items()
    }
    measured = {name: f"{name} D" for name, p in named.items() if p.ndim == 2 and p.numel() < 2**12}
    for name, title in measured.items():
        sets[title] = file.create_dataset(title, (0, named[name].shape[1]), "f4", maxshape=(None, named[name].shape[1]))
    sets["loss"] = file.create_dataset("the loss", (0,), "f4", maxshape=(None,))

    def keep(loss: torch.Tensor) -> None:
        values = {"loss": loss, **{name: p.detach() for name, p in named.items()}}
        values.update((title, dimensionality(values[name])) for name, title in measured.items())
        for name, value in values.items():
            rows = len(sets[name])
            sets[name].resize(rows + 1, axis=0)
            sets[name][rows] = value

    return keep


def torch_save(workload: Workload, folder: Path, _stack: ExitStack) -> Keep:
    count = iter(range(10**9))

    def keep(loss: torch.Tensor) -> None:
        k = next(count)
        torch.save({**workload.model.state_dict(), "loss": loss}, folder / f"{k}.pt")
        (folder / f"{k - 1000}.pt").unlink(missing_ok=True)

    return keep


def tensorboard_scalars(_workload: Workload, folder: Path, stack: ExitStack) -> Keep:
    from torch.utils.tensorboard import SummaryWriter

    writer = stack.enter_context(SummaryWriter(folder))
    count = iter(range(10**9))
    return lambda loss: writer.add_scalar("loss", loss, next(count))


WAYS: dict[str, Way] = {
    "bare again (the noise)": nothing,
    "dyn.attach, D in the file": recorder,
    "list of clones, in memory": list_of_clones,
    "TensorBoard, loss only": tensorboard_scalars,
    "TensorBoard, histograms": partial(tensorboard_histograms, gradients=False),
    "wandb.watch, offline": partial(wandb_watch, log="parameters"),
    "h5py append and D per step": naive_hdf5,
    "torch.save per step": torch_save,
}


@dataclass
class Cost:
    """What a way costs, in microseconds a step beside those of a bare step."""

    ratio: float
    added: float
    # The median lies between them with a confidence of 95 %.
    least: float
    most: float
    # The mean, in which writing that comes once in many blocks counts as well.
    mean: float
    bare: float

    def __str__(self) -> str:
        interval = f"{self.least:.1f} to {self.most:.1f}"
        return f"{self.ratio:6.3f}   {self.added:8.1f}   {interval:>16s}   {self.mean:8.1f}   {self.bare:8.0f}"


def compare(way: Way, make: Callable[[], Workload], blocks: int, steps: int, *, beside: Way = nothing) -> Cost:
    """Return what *way* costs in so many pairs of blocks, beside a bare training or another way."""
    torch.manual_seed(0)
    bare = make()
    torch.manual_seed(0)
    kept = make()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, ExitStack() as stack:
        keep, skip = way(kept, Path(folder), stack), beside(bare, Path(folder), stack)
        pairs = []
        for block in range(blocks + _WARM_UP):
            # Who goes first alternates, so that neither always finds the caches warm.
            runs = [(bare, skip), (kept, keep)][:: 1 if block % 2 else -1]
            seconds = {id(workload): workload.run(each, steps) for workload, each in runs}
            pairs.append((seconds[id(bare)], seconds[id(kept)]))
    without, with_it = np.array(pairs[_WARM_UP:]).T * 1e6 / steps
    return cost(without, with_it)


def cost(without: np.ndarray, with_it: np.ndarray) -> Cost:
    """Return what the second of paired times cost beside the first."""
    added, bare = np.sort(with_it - without), float(np.median(without))
    median, n = float(np.median(added)), len(added)
    # Of n signs a binomial number are positive.
    reach = min(round(0.98 * np.sqrt(n)), n // 2)
    # A block that another process held up says nothing; what the ways here write at once takes less than a block.
    held_back = np.clip(added, median - bare, median + bare)
    return Cost(
        float(np.median(with_it / without)),
        median,
        float(added[n // 2 - reach]),
        float(added[min(n // 2 + reach, n - 1)]),
        float(held_back.mean()),
        bare,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="What recording every step costs a training.")
    parser.add_argument("workloads", nargs="*", metavar="|".join(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--blocks", type=int, help="pairs of blocks for each way (default: as many as the model needs)")
    parser.add_argument("--ways", nargs="*", default=[""], help="only those whose name contains one of these")
    parser.add_argument("--buffers", action="store_true", help="also recording them beside recording without them")
    parser.add_argument("--checkpoints", type=int, metavar="K", help="also one each K steps, beside none")
    arguments = parser.parse_args()
    for title in arguments.workloads:
        make, steps, usual, threads = WORKLOADS[title]
        blocks = arguments.blocks or usual
        torch.set_num_threads(threads)
        print(f"{make.__doc__}\n{blocks} pairs of blocks of {steps} steps; microseconds a step")
        print(f"{'':28s}   ratio      added   95 % of medians       mean       bare")
        for name, way in WAYS.items():
            if not any(part in name for part in arguments.ways):
                continue
            try:
                print(f"{name:28s}  {compare(way, make, blocks, steps)}", flush=True)
            except ImportError as error:
                print(f"{name:28s}  {error}: pip install 'learning-dynamics[bench]'")
        if arguments.buffers:
            print(f"{'buffers, beside none':28s}  {compare(recorder, make, blocks, steps, beside=without_buffers)}")
        if every := arguments.checkpoints:
            name = f"a checkpoint each {every}"
            print(f"{name:28s}  {compare(with_checkpoints(every), make, blocks, steps, beside=recorder)}")
        print()


if __name__ == "__main__":
    main()
