"""What summaries of a transformer of 25 million parameters cost, beside wandb.watch and TensorBoard; and their errors.

    pip install -c constraints.txt -e '.[bench]'
    python benchmarks/summaries.py [cost] [memory] [errors] [--pairs N] [--threads N] [--layers 12] [--width 416]

cost: every way trains the same model in turn with one bare twin of it, a step each, in one process; the ratio of the
sums of seconds, that of the seconds of this process's processors, which other work on the machine does not lengthen
(what another process writes is not among them), and the median of the ratios of pairs. memory: what a recording adds
to a training that has taken its steps, at the moment and at most. errors: a model of 0.8 million parameters, recorded
whole and by summaries in one run; its sketch against what it is a sketch of.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import torch
from other_tools import tensorboard_histograms, wandb_watch
from torch import nn
from workloads import Keep, Workload

import dyn
from dyn.dynamics.geometry.sketches import sketched_cosines

_VOCABULARY, _LENGTH = 256, 64
Way = Callable[[Workload, Path, ExitStack], Keep]


def transformer(layers: int, width: int, sequences: int) -> Workload:
    """A transformer made at random, trained on tokens at random."""
    layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True)
    body = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
    model = nn.Sequential(nn.Embedding(_VOCABULARY, width), body, nn.Linear(width, _VOCABULARY))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    generator = torch.Generator().manual_seed(0)

    def loss() -> torch.Tensor:
        # Each token is the one before, but for a fifth of them.
        x = torch.randint(_VOCABULARY, (sequences, 1), generator=generator).expand(-1, _LENGTH).clone()
        changed = torch.rand(x.shape, generator=generator) < 0.2
        x[changed] = torch.randint(_VOCABULARY, (int(changed.sum()),), generator=generator)
        return nn.functional.cross_entropy(model(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten())

    return Workload(model, optimizer, loss)


def nothing(_workload: Workload, _folder: Path, _stack: ExitStack) -> Keep:
    return lambda _: None


def summaries(workload: Workload, folder: Path, stack: ExitStack) -> Keep:
    path = folder / "summaries.h5"
    recorder = stack.enter_context(dyn.attach(workload.model, workload.optimizer, path, summaries=True))
    return lambda loss: recorder.log(loss=loss)


def whole(workload: Workload, folder: Path, stack: ExitStack) -> Keep:
    recorder = stack.enter_context(dyn.attach(workload.model, workload.optimizer, folder / "whole.h5"))
    return lambda loss: recorder.log(loss=loss)


WAYS: dict[str, Way] = {
    "bare again (the noise)": nothing,
    "dyn, summaries": summaries,
    "dyn, whole parameters": whole,
    "TensorBoard, histograms": partial(tensorboard_histograms, gradients=True),
    "wandb.watch, log=all": partial(wandb_watch, log="all"),
}


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def tell_cost(make: Callable[[], Workload], pairs: int, ways: list[str]) -> None:
    torch.manual_seed(0)
    bare = make()
    count = sum(p.numel() for p in bare.model.parameters())
    print(f"{count:,} parameters, {pairs} pairs of a bare step and a watched one, {torch.get_num_threads()} threads")
    print(f"{'':26s} of the sums   of their processor   median of pairs   quartiles       s a step   kB a row")
    for name, way in WAYS.items():
        if ways and not any(each in name for each in ways):
            continue
        torch.manual_seed(0)
        kept = make()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, ExitStack() as stack:
            keep = way(kept, Path(folder), stack)
            seconds = []
            for k in range(pairs + 2):
                runs = [(bare, lambda _: None), (kept, keep)][:: 1 if k % 2 else -1]
                took = {id(workload): timed(workload, each) for workload, each in runs}
                seconds.append((took[id(bare)], took[id(kept)]))
            stack.close()
            size = size_of(Path(folder))
        # Pairs, bare and watched, wall and processor.
        found = np.array(seconds[2:])
        (wall, own), (one, _) = found[:, 1].sum(0) / found[:, 0].sum(0), found[:, 0].mean(0)
        low, middle, high = np.quantile(found[:, 1, 0] / found[:, 0, 0], [0.25, 0.5, 0.75])
        print(
            f"{name:26s} {wall:11.3f} {own:17.3f} {middle:17.3f}   {low:.3f} to {high:.3f} {one:10.2f}"
            f" {size / 1000 / (pairs + 3):10.1f}",
            flush=True,
        )


def timed(workload: Workload, keep: Keep) -> tuple[float, float]:
    """Take a step, and return the seconds that went by and those of this process's processors."""
    began = time.process_time()
    return workload.run(keep, 1), time.process_time() - began


