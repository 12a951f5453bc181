"""A trained phase diagram: on the exact population loss, beside the usual training on samples.

Ours trains every point of the paper's grid. The sampled ways train an even choice of its points with as many models
each, by the same engine with as many workers; their time for all points is *extrapolated* from the models that they
trained. Losses are the exact population loss at the points that all ways have in common: at each point the model with
the highest is left out and the others are averaged. What the fused step of the sampled ways gains over the usual
training by autograd is the ratio of their processor times, medians of steps that take turns on a task of the sweep.

    python benchmarks/sweep.py [phase-2x1|phase-3x2 ...] [--workers 2] [--points 5] [--ways usual catalogue]
"""

import argparse
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import torch

from dyn.dynamics.phenomena.phase_diagram import phase_table, theoretical_phase
from dyn.dynamics.theory import expected_loss, phase_boundary
from dyn.dynamics.training.fused import FusedTraining
from dyn.dynamics.training.loop import Training
from dyn.recorders.sweeps.axes import Axis
from dyn.recorders.sweeps.paper import plan_sweep
from dyn.recorders.sweeps.plan import SweepPlan
from dyn.recorders.sweeps.run import run_sweep
from dyn.recorders.sweeps.sweep import Sweep

# The settings of the sampled ways: what one would write down, and what the catalogue was tuned to.
SAMPLED = {
    "usual": ("batch_size=1024", "steps=5000", "lr=1e-3", "schedule=constant"),
    "catalogue": (),
}
# Nearer to a boundary, in log p, trained models and the best of fixed candidates may differ.
MARGIN = 0.15
STEPS = 300


@dataclass(frozen=True)
class Trained:
    """A sweep that was trained: its axes, the seconds it took, W and the exact loss of each model."""

    density: np.ndarray
    importance: np.ndarray
    seconds: float
    W: np.ndarray
    loss: np.ndarray

    @property
    def agreement(self) -> tuple[float, int]:
        """The share of the points off the boundaries whose phase is that of theory, and how many these are."""
        m, n = self.W.shape[-2:]
        p = self.density[:, None]
        agrees = phase_table(self.W, self.loss).phase == theoretical_phase(n, m, p, self.importance)
        far = abs(np.log(p / phase_boundary(n, m, self.importance))) >= MARGIN
        return float(agrees[far].mean()), int(far.sum())

    def at(self, points: "Trained") -> "Trained":
        """Return what was trained at the points of another sweep, which are among its own."""
        rows, columns = np.isin(self.density, points.density), np.isin(self.importance, points.importance)
        chosen = np.ix_(rows, columns)
        return replace(
            self, density=points.density, importance=points.importance, W=self.W[chosen], loss=self.loss[chosen]
        )


def train(plan: SweepPlan, workers: int) -> Trained:
    with tempfile.TemporaryDirectory() as folder:
        began = perf_counter()
        outcome = run_sweep(plan, Path(folder) / "sweep.h5", workers=workers)
        seconds = perf_counter() - began
        with Sweep(outcome.path) as sweep:
            W, b = sweep["W"].astype(float), sweep["b"].astype(float)
    density, importance = (np.array(axis.values) for axis in plan.axes)
    weights = np.ones((len(importance), W.shape[-1]))
    weights[:, -1] = importance
    return Trained(density, importance, seconds, W, expected_loss(W, b, density[:, None, None], weights[:, None]))


def fused_gain(plan: SweepPlan) -> tuple[float, float]:
    """Return how many milliseconds a fused step of a task of *plan* takes, and how many times as long autograd."""
    torch.set_num_threads(1)
    experiment = plan.cut()[0][0].experiment.with_settings(steps=STEPS)
    trainings = [iter(FusedTraining(experiment)), iter(Training(experiment))]
    seconds = np.empty((STEPS, 2))
    for k in range(STEPS):
        for way, training in enumerate(trainings):
            began = process_time()
            next(training)
            seconds[k, way] = process_time() - began
    fused, usual = np.median(seconds, axis=0)
    return 1e3 * fused, usual / fused


def some(plan: SweepPlan, count: int) -> list[str]:
    """Return *count* values of each axis, from its first to its last, as texts."""

    def chosen(axis: Axis) -> str:
        indices = np.linspace(0, len(axis) - 1, count).round().astype(int)
        return f"{axis.name}={','.join(repr(axis.values[k]) for k in indices)}"

    return [chosen(axis) for axis in plan.axes]


def compare(name: str, options: argparse.Namespace) -> None:
    plan = plan_sweep(name)
    models = int(np.prod(plan.shape)) * plan.repeat
    ours = train(plan, options.workers)
    share, points = ours.agreement
    print(f"{name}: {models} models on the exact population loss, {options.workers} workers: {ours.seconds:.1f} s")
    print(f"  agrees with theory at {share:.1%} of the {points} points {MARGIN:.0%} or more off a boundary")
    for way in options.ways:
        sampled = plan_sweep(name, some(plan, options.points), SAMPLED[way], way="samples")
        theirs = train(sampled, options.workers)
        same = ours.at(theirs)
        seconds = theirs.seconds * models / (options.points**2 * plan.repeat)
        losses = [float(phase_table(each.W, each.loss).loss.mean()) for each in (same, theirs)]
        print(f"  {way}: {options.points**2} points in {theirs.seconds:.1f} s, extrapolated to all {seconds:,.0f} s")
        print(f"    ratio {seconds / ours.seconds:.0f}; theory {theirs.agreement[0]:.1%}, ours {same.agreement[0]:.1%}")
        step, gain = fused_gain(sampled)
        print(f"    a fused step {step:.2f} ms, by autograd {gain:.2f} times as long")
        print(f"    loss {losses[1]:.6f}, ours {losses[0]:.6f}, ratio {losses[0] / losses[1]:.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="A phase diagram on the exact loss, beside training on samples.")
    parser.add_argument("names", nargs="*", default=["phase-2x1", "phase-3x2"], metavar="NAME")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--points", type=int, default=5, help="of each axis that the sampled ways train")
    parser.add_argument("--ways", nargs="*", choices=SAMPLED, default=list(SAMPLED))
    options = parser.parse_args()
    for name in options.names:
        compare(name, options)


if __name__ == "__main__":
    main()
