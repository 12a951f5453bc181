"""How surely planted jumps are found, how rarely jumps are seen where there are none, and how long it takes.

python benchmarks/jumps.py planted|null|time [--trials N] [--first K] [--seed S]

A trial is known by its seed and its number, so that many can be run in pieces, one after the other or side by side.
"""

import argparse
import time
from collections.abc import Iterator

import numpy as np

from dyn.dynamics.jumps import detect_jumps
from dyn.dynamics.synthetic.scoring import Score, score, total
from dyn.dynamics.synthetic.trajectories import Shape, Spacing, SweepPlan, Trajectory, plant

ROWS = (1_000, 3_000, 10_000, 30_000, 100_000)
SPACINGS: tuple[Spacing, ...] = ("regular", "random", "log")
SHAPES: tuple[Shape, ...] = ("linear", "smooth")


def planted_plan(rng: np.random.Generator, rows: int) -> SweepPlan:
    return SweepPlan(
        rows=rows,
        features=int(rng.choice([1, 4, 16, 64, 400])),
        events=int(rng.integers(1, 6)),
        noise=float(rng.choice([0, 0.1, 0.2, 1 / 3])),
        correlation=float(rng.choice([0, 0, 0.5])),
        drift=float(rng.choice([0, 0.05, 0.1])),
        spacing=SPACINGS[rng.integers(3)],
        shape=SHAPES[rng.integers(2)],
        lag=int(rng.choice([0, 5])),
    )


def null_plan(rng: np.random.Generator, rows: int) -> SweepPlan:
    return SweepPlan(
        rows=rows,
        features=int(rng.choice([1, 4, 16, 64, 400])),
        events=0,
        noise=float(rng.choice([0, 0.01, 0.1, 1 / 3, 2])),
        correlation=float(rng.choice([0, 0, 0.5])),
        drift=float(rng.choice([0, 0.05, 0.1, 0.3])),
        spacing=SPACINGS[rng.integers(3)],
    )


def trials(numbers: range, seed: int, *, null: bool) -> Iterator[tuple[Trajectory, Score, float]]:
    for k in numbers:
        rng = np.random.default_rng((seed, k))
        # Short runs are the hard ones, and the quick ones.
        rows = int(rng.choice(ROWS, p=[0.3, 0.3, 0.25, 0.1, 0.05]))
        plan = null_plan(rng, rows) if null else planted_plan(rng, rows)
        trajectory = plant(plan, seed=seed * 100_000 + k)
        start = time.perf_counter()
        found = detect_jumps(trajectory.signal, trajectory.loss, trajectory.step)
        seconds = time.perf_counter() - start
        result = score(found, trajectory.jumps)
        yield trajectory, result, seconds
        if null and found:
            print("  seen:", plan, *found)


def table(numbers: range, seed: int, *, null: bool) -> None:
    results = [(t.signal.shape, each, seconds) for t, each, seconds in trials(numbers, seed, null=null)]
    print("   rows  runs  planted  found  recall  precision  within  same features  seconds")
    for rows in (*ROWS, None):
        chosen = [(each, seconds) for shape, each, seconds in results if rows in (None, shape[0])]
        if not chosen:
            continue
        sums = total(each for each, _ in chosen)
        print(
            f"{rows or 'all':>7}  {len(chosen):4}  {sums.planted:7}  {sums.found:5}  {sums.recall:6.4f}"
            f"  {sums.precision:9.4f}  {sums.within:6.4f}  {sums.exact / max(sums.matched, 1):13.4f}"
            f"  {sum(seconds for _, seconds in chosen):7.1f}"
        )


def timing(repeats: int, seed: int) -> None:
    print("   rows  features  seconds (least of the repeats)  nanoseconds a value")
    for rows, features in ((10_000, 64), (30_000, 64), (100_000, 64), (100_000, 16), (10_000, 400)):
        trajectory = plant(SweepPlan(rows=rows, features=features, events=5, noise=1 / 3), seed=seed)
        least = np.inf
        for _ in range(repeats):
            start = time.perf_counter()
            detect_jumps(trajectory.signal, trajectory.loss, trajectory.step)
            least = min(least, time.perf_counter() - start)
        print(f"{rows:7}  {features:8}  {least:31.3f}  {least / rows / features * 1e9:19.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Jumps: found, imagined, and in what time.")
    parser.add_argument("part", choices=["planted", "null", "time"])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="the number of the first trial")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.part == "time":
        timing(min(arguments.trials, 5), arguments.seed)
    else:
        numbers = range(arguments.first, arguments.first + arguments.trials)
        table(numbers, arguments.seed, null=arguments.part == "null")


if __name__ == "__main__":
    main()