def tell_memory(make: Callable[[], Workload], rows: int) -> None:
    """Print what memory a recording adds to a training that has taken its steps, after so many rows by hand."""
    torch.manual_seed(0)
    workload = make()
    workload.run(lambda _: None, 3)
    before = memory()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        recorder = dyn.attach(workload.model, workload.optimizer, Path(folder, "run.h5"), summaries=True)
        workload.run(lambda loss: recorder.log(loss=loss), 2)
        for _ in range(rows):
            recorder.step()
        after = memory()
        recorder.close()
        size = size_of(Path(folder))
    largest = max(p.nbytes for p in workload.model.parameters()) / 1e6
    print(f"{recorder.bytes_per_row / 1000:.1f} kB a row; {size / 1000 / (rows + 3):.1f} in a file of {rows + 3} rows")
    more = ", ".join(f"{key} {after[key] - before[key]:+.1f} MB" for key in before)
    print(f"{more}, of {before['VmHWM']:.0f} MB; the largest matrix has {largest:.1f} MB")


def memory() -> dict[str, float]:
    """Return the megabytes that this process has, and had at most."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {key: int(lines[key].split()[0]) / 1000 for key in ("VmRSS", "VmHWM")}


def tell_errors(steps: int) -> None:
    """Print what sketches say of a run that was recorded whole beside."""
    torch.manual_seed(0)
    workload = transformer(4, 128, 8)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        keeps = [way(workload, Path(folder), stack) for way in (summaries, whole)]

        def keep_both(loss: torch.Tensor) -> None:
            for keep in keeps:
                keep(loss)

        workload.run(keep_both, steps)
        stack.close()
        with dyn.open(Path(folder, "summaries.h5")) as few, dyn.open(Path(folder, "whole.h5")) as many:
            compare(few, many)


def compare(few: dyn.Recording, many: dyn.Recording) -> None:
    T = len(many)
    theta = np.concatenate([each[:].reshape(T, -1) for each in many.parameters.values()], axis=1)
    print(f"{theta.shape[1]:,} parameters, {T} rows, {len(few.summaries)} sketches")
    start = theta[0].astype(np.float64)
    far = np.array([np.linalg.norm(each - start) for each in theta[1:]])
    for k in range(T - 1):
        theta[k] = theta[k + 1] - theta[k]
    moved = theta[:-1]
    products = (moved @ moved.T).astype(np.float64)
    sizes = np.sqrt(np.diag(products))
    cosines = products / np.outer(sizes, sizes)
    summaries = few.summaries
    tell("updates", summaries.updates().value / sizes - 1, summaries.updates().error / sizes)
    tell("distances", summaries.distances().value[1:] / far - 1, summaries.distances().error[1:] / far)
    tell("cosines", summaries.cosines().value - np.diag(cosines, 1), summaries.cosines().error, np.diag(cosines, 1))
    steps = np.diff(
        np.concatenate([each["sketch"][:] for each in summaries.values()], axis=1).astype(np.float64), axis=0
    )
    one, other = np.triu_indices(T - 1, 1)
    any_two = np.random.default_rng(0).choice(len(one), min(len(one), 1000), replace=False)
    one, other = one[any_two], other[any_two]
    found = sketched_cosines(steps[one], steps[other], summaries.parts())
    tell("cosines of any two", found.value - cosines[one, other], found.error, cosines[one, other])
    # The way is the sum of its motions.
    sums = np.tri(T, T - 1, -1)
    centred = sums - sums.mean(0)
    variances = np.linalg.eigvalsh(centred @ products @ centred.T)[::-1]
    _, components = summaries.components()
    print(f"shares     {components.shares.round(4)}, stated to {components.error.round(4)}")
    print(f"exact      {(variances[:3] / variances.sum()).round(4)}")


def tell(name: str, off: np.ndarray, stated: np.ndarray, values: np.ndarray | None = None) -> None:
    about = "" if values is None else f"; they are {values.min():.2f} to {values.max():.2f}"
    print(f"{name:18s} off by {rms(off):.4f} rms, stated {rms(stated):.4f}{about}")


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def main() -> None:
    parser = argparse.ArgumentParser(description="What summaries cost, and how right they are.")
    parser.add_argument("what", nargs="*", default=["cost", "memory", "errors"])
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--steps", type=int, default=300, help="of the run whose errors are told")
    parser.add_argument("--rows", type=int, default=300, help="taken where memory is told")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=416)
    parser.add_argument("--sequences", type=int, default=6)
    parser.add_argument("--ways", nargs="*", default=[], help="only those whose name contains one of these")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    def make() -> Workload:
        return transformer(arguments.layers, arguments.width, arguments.sequences)

    if "cost" in arguments.what:
        tell_cost(make, arguments.pairs, arguments.ways)
    if "memory" in arguments.what:
        tell_memory(make, arguments.rows)
    if "errors" in arguments.what:
        tell_errors(arguments.steps)


if __name__ == "__main__":
    main()
