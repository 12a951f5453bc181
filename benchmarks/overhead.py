"""What recording every step costs a training, beside other ways to watch it.

Every way trains the same model from the same seed, in turn with a bare twin of it, in blocks of steps within one
process. A block's ratio is its time over that of the twin's block beside it; the median over the blocks is printed,
with the microseconds that each step took longer. Everything a way does counts, writing included, while the training
runs.

    pip install -c constraints.txt -e '.[bench]'
    python benchmarks/overhead.py [toy|autoencoder|mlp|transformer …] [--blocks 60] [--ways dyn …]
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import h5py
import torch
from workloads import WORKLOADS, Keep, Workload

import dyn
from dyn.dynamics.geometry import dimensionality

Way = Callable[[Workload, Path, ExitStack], Keep]


def nothing(_workload: Workload, _folder: Path, _stack: ExitStack) -> Keep:
    return lambda _: None


def recorder(workload: Workload, folder: Path, stack: ExitStack) -> Keep:
    recording = stack.enter_context(dyn.attach(workload.model, workload.optimizer, folder / "run.h5"))
    return lambda loss: recording.log(loss=loss)


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


def tensorboard_histograms(workload: Workload, folder: Path, stack: ExitStack) -> Keep:
    from torch.utils.tensorboard import SummaryWriter

    writer = stack.enter_context(SummaryWriter(folder))
    count = iter(range(10**9))

    def keep(loss: torch.Tensor) -> None:
        k = next(count)
        writer.add_scalar("loss", loss, k)
        for name, p in workload.model.named_parameters():
            writer.add_histogram(name, p, k)

    return keep


def wandb_watch(workload: Workload, folder: Path, stack: ExitStack) -> Keep:
    os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", WANDB_DIR=str(folder))
    wandb = import_module("wandb")
    run = wandb.init(project="overhead", dir=folder)
    stack.callback(run.finish)
    run.watch(workload.model, log="parameters", log_freq=1)
    return lambda loss: run.log({"loss": loss.item()})


WAYS: dict[str, Way] = {
    "bare again (the noise)": nothing,
    "dyn.attach, D in the file": recorder,
    "list of clones, in memory": list_of_clones,
    "TensorBoard, loss only": tensorboard_scalars,
    "TensorBoard, histograms": tensorboard_histograms,
    "wandb.watch, offline": wandb_watch,
    "h5py append and D per step": naive_hdf5,
    "torch.save per step": torch_save,
}


def compare(way: Way, make: Callable[[], Workload], blocks: int, steps: int) -> tuple[float, float, float]:
    """Return the median ratio, the median microseconds added to a step, and a bare step's microseconds."""
    torch.manual_seed(0)
    bare = make()
    torch.manual_seed(0)
    kept = make()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, ExitStack() as stack:
        keep, skip = way(kept, Path(folder), stack), nothing(bare, Path(folder), stack)
        pairs = []
        for block in range(blocks + 2):
            # Who goes first alternates, so that neither always finds the caches warm.
            runs = [(bare, skip), (kept, keep)][:: 1 if block % 2 else -1]
            seconds = {id(workload): workload.run(each, steps) for workload, each in runs}
            pairs.append((seconds[id(bare)], seconds[id(kept)]))
    pairs = pairs[2:]
    ratio = statistics.median(with_it / without for without, with_it in pairs)
    added = statistics.median(with_it - without for without, with_it in pairs) / steps * 1e6
    return ratio, added, statistics.median(without for without, _ in pairs) / steps * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description="What recording every step costs a training.")
    parser.add_argument("workloads", nargs="*", metavar="|".join(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--blocks", type=int, default=60)
    parser.add_argument("--ways", nargs="*", default=[""], help="only those whose name contains one of these")
    arguments = parser.parse_args()
    for title in arguments.workloads:
        make, steps, threads = WORKLOADS[title]
        torch.set_num_threads(threads)
        print(
            f"{make.__doc__}\n{'':28s}  ratio   added us   bare step us   ({arguments.blocks} blocks of {steps} steps)"
        )
        for name, way in WAYS.items():
            if not any(part in name for part in arguments.ways):
                continue
            try:
                ratio, added, bare = compare(way, make, arguments.blocks, steps)
            except ImportError as error:
                print(f"{name:28s}  {error}: pip install 'learning-dynamics[bench]'")
                continue
            print(f"{name:28s}  {ratio:5.3f}   {added:8.1f}   {bare:12.0f}", flush=True)
        print()


if __name__ == "__main__":
    main()
