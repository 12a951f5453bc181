"""Local learning coefficients against theory: k-gons, polynomials and linear networks, and what has to be refused.

The gates and localisations were chosen on the k-gons with six features with seed 0 and on w⁴, w⁶, (ab)², w⁸ with seven
squares. Here they have other seeds, from *--first* on, and stand beside points that nothing was chosen on. Printed are
the mean over the seeds beside theory, the standard deviation, the share within three of their own errors, the share
that was given a number, and the share of those that are not called settled. The cost is CPU time of one thread.

    python benchmarks/llc.py [--seeds 20] [--first 1000]
"""

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dyn.dynamics.landscape import LlcEstimate, estimate, one_hot_loss
from dyn.dynamics.theory.kgons import best_kgon, kgon_parameters


class Case(NamedTuple):
    """A loss at a point; theory is None where it has to be refused."""

    name: str
    loss: Callable[[Tensor], Tensor]
    point: np.ndarray
    theory: float | None


def kgon(name: str, sides: int, n: int, lifted: int, theory: float) -> Case:
    """Return a k-gon among n features."""
    W, b = kgon_parameters(best_kgon(sides), n, lifted=lifted)

    def loss(theta: Tensor) -> Tensor:
        return one_hot_loss(theta[:, : 2 * n].unflatten(1, (2, n)), theta[:, 2 * n :])

    return Case(f"c={n} {name}", loss, np.r_[W.ravel(), b], theory)


def linear(rank: int, m: int, h: int, n: int, theory: float) -> Case:
    """Return W2 W1 that learns a matrix of that rank; Aoyagi and Watanabe 2005."""
    A = torch.zeros(m, n, dtype=torch.float64)
    W2, W1 = np.zeros((m, h)), np.zeros((h, n))
    for k in range(rank):
        A[k, k] = W2[k, k] = W1[k, k] = 1

    def loss(theta: Tensor) -> Tensor:
        product = theta[:, : m * h].unflatten(1, (m, h)) @ theta[:, m * h :].unflatten(1, (h, n))
        return (product - A).square().sum((1, 2))

    return Case(f"linear {m}-{h}-{n}, rank {rank}", loss, np.r_[W2.ravel(), W1.ravel()], theory)


def polynomial(name: str, loss: Callable[[Tensor], Tensor], d: int, theory: float | None) -> Case:
    """Return a polynomial at 0."""
    return Case(name, loss, np.zeros(d), theory)


CASES = [
    kgon("4--", 4, 6, 0, 7.5),
    kgon("4+-", 4, 6, 1, 8),
    kgon("4++", 4, 6, 2, 8.5),
    kgon("5", 5, 6, 0, 7),
    kgon("5+", 5, 6, 1, 8.5),
    kgon("6", 6, 6, 0, 8.5),
    kgon("4-", 4, 5, 0, 6.5),
    kgon("5", 5, 5, 0, 7),
    kgon("5---", 5, 8, 0, 7),
    kgon("7+", 7, 8, 1, 11.5),
    kgon("8", 8, 8, 0, 11.5),
    polynomial("a² + 3b² + c²/100", lambda t: t[:, 0] ** 2 + 3 * t[:, 1] ** 2 + t[:, 2] ** 2 / 100, 3, 1.5),
    polynomial("8 squares", lambda t: t.square().sum(1), 8, 4),
    polynomial("a² + 0b", lambda t: t[:, 0] ** 2, 2, 0.5),
    polynomial("w⁴", lambda t: t[:, 0] ** 4, 1, 1 / 4),
    polynomial("w⁶", lambda t: t[:, 0] ** 6, 1, 1 / 6),
    polynomial("a² + b⁴ + c⁶", lambda t: t[:, 0] ** 2 + t[:, 1] ** 4 + t[:, 2] ** 6, 3, 1 / 2 + 1 / 4 + 1 / 6),
    polynomial("(a² + b² + c²)²", lambda t: t.square().sum(1) ** 2, 3, 3 / 4),
    polynomial("a²b⁴ (λ 1/4, multiplicity 1)", lambda t: t[:, 0] ** 2 * t[:, 1] ** 4, 2, 1 / 4),
    polynomial("(ab)² (λ 1/2, multiplicity 2)", lambda t: t.prod(1) ** 2, 2, 1 / 2),
    linear(2, 3, 2, 3, 4),
    linear(1, 2, 1, 3, 2),
    linear(2, 4, 3, 3, 5.5),
    linear(0, 2, 2, 2, 1.5),
    polynomial("saddle a² - b²", lambda t: t[:, 0] ** 2 - t[:, 1] ** 2, 2, None),
    polynomial("saddle a² - b²/1000", lambda t: t[:, 0] ** 2 - t[:, 1] ** 2 / 1000, 2, None),
    polynomial("a² - b⁴", lambda t: t[:, 0] ** 2 - t[:, 1] ** 4, 2, None),
    polynomial("a² + b³", lambda t: t[:, 0] ** 2 + t[:, 1] ** 3, 2, None),
    polynomial("slope a² + b/10", lambda t: t[:, 0] ** 2 + t[:, 1] / 10, 2, None),
    polynomial("(a - 1)² (b - 1)² at 0", lambda t: ((t - 1) ** 2).prod(1), 2, None),
]


def line(case: Case, found: list[LlcEstimate], seconds: float) -> str:
    """Return one line of the table."""
    given = [each for each in found if each.llc is not None]
    share = len(given) / len(found)
    head = f"{case.name:42s} {'refuse' if case.theory is None else f'{case.theory:6.3f}'}"
    if not given:
        return f"{head}  refused: {found[0].verdict} ({1000 * seconds:.0f} ms)"
    values = np.array([each.llc for each in given])
    errors = np.array([each.error for each in given])
    scores = abs(values - (case.theory or 0)) <= np.maximum(3 * errors, 1e-3)
    unsettled = np.mean([each.verdict != "ok" for each in given])
    return (
        f"{head}  {values.mean():7.3f} sd {values.std():.3f}  within three errors {100 * scores.mean():3.0f} %"
        f"  given {100 * share:3.0f} %  not settled {100 * unsettled:3.0f} %  {1000 * seconds:.0f} ms"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for case in CASES:
        begin = time.process_time()
        seeds = range(options.first, options.first + options.seeds)
        found = [estimate(case.loss, case.point, seed=seed) for seed in seeds]
        print(line(case, found, (time.process_time() - begin) / options.seeds), flush=True)


if __name__ == "__main__":
    main()
