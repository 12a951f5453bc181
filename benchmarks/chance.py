"""What is said of matrices that learned nothing, and which planted groups are found among random features.

Controls are recordings in which nothing is true: matrices that stay still, that walk at random, that were trained and
have each column turned by its own random rotation, the same at every row, and the layers of PyTorch as they are
initialised. A control has something named where `dyn info` or `dyn jumps` says a level, a shape, a regime or a jump of
any of its matrices; 1 % may.

Power is the share of draws in which a planted group is named where an exhaustive search at the same family-wise rate
finds 99 %: it knows the shape and not the features, ranks all groups by the distance of their cosines from
the shape's, and its threshold is the 1 % quantile of the least distance among as many random features. The noise at
which it finds 99 % is that of 8 000 draws, the same at each noise that is tried; what is named is counted in others.

    python benchmarks/chance.py [--controls 2000] [--draws 400] [--null 20000] [--seed 0] [--shapes digon...]

Layers are those of twelve kinds of networks, trained (benchmarks/trained_layers.py), with nothing left of how their
features lie but the covariance: W with its right singular vectors turned at random, and as many directions drawn with
the covariance of W's, with the lengths of its columns. What is said of the layers themselves is listed, to be judged by
eye.

    python benchmarks/chance.py --layers 4 [--seed 0]

Few features tell little of how directions crowd: of twelve, drawn with a few strong directions, it is counted how many
have a name.

    python benchmarks/chance.py --few 300 [--seed 0]

Cost is the CPU time of what `dyn info` reads and says of a recording, each time in a process that has judged nothing
yet. The side without chance counts the levels by D alone, and does identify(), which its story needs.

    python benchmarks/chance.py --cost RECORDING...
"""

import argparse
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations, permutations
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from trained_layers import NETWORKS
from trained_layers import trained as trained_layers

import dyn
from dyn.dynamics.chance import judge
from dyn.dynamics.chance.judging import can_decide
from dyn.dynamics.polytopes import identify
from dyn.dynamics.polytopes.shapes import vertices
from dyn.recorders.reading.selection import Selection
from dyn.recorders.stories import judging, story
from dyn.recorders.stories.story import tell, tell_all
from dyn.recorders.stories.summary import summarize

