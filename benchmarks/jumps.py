"""How surely planted jumps are found, how rarely jumps are seen where there are none, what is said of the loss, and how
long it takes.

python benchmarks/jumps.py planted|null|losses|time [--trials N] [--first K] [--seed S]

A trial is known by its seed and its number, so that many can be run in pieces, one after the other or side by side.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dyn.dynamics.jumps import Jump, detect_jumps
from dyn.dynamics.synthetic.losses import Course, LossPlan, plant_with_loss
from dyn.dynamics.synthetic.scoring import Score, score, total
from dyn.dynamics.synthetic.trajectories import Plan, PlantedJump, Shape, Spacing, Trajectory, plant

ROWS = (1_000, 3_000, 10_000, 30_000, 100_000)
SPACINGS: tuple[Spacing, ...] = ("regular", "random", "log")
SHAPES: tuple[Shape, ...] = ("linear", "smooth")
COURSES: tuple[Course, ...] = ("exponential", "power law", "plateau")
# The losses: of one course each, and with much noise or with spikes of any course.
LOSSES = (*COURSES, "noisy", "spiky")


def planted_plan(rng: np.random.Generator, rows: int) -> Plan:
    return Plan(
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


def null_plan(rng: np.random.Generator, rows: int) -> Plan:
    return Plan(
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


def pair_plans(rng: np.random.Generator, kind: str) -> tuple[Plan, LossPlan]:
    """Return a jump that is planted plainly, and a loss of one of LOSSES."""
    course = kind if kind in COURSES else COURSES[rng.integers(3)]
    plan = Plan(
        rows=int(rng.choice([500, 1_000, 3_000, 10_000], p=[0.3, 0.3, 0.3, 0.1])),
        features=int(rng.choice([1, 4, 16])),
        events=1,
        noise=float(rng.choice([0.02, 0.1])),
        ramp=(0.004, 0.1),
        gap=0.1,
        spacing=SPACINGS[rng.integers(3)],
        shape=SHAPES[rng.integers(2)],
    )
    plan = replace(plan, lag=int(rng.choice([0, 0, 0, -1, 1]) * 0.004 * plan.rows))
    height = float(10 ** rng.uniform(-1, 2))
    loss = LossPlan(
        course=course,  # type: ignore[arg-type]
        height=height,
        scale=float(10 ** rng.uniform(-2, 0)),
        floor=float(10 ** rng.uniform(-2, 0)),
        drop=float(rng.choice([0, -1, 1, 1, 1]) * 10 ** rng.uniform(-2, 0)),
        noise=float(rng.uniform(0.1, 0.5) if kind == "noisy" else rng.choice([0, 0.003, 0.03])),
        spikes=0.01 if kind == "spiky" else 0.0,
    )
    return plan, loss


class Said(NamedTuple):
    """What is said of the loss across a jump; what is so between the ends that were found, and those planted.

    lag_off is how far the lag is off, in lengths of the planted ramp, and NaN where none is told.
    """

    jump: Jump
    between_found: float
    between_planted: float
    lag_off: float

    def close(self, change: float) -> bool:
        """Whether what is said of the loss is within a tenth of *change*."""
        return abs(self.jump.loss_change - change) <= 0.1 * abs(change)

    @property
    def right(self) -> bool:
        """Whether what is said of the loss has the sign of its change."""
        return self.jump.loss_change * self.between_found > 0


def said(jump: Jump, truth: PlantedJump, trajectory: Trajectory, plan: Plan) -> Said:
    step, expected = trajectory.step, trajectory.expected_loss
    start, end = np.searchsorted(step, [jump.start, jump.end])
    planted = np.searchsorted(step, [truth.start, truth.end])
    own = planted + plan.lag
    lag_off = np.nan
    if np.isfinite(jump.loss_lag):
        # The loss is compared across its own ramp too.
        start, end = min(start, own[0]), max(end, own[1])
        lag_off = abs(jump.loss_lag - (step[own].mean() - step[planted].mean())) / np.ptp(step[planted])
    return Said(jump, float(expected[end] - expected[start]), truth.loss_change, float(lag_off))


def pairs(numbers: range, seed: int) -> Iterator[tuple[str, Said | None]]:
    """Yield the kind of each pair of a jump and a loss, and what is said of it; None where no jump was found."""
    for k in numbers:
        kind = LOSSES[k % len(LOSSES)]
        plan, loss = pair_plans(np.random.default_rng((seed, k)), kind)
        trajectory = plant_with_loss(plan, loss, seed=seed * 100_000 + k)
        (truth,) = trajectory.jumps
        found = detect_jumps(trajectory.signal, trajectory.loss, trajectory.step)
        match = next((jump for jump in found if score([jump], [truth]).matched), None)
        result = match and said(match, truth, trajectory, plan)
        yield kind, result
        if result is None or (result.jump.loss_sigmas > 5 and not result.right):
            print("  missed or wrong:", k, plan, loss, result)


def losses(numbers: range, seed: int) -> None:
    """Print of each kind of loss how many jumps are found, and how many changes of the loss are right, as a share."""
    results = list(pairs(numbers, seed))
    print(
        "       kind  pairs  found  over 5 SE  sign right  over 20 SE  within 10 %  as planted  within 2 SE  lags right"
    )
    for kind in (*LOSSES, "all"):
        chosen = [each for name, each in results if kind in (name, "all")]
        found = [each for each in chosen if each]
        seen = [each for each in found if each.jump.loss_sigmas > 5]
        sure = [each for each in found if each.jump.loss_sigmas > 20]
        honest = [abs(each.jump.loss_change - each.between_found) <= 2 * each.jump.loss_error for each in found]
        lags = [each.lag_off <= 0.5 for each in found if np.isfinite(each.lag_off)]
        print(
            f"{kind:>11}  {len(chosen):5}  {len(found):5}  {len(seen):9}  {sum(each.right for each in seen):10}"
            f"  {len(sure):10}  {share([each.close(each.between_found) for each in sure]):11.4f}"
            f"  {share([each.close(each.between_planted) for each in sure]):10.4f}  {share(honest):11.4f}"
            f"  {len(lags):4}  {share(lags):5.3f}"
        )


def share(right: Sequence[bool]) -> float:
    return sum(right) / len(right) if right else 1.0


def timing(repeats: int, seed: int) -> None:
    print("   rows  features  seconds (least of the repeats)  nanoseconds a value")
    for rows, features in ((10_000, 64), (30_000, 64), (100_000, 64), (100_000, 16), (10_000, 400)):
        trajectory = plant(Plan(rows=rows, features=features, events=5, noise=1 / 3), seed=seed)
        least = np.inf
        for _ in range(repeats):
            start = time.perf_counter()
            detect_jumps(trajectory.signal, trajectory.loss, trajectory.step)
            least = min(least, time.perf_counter() - start)
        print(f"{rows:7}  {features:8}  {least:31.3f}  {least / rows / features * 1e9:19.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Jumps: found, imagined, and in what time.")
    parser.add_argument("part", choices=["planted", "null", "losses", "time"])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="the number of the first trial")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.part == "time":
        timing(min(arguments.trials, 5), arguments.seed)
        return
    numbers = range(arguments.first, arguments.first + arguments.trials)
    if arguments.part == "losses":
        losses(numbers, arguments.seed)
    else:
        table(numbers, arguments.seed, null=arguments.part == "null")


if __name__ == "__main__":
    main()
