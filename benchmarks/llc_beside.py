"""The cost and error of a learning coefficient at k-gons, beside devinterp 1.3.2 at the same points.

devinterp is in a Python of its own, *--python*, with the CPU's torch; that Python needs no dyn. It samples SGLD, 4
chains x 2000 draws, on 16 384 one-hot samples in batches of 1024 taken by index, nβ = n / log n. Its learning rate is
the one that is nearest to theory at one seed that does not count: chosen with the answer known, in its favour. Both
sides have the same point, one thread, CPU time, in one run; ours is estimate_each() in the coarse setting, all seeds as
one batch, and estimate() as it is.

    python benchmarks/llc_beside.py --python PATH [--seeds 10] [--sides 5]
"""

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

RATES = (3e-5, 1e-4, 3e-4, 1e-3)
_SAMPLES, _BATCH, _CHAINS, _DRAWS, _LOCALISATION = 16_384, 1024, 4, 2000, 10.0


class Toy(nn.Module):
    """ReLU(W^T W x + b)."""

    def __init__(self, W: Any, b: Any):
        super().__init__()
        self.W = nn.Parameter(torch.tensor(W, dtype=torch.float32))
        self.b = nn.Parameter(torch.tensor(b, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs, (samples, n)."""
        return (x @ self.W.T @ self.W + self.b).relu()


class Batches(DataLoader):
    """Batches by index, another order each time; a DataLoader by name, since devinterp asks for one."""

    def __init__(self, x: Tensor):
        super().__init__(TensorDataset(x), batch_size=_BATCH)
        self._x = x

    def __iter__(self) -> Iterator[Tensor]:  # type: ignore[override]
        order = torch.randperm(len(self._x))
        return (self._x[order[k : k + _BATCH]] for k in range(0, len(self._x), _BATCH))

    def __len__(self) -> int:
        return len(self._x) // _BATCH


def devinterp_llc(W: Any, b: Any, rate: float, seed: int) -> float:
    """Return λ as devinterp has it; it runs in the other Python."""
    # It is in an environment of its own, since it would bring another torch.
    sampler = import_module("devinterp.slt.sampler")
    sampling = import_module("devinterp.optim.sgld").SGLD

    warnings.simplefilter("ignore")
    torch.manual_seed(seed)
    n = len(b)
    x = nn.functional.one_hot(torch.randint(n, (_SAMPLES,)), n) * torch.rand(_SAMPLES, 1)
    model = Toy(W, b)
    with torch.no_grad():
        base = (model(x) - x).square().sum(1).div(n).mean()
    n_beta = float(_SAMPLES / np.log(_SAMPLES))
    found = sampler.estimate_learning_coeff_with_summary(
        model,
        Batches(x),
        evaluate=lambda m, batch: (m(batch) - batch).square().sum(1).div(n).mean(),
        sampling_method=sampling,
        optimizer_kwargs={"lr": rate, "nbeta": n_beta, "localization": _LOCALISATION},
        num_chains=_CHAINS,
        num_draws=_DRAWS,
        init_loss=base,
        seed=seed,
        verbose=False,
    )
    return float(found["llc/mean"])


def serve() -> None:
    """Read a point and its theory, tune, and print one λ for each seed with its CPU time."""
    torch.set_num_threads(1)
    asked = json.load(sys.stdin)
    W, b = asked["W"], asked["b"]
    tried = {rate: devinterp_llc(W, b, rate, 10_000) for rate in RATES}
    print(json.dumps({"tried": tried}), flush=True)
    rate = min(tried, key=lambda each: abs(np.nan_to_num(tried[each], nan=np.inf) - asked["theory"]))
    for seed in range(asked["seeds"]):
        begin = time.process_time()
        value = devinterp_llc(W, b, rate, seed)
        print(json.dumps({"rate": rate, "llc": value, "seconds": time.process_time() - begin}), flush=True)


def told(name: str, values: list[float], theory: float, seconds: float) -> str:
    """Return one line of the table."""
    array = np.array(values)
    rms = np.sqrt(np.mean((array - theory) ** 2))
    return f"{name:34s} {array.mean():7.3f} sd {array.std(ddof=1):.3f} rms {rms:.3f}  {1000 * seconds:9.1f} ms"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", help="the Python that has devinterp")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--sides", type=int, default=5)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    from dyn.dynamics.theory.kgons import best_kgon, kgon_llc, kgon_parameters

    torch.set_num_threads(1)
    kgon, lifted = best_kgon(options.sides), 0
    W, b = kgon_parameters(kgon, 6, lifted=lifted)
    theory = float(kgon_llc(kgon, 6, lifted=lifted) or np.nan)
    print(f"{options.sides}-gon of 6 features, {options.seeds} seeds, theory {theory:g}", flush=True)
    ours(np.r_[W.ravel(), b], theory, options.seeds)
    asked = {"W": W.tolist(), "b": b.tolist(), "theory": theory, "seeds": options.seeds}
    if options.python:
        theirs(options.python, asked)


def ours(point: np.ndarray, theory: float, seeds: int) -> None:
    """Print the lines of both settings."""
    from dyn.dynamics.landscape import estimate, estimate_each
    from dyn.dynamics.landscape.batch_losses import OneHotLoss
    from dyn.dynamics.landscape.llc import COARSE

    loss = OneHotLoss(2, 6)
    runs: dict[str, Callable[[], list[Any]]] = {
        "as it is, one at a time": lambda: [estimate(loss, point, seed=seed) for seed in range(seeds)],
        "coarse, one at a time": lambda: [estimate(loss, point, seed=seed, **COARSE) for seed in range(seeds)],
        "coarse, all as one batch": lambda: estimate_each(loss, np.repeat(point[None], seeds, 0), seed=0, **COARSE),
    }
    for name, run in runs.items():
        begin = time.process_time()
        found = run()
        seconds = (time.process_time() - begin) / seeds
        given = [each.llc for each in found if each.llc is not None]
        print(told(f"{name} ({len(given)} of {seeds})", given, theory, seconds), flush=True)


def theirs(python: str, asked: dict[str, Any]) -> None:
    """Print the line of devinterp."""
    command = [python, __file__, "--serve"]
    done = subprocess.run(command, input=json.dumps(asked), stdout=subprocess.PIPE, text=True, check=True)
    first, *rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    print(f"learning rates tried: {first['tried']}")
    values, seconds = [row["llc"] for row in rows], float(np.mean([row["seconds"] for row in rows]))
    print(told(f"devinterp, learning rate {rows[0]['rate']:g}", values, asked["theory"], seconds), flush=True)


if __name__ == "__main__":
    main()