SHAPES = (
    (16, 16), (16, 32), (32, 16), (24, 48), (48, 24), (32, 32), (64, 32), (32, 64), (64, 64), (128, 64), (64, 128),
    (96, 96),
)  # fmt: skip
ROWS = 120
# Among how many features each shape is planted, and how many draws say at which noise the search finds 99 %.
PLANTED, KNOWN = {"digon": 32, "triangle": 24, "tetrahedron": 16, "pentagon": 12}, 8000
FEW = 12
NAMES = re.compile(
    r"digon|triang|tetrahed|pentagon|antiprism|octahed|simplex|gon\b|cube|dedicated|merged|not represented|unnamed"
    r"|at \d|regime|[1-9]\d* jump"
)
LAYERS = {
    "Linear": lambda m, n: nn.Linear(n, m),
    "Conv1d": lambda m, n: nn.Conv1d(n, m, 1),
    "Conv2d": lambda m, n: nn.Conv2d(n // 4, m, 2),
    "ConvTranspose2d": lambda m, n: nn.ConvTranspose2d(n, m // 4, 2),
    "Embedding": lambda m, n: nn.Embedding(n, m),
    "EmbeddingBag": lambda m, n: nn.EmbeddingBag(n, m),
    "LSTM": lambda m, n: nn.LSTM(n, m // 4),
    "GRU": lambda m, n: nn.GRU(n, m // 4),
    "RNN": lambda m, n: nn.RNN(n, m),
    "MultiheadAttention": lambda _, n: nn.MultiheadAttention(n, 4),
}


def still(m: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return a matrix that never moves, (T, m, n)."""
    return np.broadcast_to(rng.normal(size=(m, n)), (ROWS, m, n))


def walk(m: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return a matrix whose elements walk at random."""
    step = rng.choice([0.02, 0.1, 0.3])
    return rng.normal(size=(m, n)) + step * rng.normal(size=(ROWS, m, n)).cumsum(0)


def trained(m: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return the first layer of a network that learns the sums of some of its inputs."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    first, second = torch.randn(m, n, generator=generator) / n**0.5, torch.randn(4, m, generator=generator) / m**0.5
    target = torch.randn(n, 4, generator=generator) * (torch.arange(n) < n // 2)[:, None]
    weights = [first.requires_grad_(), second.requires_grad_()]
    optimizer, rows = torch.optim.Adam(weights, lr=1e-2), []
    for _ in range(ROWS):
        rows.append(first.detach().numpy().copy())
        x = torch.rand(64, n, generator=generator) * (torch.rand(64, n, generator=generator) < 0.2)
        optimizer.zero_grad()
        (torch.relu(x @ first.T) @ second.T - x @ target).square().mean().backward()
        optimizer.step()
    return np.stack(rows)


def turned(W: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return W (T, m, n) with each column turned by its own random rotation, the same at every row."""
    _, m, n = W.shape
    turns = np.linalg.qr(rng.normal(size=(n, m, m)))[0]
    return np.einsum("nab,tbn->tan", turns, W, optimize=True)


def record(model: nn.Module, path: Path, rows: np.ndarray | None) -> None:
    """Record a model that does not train, or whose weight has the values *rows* (T, m, n)."""
    with dyn.attach(model, None, path, writer="inline") as recorder:
        for k in range(ROWS):
            if rows is not None:
                with torch.no_grad():
                    model.get_parameter("weight").copy_(torch.from_numpy(rows[k].copy()))
            recorder.step(loss=1 / (1 + k))


def controls(count: int, rng: np.random.Generator, path: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """Record one control after the other, each at *path*, and yield its kind and its shape."""
    kinds = ["still", "random walk", "trained, turned", "initialised"]
    learned: dict[tuple[int, int], np.ndarray] = {}
    for k in range(count):
        kind, (m, n) = kinds[k % 4], SHAPES[k // 4 % len(SHAPES)]
        torch.manual_seed(int(rng.integers(2**31)))
        if kind == "initialised":
            name = list(LAYERS)[k // 4 % len(LAYERS)]
            record(LAYERS[name](m, n), path, None)
            yield f"initialised {name}", (m, n)
            continue
        if kind == "trained, turned":
            if (m, n) not in learned:
                learned[m, n] = trained(m, n, rng)
            rows = turned(learned[m, n], rng)
        else:
            rows = (still if kind == "still" else walk)(m, n, rng)
        record(nn.Linear(n, m, bias=False), path, rows)
        yield kind, (m, n)


def named(path: Path) -> list[str]:
    """Return what is said of a recording that has to have been learned."""
    with dyn.open(path) as recording:
        said = [line for line in str(summarize(recording)).splitlines() if line.startswith("features")]
        for parameter in recording.features:
            instances = recording.features[parameter]["dimensionality"].shape[1:-1]
            said += [str(tell(recording, parameter, 0 if instances else None))]
    return NAMES.findall("\n".join(said))


def tell_controls(count: int, seed: int) -> None:
    """Print how many controls have something named, by kind and by shape."""
    rng, looked, false = np.random.default_rng(seed), Counter(), Counter()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "control.h5"
        for kind, shape in controls(count, rng, path):
            words = named(path)
            for key in (kind, f"{shape[0]} × {shape[1]}", "all"):
                looked[key] += 1
                false[key] += bool(words)
            if words:
                print(f"  named in a control: {kind}, {shape}: {sorted(set(words))}", flush=True)
            path.unlink()
    print(f"controls, {time.perf_counter() - start:.0f} s")
    for key in looked:
        print(f"  {key:32} {false[key]:4d} of {looked[key]:5d} named")


def turned_right(W: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return W (m, n) with its right singular vectors turned at random: its spectrum, and its features anew."""
    return W @ np.linalg.qr(rng.normal(size=(W.shape[1], W.shape[1])))[0]


def drawn(W: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return directions drawn with the covariance of those of W (m, n), with the lengths of its columns."""
    lengths = np.linalg.norm(W, axis=0)
    directions = _unit(W / np.where(lengths > 0, lengths, 1) @ rng.normal(size=(W.shape[1], W.shape[1])))
    return directions * lengths


def tell_layers(draws: int, seed: int) -> None:
    """Print what is named of trained layers, and of how many that keep nothing of them but their covariance."""
    rng, looked, false = np.random.default_rng(seed), Counter(), Counter()
    for network in NETWORKS:
        layers = [(path, W) for k in range(3) for path, W in trained_layers(network, k) if can_decide(*W.shape)]
        for path, W in layers:
            if said := _named(W):
                print(f"  a trained layer: {network}, {path} {W.shape}: {said}", flush=True)
        for null in (turned_right, drawn):
            words = [_named(null(W, rng)) for _, W in layers for _ in range(draws)]
            for key in (f"{network}, {null.__name__}", f"all, {null.__name__}"):
                looked[key] += len(words)
                false[key] += sum(map(bool, words))
    for key in looked:
        print(f"  {key:32} {false[key]:4d} of {looked[key]:5d} named")


def tell_few(draws: int, seed: int) -> None:
    """Print what is named of twelve features whose variance is the greater along a few directions."""
    for m in (16, 64):
        for strong, times in ((0, 1), (1, 3), (3, 2), (3, 4), (3, 8), (5, 3)):
            _tell_few(
                f"{strong} directions {times} times as long", np.where(np.arange(m) < strong, times, 1), draws, seed
            )
        _tell_few("falling exponentially", np.exp(-np.arange(m) / (m / 4)), draws, seed)


def _tell_few(what: str, lengths: np.ndarray, draws: int, seed: int) -> None:
    rng, said = np.random.default_rng(seed), Counter()
    for _ in range(draws):
        words = _named(rng.normal(size=(len(lengths), FEW)) * lengths[:, None])
        said.update(words.split(", ") if words else [])
        said["any"] += bool(words)
    print(f"  {len(lengths)} × {FEW}, {what:32} {said.pop('any'):4d} of {draws:5d} named  {dict(said)}", flush=True)


def _named(W: np.ndarray) -> str:
    """Return which shapes and levels are named in a matrix."""
    verdict = judge(W)
    levels = Counter(verdict.levels()) if verdict.is_beyond.any() else Counter()
    told = Counter(part.name for part in verdict.shaped) + Counter({k: v for k, v in levels.items() if "/" in k})
    return ", ".join(f"{count} {name}" for name, count in told.items())


class Planted(NamedTuple):
    """Random directions (m, n), some of which are a shape: its vertices in m dimensions, and the noise of each."""

    W: np.ndarray
    features: np.ndarray
    vertices: np.ndarray
    noise: np.ndarray

    def at(self, noise: float) -> tuple[np.ndarray, tuple[int, ...]]:
        """Return the directions with so much noise in each coordinate of the shape, and its features."""
        W = self.W.copy()
        W[:, self.features] = self.vertices + noise * self.noise
        return _unit(W), tuple(sorted(self.features.tolist()))


def planted(name: str, m: int, n: int, rng: np.random.Generator) -> Planted:
    """Plant a shape among n random directions in m dimensions."""
    shape = vertices(name)
    k = shape.shape[1]
    basis = np.linalg.qr(rng.normal(size=(m, len(shape))))[0]
    return Planted(rng.normal(size=(m, n)), rng.choice(n, k, replace=False), basis @ shape, rng.normal(size=(m, k)))


class Search:
    """The exhaustive search for one shape among n features: the least distance of any group's cosines from its own."""

    def __init__(self, name: str, n: int):
        cosines = vertices(name).T @ vertices(name)
        k = len(cosines)
        self._groups = np.array(list(combinations(range(n), k)))
        self._pairs = np.triu_indices(k, 1)
        # The same features may be called its vertices in several ways.
        labels = {tuple(cosines[np.ix_(order, order)][self._pairs].round(9)) for order in permutations(range(k))}
        self._targets = np.array(sorted(labels))
        self._squares = np.square(self._targets).sum(axis=1)

    def __call__(self, unit: np.ndarray) -> tuple[float, tuple[int, ...]]:
        """Return the least root-mean-square distance, and the group that has it."""
        cosines = unit.T @ unit
        values = cosines[self._groups[:, self._pairs[0]], self._groups[:, self._pairs[1]]]
        distances = np.square(values).sum(axis=1) + (self._squares - 2 * values @ self._targets.T).min(axis=1)
        best = int(distances.argmin())
        return (float(distances[best]) / values.shape[1]) ** 0.5, tuple(self._groups[best].tolist())


def tell_power(name: str, m: int, n: int, options: argparse.Namespace) -> None:
    """Print the noise at which the exhaustive search finds 99 % of the planted groups, and how many are named there."""
    rng = np.random.default_rng([options.seed, m, n])
    search = Search(name, n)
    null = [search(_unit(rng.normal(size=(m, n))))[0] for _ in range(options.null)]
    threshold = float(np.quantile(null, 0.01, method="lower"))
    low, high = 0.0, 0.6
    # Roughly first, then among so many that the share is known to a tenth of a per cent.
    for count, steps in ((500, 6), (KNOWN, 7)):
        draws = [planted(name, m, n, rng) for _ in range(count)]
        low, high = 0.9 * low, 1.1 * high
        for _ in range(steps):
            noise = (low + high) / 2
            low, high = (noise, high) if _found(search, draws, noise, threshold) >= 0.99 else (low, noise)
    draws = [planted(name, m, n, rng) for _ in range(options.draws)]
    rates = [np.mean([_is_named(*draw.at(share * low), name) for draw in draws]) for share in (1.0, 0.9)]
    error = (rates[0] * (1 - rates[0]) / options.draws) ** 0.5
    found = _found(search, draws, low, threshold)
    print(
        f"  {name:12} m {m:4d} n {n:4d}   noise {low:.4f}, found by the search {found:6.1%}"
        f"   named {rates[0]:6.1%} ± {error:.1%}, at 0.9 of the noise {rates[1]:6.1%}",
        flush=True,
    )


def tell_cost(path: Path) -> None:
    """Print the CPU seconds of a summary and a story with chance and without, medians of five processes each."""
    costs = {told: float(np.median([_seconds(path, told) for _ in range(5)])) for told in (True, False)}
    ratio = costs[True] / costs[False]
    print(f"  {path.name:24} with {costs[True]:.3f} s, without {costs[False]:.3f} s, ratio {ratio:.2f}", flush=True)


def _seconds(path: Path, has_chance: bool) -> float:
    # A forked process has imported all, and kept no law of chance from before.
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        return pool.submit(_cost, path, has_chance).result()


def _cost(path: Path, has_chance: bool) -> float:
    if not has_chance:
        judging.verdict_on = story.verdict_on = _identified
    start = time.process_time()
    with dyn.open(path) as recording:
        for told in (summarize(recording), tell_all(recording)):
            str(told)
    return time.process_time() - start


def _identified(selection: Selection) -> None:
    """Do what a story without chance needs of its matrix, once."""
    if selection.parameter == next(iter(selection.recording.features)) and sys._getframe(1).f_code is tell.__code__:
        identify(selection.weights_at(slice(-1, None))[0].astype(np.float64))


def _unit(W: np.ndarray) -> np.ndarray:
    return W / np.linalg.norm(W, axis=0)


def _found(search: Search, draws: Sequence[Planted], noise: float, threshold: float) -> float:
    """Return the share of draws in which the search finds the group."""
    at_noise = [draw.at(noise) for draw in draws]
    found = ((search(W), features) for W, features in at_noise)
    return float(np.mean([distance <= threshold and group == features for (distance, group), features in found]))


def _is_named(W: np.ndarray, features: tuple[int, ...], name: str) -> bool:
    return any(part.name == name and part.features == features for part in judge(W).shaped)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--controls", type=int, default=2000, help="how many recordings that learned nothing")
    parser.add_argument("--draws", type=int, default=400, help="how many planted groups for each line")
    parser.add_argument("--null", type=int, default=30_000, help="how many random matrices for a threshold")
    parser.add_argument("--shapes", nargs="+", default=list(PLANTED), help="which shapes are planted")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--layers", type=int, default=0, help="only trained layers, and so many nulls of each")
    parser.add_argument(
        "--few", type=int, default=0, help="only so many of twelve features with a few strong directions"
    )
    parser.add_argument("--cost", type=Path, nargs="+", metavar="RECORDING", help="only the cost, of these recordings")
    options = parser.parse_args()
    if options.cost:
        print("CPU time of what dyn info says")
        for path in options.cost:
            tell_cost(path)
        return
    if options.layers:
        tell_layers(options.layers, options.seed)
        return
    if options.few:
        tell_few(options.few, options.seed)
        return
    if options.controls:
        tell_controls(options.controls, options.seed)
    if options.draws:
        print("power, at the noise in each coordinate at which an exhaustive search finds 99 %")
        for name in options.shapes:
            for m in (4, 8, 16, 32, 64, 128):
                tell_power(name, m, PLANTED[name], options)


if __name__ == "__main__":
    main()
