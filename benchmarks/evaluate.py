"""How much faster a function of the model is asked of all rows at once than of one loaded row after another.

Two recordings: a 12-16-4 network, whose accuracy on 256 examples is asked at every row, and a transformer of 0.8
million parameters, whose loss on 4 sequences of 32 tokens is. Beside it the plain way, load_into() and a call, on some
of the rows, in the same process; the median of several turns. Memory is the most of a process that asks about few rows
and of one that asks about all: it must not grow with the rows. The answers of both ways are compared.

    python benchmarks/evaluate.py [--rows 10000] [--transformer-rows 200] [--turns 3]
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn

import dyn

X = torch.randn(256, 12, generator=torch.Generator().manual_seed(1))
Y = X[:, :4].argmax(1)
TOKENS = torch.randint(64, (4, 32), generator=torch.Generator().manual_seed(2))
# How many rows are loaded one by one, for the time that one takes.
_LOADED = 100


class Transformer(nn.Module):
    """Four layers of 128 dimensions that predict the next of 64 tokens: 0.8 million parameters."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(64, 128)
        layer = nn.TransformerEncoderLayer(128, 4, 512, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
        self.out = nn.Linear(128, 64)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits, (batch, length, 64)."""
        return self.out(self.layers(self.embedding(tokens)))


def network() -> nn.Module:
    """A 12-16-4 network."""
    return nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 4))


def accuracy(model: nn.Module) -> Tensor:
    """Return the share of examples that are told right."""
    return (model(X).argmax(1) == Y).float().mean()


def token_loss(model: nn.Module) -> Tensor:
    """Return the mean loss of a token."""
    return nn.functional.cross_entropy(model(TOKENS[:, :-1]).flatten(0, 1), TOKENS[:, 1:].flatten())


def classify(model: nn.Module) -> Tensor:
    """Return what the network is trained to make small."""
    return nn.functional.cross_entropy(model(X), Y)


WORK: dict[str, tuple[Callable[[], nn.Module], Callable[[nn.Module], Tensor], Callable[[nn.Module], Tensor]]] = {
    "network": (network, classify, accuracy),
    "transformer": (Transformer, token_loss, token_loss),
}


def record(name: str, path: Path, steps: int) -> None:
    """Train one of them and record it."""
    make, loss_of, _ = WORK[name]
    torch.manual_seed(0)
    model = make()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    with dyn.attach(model, optimizer, path) as recorder:
        for _ in range(steps - 1):
            optimizer.zero_grad()
            loss = loss_of(model)
            loss.backward()
            recorder.log(loss=loss.detach())
            optimizer.step()


def evaluated(name: str, path: Path, rows: int) -> tuple[float, np.ndarray]:
    """Return the seconds that a row takes, and the answers."""
    make, _, function = WORK[name]
    model = make().eval()
    with dyn.open(path) as recording:
        steps = None if rows >= len(recording) else recording.step[:rows].tolist()
        began = perf_counter()
        answers = dyn.evaluate(recording, model, {"answer": function}, steps=steps)["answer"]
        return (perf_counter() - began) / len(answers), answers


def loaded(name: str, path: Path, rows: int) -> tuple[float, np.ndarray]:
    """Return the same of the plain way."""
    make, _, function = WORK[name]
    model = make().eval()
    with dyn.open(path) as recording, torch.no_grad():
        steps = recording.step[:rows].tolist()
        began = perf_counter()
        answers = []
        for step in steps:
            recording.load_into(model, step)
            answers.append(float(function(model)))
        return (perf_counter() - began) / rows, np.array(answers)


def peak_of(name: str, path: Path, rows: int) -> float:
    """Return the most memory, in MB, that a process takes which asks about so many rows."""
    command = [sys.executable, __file__, "--peak", name, str(path), str(rows)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def compare(name: str, path: Path, rows: int, turns: int) -> None:
    """Print the ratio, the largest difference and the memory."""
    record(name, path, rows)
    count = min(_LOADED, rows)
    quick, plain = zip(*((evaluated(name, path, rows), loaded(name, path, count)) for _ in range(turns)), strict=True)
    ours, theirs = (statistics.median(seconds for seconds, _ in each) for each in (quick, plain))
    worst = max(float(np.abs(a[1][:count] - b[1]).max()) for a, b in zip(quick, plain, strict=True))
    few, every = peak_of(name, path, rows // 10), peak_of(name, path, rows)
    print(f"{name}, {rows:,} rows: {theirs / ours:.1f} times as fast as loaded one by one")
    print(f"  {1e6 * ours:,.0f} µs a row, loaded one by one {1e6 * theirs:,.0f} µs; largest difference {worst:.1e}")
    print(f"  memory: {few:,.0f} MB for {rows // 10:,} rows, {every:,.0f} MB for all")


def main() -> None:
    """Compare both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--transformer-rows", type=int, default=200)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--peak", nargs=3, metavar=("NAME", "FILE", "ROWS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.peak:
        evaluated(options.peak[0], Path(options.peak[1]), int(options.peak[2]))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    with tempfile.TemporaryDirectory() as folder:
        compare("network", Path(folder, "network.h5"), options.rows, options.turns)
        compare("transformer", Path(folder, "transformer.h5"), options.transformer_rows, options.turns)


if __name__ == "__main__":
    main()
